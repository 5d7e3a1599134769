package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// setEndpoints sets the environment variables of both endpoints, and unsets those that aren't mentioned.
func setEndpoints(t *testing.T, env map[string]string) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("SIREN_CONFIG", env["SIREN_CONFIG"])
	t.Setenv("SIREN_CONTEXT", env["SIREN_CONTEXT"])
	for _, prefix := range []string{"SIREN_AMQP", "SIREN_REDIS"} {
		for _, name := range []string{"_URL", "_URL_FILE", "_CA_FILE", "_CERT_FILE", "_KEY_FILE"} {
			t.Setenv(prefix+name, env[prefix+name])
		}
	}
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestWhereEndpointsAre(t *testing.T) {
	const amqp, redis = "amqp://plain", "redis://plain"
	for name, c := range map[string]struct {
		flag        string
		env         map[string]string
		amqp, redis string
	}{
		"environment":            {"", map[string]string{"SIREN_AMQP_URL": amqp, "SIREN_REDIS_URL": redis}, amqp, redis},
		"a file wins":            {"", map[string]string{"SIREN_AMQP_URL": amqp, "SIREN_AMQP_URL_FILE": file(t, "\n amqp://file \n"), "SIREN_REDIS_URL": redis}, "amqp://file", redis},
		"a flag wins":            {"amqp://flag", map[string]string{"SIREN_AMQP_URL_FILE": file(t, "amqp://file"), "SIREN_REDIS_URL_FILE": file(t, "redis://file")}, "amqp://flag", "redis://file"},
		"siren up has the other": {"", map[string]string{"SIREN_AMQP_URL": amqp}, amqp, "redis://up"},
		"siren up has both":      {"", nil, "amqp://up", "redis://up"},
		"its servers have no TLS": {
			"", map[string]string{"SIREN_AMQP_CA_FILE": authorityOf(t).CA, "SIREN_REDIS_CA_FILE": authorityOf(t).CA}, "amqp://up", "redis://up",
		},
	} {
		t.Run(name, func(t *testing.T) {
			setEndpoints(t, c.env)
			forget, err := register("amqp://up", "redis://up")
			must(t, err)
			defer forget()
			a := &app{amqpURL: c.flag}
			e, err := a.endpoints()
			if err != nil || e.amqp.url != c.amqp || e.redis.url != c.redis {
				t.Errorf("%q, %q, %v; want %q, %q", e.amqp.url, e.redis.url, err, c.amqp, c.redis)
			}
			if _, err := e.broker(nil, "test", slog.New(slog.DiscardHandler)); err != nil {
				t.Error(err)
			}
		})
	}
}

func authorityOf(t *testing.T) *procs.Authority {
	t.Helper()
	a, err := procs.NewAuthority(t.TempDir())
	must(t, err)
	return a
}

func TestBadEndpoints(t *testing.T) {
	authority := authorityOf(t)
	cert, key, err := authority.Issue("client")
	must(t, err)
	_, otherKey, err := authority.Issue("other")
	must(t, err)
	for want, env := range map[string]map[string]string{
		"SIREN_AMQP_URL_FILE: open /nowhere":                         {"SIREN_AMQP_URL_FILE": "/nowhere"},
		"SIREN_REDIS_URL_FILE: ":                                     {"SIREN_REDIS_URL_FILE": file(t, " \n")},
		"SIREN_AMQP_CA_FILE: open /nowhere":                          {"SIREN_AMQP_CA_FILE": "/nowhere"},
		"it must be PEM":                                             {"SIREN_AMQP_CA_FILE": file(t, "secret")},
		"SIREN_AMQP_CERT_FILE and SIREN_AMQP_KEY_FILE go together":   {"SIREN_AMQP_CERT_FILE": cert},
		"SIREN_REDIS_CERT_FILE and SIREN_REDIS_KEY_FILE go together": {"SIREN_REDIS_KEY_FILE": key},
		"does not match":                                             {"SIREN_REDIS_CERT_FILE": cert, "SIREN_REDIS_KEY_FILE": otherKey},
		"write amqps there":                                          {"SIREN_AMQP_CA_FILE": authority.CA},
		"SIREN_REDIS_URL_FILE begins with redis, which has none: write rediss there": {
			"SIREN_REDIS_CERT_FILE": cert, "SIREN_REDIS_KEY_FILE": key, "SIREN_REDIS_URL_FILE": file(t, "redis+sentinel://:secret@host/main"),
		},
	} {
		t.Run(want, func(t *testing.T) {
			all := map[string]string{"SIREN_AMQP_URL": "amqp://u:secret@host", "SIREN_REDIS_URL": "rediss://u:secret@host"}
			for name, value := range env {
				all[name] = value
			}
			setEndpoints(t, all)
			_, err := (&app{}).endpoints()
			var e *exitError
			if !errors.As(err, &e) || e.code != exitUsage || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v; want %q", err, want)
			}
		})
	}
	setEndpoints(t, map[string]string{"SIREN_AMQP_URL_FILE": "/nowhere", "SIREN_REDIS_CERT_FILE": cert})
	if _, err := (&app{}).endpoints(); err == nil || !strings.Contains(err.Error(), "/nowhere") || !strings.Contains(err.Error(), "go together") {
		t.Errorf("%v; want both problems", err)
	}
}

// A worker that is started as a process finds what its scaler found, whatever else the environment says.
func TestEndpointsOfAChild(t *testing.T) {
	urlFile, ca := file(t, "amqps://file"), authorityOf(t).CA
	setEndpoints(t, map[string]string{"SIREN_AMQP_URL": "amqp://other", "SIREN_AMQP_URL_FILE": urlFile, "SIREN_AMQP_CA_FILE": ca, "SIREN_REDIS_URL_FILE": file(t, "redis://other")})
	ours := func(e endpoints) []string {
		var env []string
		for _, pair := range e.environ() {
			if strings.HasPrefix(pair, "SIREN_AMQP") || strings.HasPrefix(pair, "SIREN_REDIS") {
				env = append(env, pair)
			}
		}
		slices.Sort(env)
		return env
	}
	given, err := (&app{redisURL: "redis://flag"}).endpoints()
	must(t, err)
	if got, want := ours(given), []string{"SIREN_AMQP_CA_FILE=" + ca, "SIREN_AMQP_URL_FILE=" + urlFile, "SIREN_REDIS_URL=redis://flag"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := ours(plain("amqp://private", "redis://private")), []string{"SIREN_AMQP_URL=amqp://private", "SIREN_REDIS_URL=redis://private"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.ContainsFunc(given.environ(), func(pair string) bool { return strings.HasPrefix(pair, "PATH=") }) {
		t.Error("the rest of the environment is missing")
	}
}

// Both servers want certificates, and their passwords are rotated: what is open comes back by itself, and commands go on.
func TestSecureEndpoints(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	authority := authorityOf(t)
	amqp, err := procs.StartRabbitMQ(ctx, procs.ServerOptions{TLS: authority})
	must(t, err)
	t.Cleanup(func() { must(t, amqp.Stop(context.Background())) })
	store, err := procs.StartRedis(ctx, procs.ServerOptions{TLS: authority, Config: "user rotating on >old-secret ~* &* +@all\n"})
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

	amqpFile, redisFile := file(t, ""), file(t, "")
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
	setEndpoints(t, map[string]string{
		"SIREN_AMQP_URL_FILE": amqpFile, "SIREN_AMQP_CA_FILE": authority.CA, "SIREN_AMQP_CERT_FILE": cert, "SIREN_AMQP_KEY_FILE": key,
		"SIREN_REDIS_URL_FILE": redisFile, "SIREN_REDIS_CA_FILE": authority.CA, "SIREN_REDIS_CERT_FILE": cert, "SIREN_REDIS_KEY_FILE": key,
	})
	discard := slog.New(slog.DiscardHandler)
	a := &app{}
	conn, err := a.broker("test", discard)
	must(t, err)
	defer conn.Close()
	s, err := a.redisStore(discard)
	must(t, err)
	defer s.Close()
	policy, err := localPolicy(t.TempDir())
	must(t, err)
	_, err = redis.NewBoard(s, discard).PublishPolicy(ctx, lanes.Effective{Policy: *policy})
	must(t, err)
	must(t, rabbit.Declare(ctx, conn, policy, nil))
	enqueue := func(id string) (exitCode int, problems string) {
		t.Helper()
		var out, said bytes.Buffer
		in := policy.Storage[0].Prefix + "in.mp4"
		code := run([]string{"enqueue", "probe", "--id", id, "--input", in, "--output", in + ".json"}, streams{strings.NewReader(""), &out, &said})
		return code, said.String()
	}
	if code, said := enqueue("before"); code != exitOK {
		t.Fatalf("enqueue: exit code %d: %s", code, said)
	}

	amqpctl("change_password", "rotating", "new-secret")
	must(t, redisctl.Do(ctx, "ACL", "SETUSER", "rotating", "resetpass", ">new-secret").Err())
	amqpctl("close_all_user_connections", "rotating", "rotated")
	must(t, redisctl.Do(ctx, "CLIENT", "KILL", "USER", "rotating").Err())
	if code, said := enqueue("too-early"); code != exitUnreachable || strings.Contains(said, "secret") {
		t.Errorf("enqueue with the old passwords: exit code %d: %s", code, said)
	}
	write("new-secret")
	must(t, s.Ping(ctx))
	must(t, rabbit.Declare(ctx, conn, policy, nil))
	if code, said := enqueue("after"); code != exitOK {
		t.Errorf("enqueue with the new passwords: exit code %d: %s", code, said)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
