package upkeep

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
)

// A scaler that starts while the policy is wrong goes on with the one in force; without one it says what is wrong.
func TestStartingPolicy(t *testing.T) {
	_, store := redistest.StartStore(t)
	log := slog.New(slog.DiscardHandler)
	board := redis.NewBoard(store, log)
	says := func(text string) PolicySource {
		return func(context.Context) ([]byte, error) { return []byte(text), nil }
	}
	if _, _, err := StartingPolicy(t.Context(), says("lanes: nonsense"), board, log); err == nil ||
		!strings.Contains(err.Error(), "lanes") {
		t.Errorf("a wrong policy and none in force: %v", err)
	}
	p, text, err := StartingPolicy(t.Context(), says(small), board, log)
	if err != nil || p.Budget != 3 || string(text) != small {
		t.Fatalf("a right one: %v %q %v", p, text, err)
	}
	if _, err := board.PublishPolicy(t.Context(), lanes.Effective{Policy: *p}); err != nil {
		t.Fatal(err)
	}
	if p, text, err = StartingPolicy(t.Context(), says("lanes: nonsense"), board, log); err != nil || p.Budget != 3 ||
		text != nil {
		t.Errorf("a wrong one, and one in force: %v %q %v", p, text, err)
	}
}

// flush makes a Redis lose all its data.
func flush(t *testing.T, server *servers.Server) {
	t.Helper()
	options, err := goredis.ParseURL(server.URL)
	redistest.Must(t, err)
	client := goredis.NewClient(options)
	defer client.Close()
	redistest.Must(t, client.FlushAll(t.Context()).Err())
}
