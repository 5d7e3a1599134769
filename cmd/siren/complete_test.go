package main

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach/reachtest"
)

// A server that takes connections and says nothing doesn't keep the shell waiting, and what goes wrong isn't said.
func TestCompletionIsSilent(t *testing.T) {
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer deaf.Close()
	for name, url := range map[string]string{
		"deaf":         "redis://" + deaf.Addr().String(),
		"nobody there": "redis://127.0.0.1:1", "malformed": "://secret",
	} {
		reachtest.SetEndpoints(t, map[string]string{"SIREN_AMQP_URL": "amqp://127.0.0.1:1", "SIREN_REDIS_URL": url})
		for _, args := range [][]string{
			{"lanes", "list", "--watch", ""},
			{"jobs", "list", "--lane", ""},
			{"jobs", "get", ""},
			{"worker", "--pool", ""},
		} {
			began := time.Now()
			var out, said bytes.Buffer
			code := run("siren", append([]string{"__complete"}, args...),
				app.Streams{In: strings.NewReader(""), Out: &out, Err: &said})
			if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); code != exit.OK || len(lines) != 1 ||
				strings.Contains(said.String(), "secret") {
				t.Errorf("%s, %q: exit code %d, %q, said %q", name, args, code, out.String(), said.String())
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%s, %q: took %s", name, args, took)
			}
		}
	}
}

// What a shell shows of a flag has no marks around the word for its value.
func TestCompletionHasNoMarks(t *testing.T) {
	var out bytes.Buffer
	code := run("siren", []string{"__complete", "policy", "init", "--"},
		app.Streams{In: strings.NewReader(""), Out: &out, Err: &bytes.Buffer{}})
	if text := out.String(); code != exit.OK || strings.Contains(text, "`") ||
		!strings.Contains(text, "--read\tPREFIX of URLs that jobs may read") ||
		!strings.Contains(text, "--redis-url\tURL of Redis") {
		t.Errorf("exit code %d: %s", code, text)
	}
}
