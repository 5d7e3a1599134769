package database_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/internal/redis/redislink"
)

// shared is the Redis of all tests but those that want one of another configuration.
var shared *servers.Server

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var err error
	config := fmt.Sprintf("user %s reset on >secret %s\n", anyRole, access.Rules(access.Roles()...))
	if shared, err = servers.StartRedis(ctx, servers.Options{Config: config}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := shared.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// anyRole is the user that may do what any role does, and nothing else.
const anyRole = "any-role"

var discard = slog.New(slog.DiscardHandler)

// loginAs returns the URL of the shared Redis for a user.
func loginAs(user string) string {
	_, at, _ := strings.Cut(shared.URL, "@")
	return "redis://" + user + ":secret@" + at
}

// open connects to url and closes at the end of the test.
func open(t *testing.T, url string) *redislink.Store {
	t.Helper()
	s, err := redislink.Open(url, discard)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// fresh returns a store on an empty Redis, and an administrator's client beside it.
func fresh(t *testing.T) (*redislink.Store, *goredis.Client) {
	t.Helper()
	o, err := goredis.ParseURL(shared.URL)
	must(t, err)
	admin := goredis.NewClient(o)
	t.Cleanup(func() { _ = admin.Close() })
	must(t, admin.FlushDB(t.Context()).Err())
	return open(t, loginAs(anyRole)), admin
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
