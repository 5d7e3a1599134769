package serve

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis/redislink"
)

// A private server that dies comes back by itself, on its old URL.
func TestServersAreTended(t *testing.T) {
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := StartServers(t.Context(), Servers{AMQPURL: "amqp://given"}, t.TempDir(), io.Discard, log)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	store, err := redislink.Open(s.RedisURL, log)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for range 2 {
		if err := s.Private[0].Kill(); err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); store.Ping(t.Context()) != nil; time.Sleep(50 * time.Millisecond) {
			if time.Since(began) > 20*time.Second {
				t.Fatal("Redis isn't back")
			}
		}
	}
}
