package reach

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/cmd/siren/reach/reachtest"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/procs/servers"
)

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
		"environment": {
			"",
			map[string]string{"SIREN_AMQP_URL": amqp, "SIREN_REDIS_URL": redis},
			amqp,
			redis,
		},
		"a file wins": {"", map[string]string{
			"SIREN_AMQP_URL":      amqp,
			"SIREN_AMQP_URL_FILE": file(t, "\n amqp://file \n"), "SIREN_REDIS_URL": redis,
		}, "amqp://file", redis},
		"a flag wins": {"amqp://flag", map[string]string{
			"SIREN_AMQP_URL_FILE":  file(t, "amqp://file"),
			"SIREN_REDIS_URL_FILE": file(t, "redis://file"),
		}, "amqp://flag", "redis://file"},
		"siren up has the other": {"", map[string]string{"SIREN_AMQP_URL": amqp}, amqp, "redis://up"},
		"siren up has both":      {"", nil, "amqp://up", "redis://up"},
		"its servers have no TLS": {
			"",
			map[string]string{"SIREN_AMQP_CA_FILE": authorityOf(t).CA, "SIREN_REDIS_CA_FILE": authorityOf(t).CA},
			"amqp://up", "redis://up",
		},
	} {
		t.Run(name, func(t *testing.T) {
			reachtest.SetEndpoints(t, c.env)
			forget, err := Register("amqp://up", "redis://up", nil)
			must(t, err)
			defer forget()
			e, err := Flags{AMQPURL: c.flag}.Find()
			if err != nil || e.AMQP.URL != c.amqp || e.Redis.URL != c.redis {
				t.Errorf("%q, %q, %v; want %q, %q", e.AMQP.URL, e.Redis.URL, err, c.amqp, c.redis)
			}
			if _, err := e.Broker(nil, "test", slog.New(slog.DiscardHandler)); err != nil {
				t.Error(err)
			}
		})
	}
}

func authorityOf(t *testing.T) *servers.Authority {
	t.Helper()
	a, err := servers.NewAuthority(t.TempDir())
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
		"does not match": {
			"SIREN_REDIS_CERT_FILE": cert,
			"SIREN_REDIS_KEY_FILE":  otherKey,
		},
		"write amqps there": {"SIREN_AMQP_CA_FILE": authority.CA},
		"SIREN_REDIS_URL_FILE begins with redis, which has none: write rediss there": {
			"SIREN_REDIS_CERT_FILE": cert, "SIREN_REDIS_KEY_FILE": key,
			"SIREN_REDIS_URL_FILE": file(t, "redis+sentinel://:secret@host/main"),
		},
	} {
		t.Run(want, func(t *testing.T) {
			all := map[string]string{
				"SIREN_AMQP_URL":  "amqp://u:secret@host",
				"SIREN_REDIS_URL": "rediss://u:secret@host",
			}
			for name, value := range env {
				all[name] = value
			}
			reachtest.SetEndpoints(t, all)
			_, err := (Flags{}).Find()
			if !errors.Is(err, operate.Invalid) || !strings.Contains(err.Error(), want) ||
				strings.Contains(err.Error(), "secret") {
				t.Errorf("%v; want %q", err, want)
			}
		})
	}
	reachtest.SetEndpoints(t, map[string]string{"SIREN_AMQP_URL_FILE": "/nowhere", "SIREN_REDIS_CERT_FILE": cert})
	if _, err := (Flags{}).Find(); err == nil || !strings.Contains(err.Error(), "/nowhere") ||
		!strings.Contains(err.Error(), "go together") {
		t.Errorf("%v; want both problems", err)
	}
}

// A worker that is started as a process finds what its scaler found, whatever else the environment says.
func TestEndpointsOfAChild(t *testing.T) {
	urlFile, ca := file(t, "amqps://file"), authorityOf(t).CA
	reachtest.SetEndpoints(t, map[string]string{
		"SIREN_AMQP_URL": "amqp://other", "SIREN_AMQP_URL_FILE": urlFile,
		"SIREN_AMQP_CA_FILE": ca, "SIREN_REDIS_URL_FILE": file(t, "redis://other"),
	})
	ours := func(e Endpoints) []string {
		var env []string
		for _, pair := range e.Environ() {
			if strings.HasPrefix(pair, "SIREN_AMQP") || strings.HasPrefix(pair, "SIREN_REDIS") {
				env = append(env, pair)
			}
		}
		slices.Sort(env)
		return env
	}
	given, err := Flags{RedisURL: "redis://flag"}.Find()
	must(t, err)
	if got, want := ours(given), []string{
		"SIREN_AMQP_CA_FILE=" + ca, "SIREN_AMQP_URL_FILE=" + urlFile,
		"SIREN_REDIS_URL=redis://flag",
	}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := ours(Plain("amqp://private", "redis://private")), []string{
		"SIREN_AMQP_URL=amqp://private",
		"SIREN_REDIS_URL=redis://private",
	}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.ContainsFunc(given.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "PATH=") }) {
		t.Error("the rest of the environment is missing")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Where the environment has a login of Redis for a role, it is that one's alone; children of the process don't get to
// see it.
func TestLoginOfARole(t *testing.T) {
	reachtest.SetEndpoints(t, map[string]string{"SIREN_AMQP_URL": "amqp://all", "SIREN_REDIS_URL": "redis://all"})
	t.Setenv("SIREN_REDIS_OPERATOR_URL_FILE", file(t, "redis://operator\n"))
	t.Setenv("SIREN_REDIS_WORKER_URL", "redis://worker")
	for role, want := range map[string]string{
		"": "redis://all", "scaler": "redis://all",
		"operator": "redis://operator", "worker": "redis://worker",
	} {
		e, err := Flags{}.As(role).Find()
		if err != nil || e.Redis.URL != want || e.AMQP.URL != "amqp://all" {
			t.Errorf("%q: %q, %q, %v", role, e.Redis.URL, e.AMQP.URL, err)
		}
		for _, pair := range e.Environ() {
			if role != "operator" && strings.Contains(pair, "OPERATOR") {
				t.Errorf("%q: a child is told %s", role, pair)
			}
		}
	}
	if e, err := (Flags{RedisURL: "redis://flag", Role: "operator"}).Find(); err != nil ||
		e.Redis.URL != "redis://flag" {
		t.Errorf("a flag: %q, %v", e.Redis.URL, err)
	}
	t.Setenv("SIREN_REDIS_OPERATOR_URL_FILE", "/nowhere")
	if _, err := (Flags{Role: "operator"}).Find(); err == nil ||
		!strings.Contains(err.Error(), "SIREN_REDIS_OPERATOR_URL_FILE: open /nowhere") {
		t.Errorf("a file that isn't there: %v", err)
	}
}
