package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach/reachtest"
	"github.com/polyglot-media/siren/cmd/siren/runcmd"
	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// Both servers want certificates, and their passwords are rotated: what is open comes back by itself, and commands go
// on.
func TestSecureEndpoints(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	authority, err := servers.NewAuthority(t.TempDir())
	must(t, err)
	amqp, err := servers.StartRabbitMQ(ctx, servers.Options{TLS: authority})
	must(t, err)
	t.Cleanup(func() { must(t, amqp.Stop(context.Background())) })
	store, err := servers.StartRedis(ctx, servers.Options{
		TLS:    authority,
		Config: "user rotating on >old-secret ~* &* +@all\n",
	})
	must(t, err)
	t.Cleanup(func() { must(t, store.Stop(context.Background())) })
	amqpctl := func(args ...string) {
		t.Helper()
		_, err := amqp.Rabbitmqctl(ctx, args...)
		must(t, err)
	}
	amqpctl("add_user", "rotating", "old-secret")
	amqpctl("set_permissions", "rotating", ".*", ".*", ".*")
	admin, err := goredis.ParseURL(store.URL)
	must(t, err)
	redisctl := goredis.NewClient(admin)
	defer redisctl.Close()

	amqpFile, redisFile := filepath.Join(t.TempDir(), "amqp"), filepath.Join(t.TempDir(), "redis")
	write := func(password string) {
		t.Helper()
		for path, address := range map[string]string{amqpFile: amqp.TLSURL, redisFile: store.TLSURL} {
			u, err := url.Parse(address)
			must(t, err)
			u.User = url.UserPassword("rotating", password)
			must(t, os.WriteFile(path, []byte(u.String()+"\n"), 0o600))
		}
	}
	write("old-secret")
	cert, key, err := authority.Issue("siren")
	must(t, err)
	reachtest.SetEndpoints(t, map[string]string{
		"SIREN_AMQP_URL_FILE": amqpFile, "SIREN_AMQP_CA_FILE": authority.CA, "SIREN_AMQP_CERT_FILE": cert,
		"SIREN_AMQP_KEY_FILE":  key,
		"SIREN_REDIS_URL_FILE": redisFile, "SIREN_REDIS_CA_FILE": authority.CA, "SIREN_REDIS_CERT_FILE": cert,
		"SIREN_REDIS_KEY_FILE": key,
	})
	discard := slog.New(slog.DiscardHandler)
	a := &app.App{}
	conn, err := a.Broker("test", discard)
	must(t, err)
	defer conn.Close()
	s, err := a.Store()
	must(t, err)
	defer s.Close()
	policy, err := runcmd.LocalPolicy(t.TempDir())
	must(t, err)
	_, err = redis.NewBoard(s, discard).PublishPolicy(ctx, lanes.Effective{Policy: *policy})
	must(t, err)
	must(t, topology.Declare(ctx, conn, policy, nil))
	enqueue := func(id string) (exitCode int, problems string) {
		t.Helper()
		var out, said bytes.Buffer
		in := policy.Storage[0].Prefix + "in.mp4"
		code := run("siren", []string{"enqueue", "probe", "--id", id, "--input", in, "--output", in + ".json"},
			app.Streams{In: strings.NewReader(""), Out: &out, Err: &said})
		return code, said.String()
	}
	if code, said := enqueue("before"); code != exit.OK {
		t.Fatalf("enqueue: exit code %d: %s", code, said)
	}

	amqpctl("change_password", "rotating", "new-secret")
	must(t, redisctl.Do(ctx, "ACL", "SETUSER", "rotating", "resetpass", ">new-secret").Err())
	amqpctl("close_all_user_connections", "rotating", "rotated")
	must(t, redisctl.Do(ctx, "CLIENT", "KILL", "USER", "rotating").Err())
	if code, said := enqueue("too-early"); code != exit.Refused || strings.Contains(said, "secret") {
		t.Errorf("enqueue with the old passwords: exit code %d: %s", code, said)
	}
	write("new-secret")
	must(t, s.Ping(ctx))
	must(t, topology.Declare(ctx, conn, policy, nil))
	if code, said := enqueue("after"); code != exit.OK {
		t.Errorf("enqueue with the new passwords: exit code %d: %s", code, said)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
