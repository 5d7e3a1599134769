package gateway

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/operate/operatetest"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/lanes/client"
)

const policyText = `
lanes: [{name: express, match: ["urgent=true"], startWithin: 2s}, {name: standard, startWithin: 30s}]
pools: [{name: general, lanes: [express, standard], max: 2}]
budget: 2
storage: [{prefix: "file:///media/", read: true, write: true}]
`

// door is a gateway on real servers, with the tokens of a file.
type door struct {
	*Gateway
	url    string
	tokens map[string]string // by name; none of them may be in the log
	mu     sync.Mutex
	log    bytes.Buffer // at debug
	end    sync.Once
}

// stop ends the streams.
func (d *door) stop() { d.end.Do(d.Stop) }

func (d *door) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

func (d *door) logged() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// people is whose tokens there are. Those of a tenant have all roles: it alone bounds what they do.
var people = []auth.Token{
	{Name: "prod", Roles: []auth.Role{auth.Producer}},
	{Name: "read", Roles: []auth.Role{auth.Reader}},
	{Name: "op", Roles: []auth.Role{auth.Operator}},
	{Name: "acme", Roles: auth.Roles, Tenant: "acme"},
	{Name: "globex", Roles: auth.Roles, Tenant: "globex"},
	{Name: "old", Roles: auth.Roles, Expires: time.Unix(1, 0).UTC()},
}

// open opens a gateway; change changes its options.
func open(t *testing.T, change func(*Options)) *door {
	t.Helper()
	h := operatetest.NewHouse(t, policyText)
	d, file := &door{tokens: map[string]string{}}, filepath.Join(t.TempDir(), "tokens.yaml")
	for _, p := range people {
		d.tokens[p.Name], p.SHA256 = auth.NewToken()
		_, err := auth.AddToken(file, p)
		h.Must(err)
	}
	log := slog.New(slog.NewTextHandler(d, &slog.HandlerOptions{Level: slog.LevelDebug}))
	quiet := slog.New(slog.DiscardHandler)
	guard, err := auth.OpenTokens(t.Context(), file, time.Now, log)
	h.Must(err)
	conn, err := h.Desk.Connect(t.Context(), "gateway")
	h.Must(err)
	t.Cleanup(func() { conn.Close() })
	o := Options{
		House: House{
			Producer: client.Over(conn, h.Store, log),
			Ledger:   jobledger.New(h.Store, quiet), Board: redis.NewBoard(h.Store, quiet),
			Roster: redis.NewRoster(h.Store, quiet), Tunings: redis.NewTunings(h.Store, quiet),
			Efforts: redis.NewEfforts(h.Store), Once: redis.NewOnce(h.Store), History: redis.NewHistory(h.Store),
			Blocked: func() string { return "" }, Connect: h.Desk.Connect, Now: h.Desk.Now,
		},
		Guard: guard, Version: "test", Log: log,
	}
	if change != nil {
		change(&o)
	}
	d.Gateway = New(o)
	server := httptest.NewServer(d.Gateway)
	d.url = server.URL
	t.Cleanup(func() {
		d.stop()
		server.Close()
		for name, token := range d.tokens {
			if strings.Contains(d.logged(), token) {
				t.Errorf("%s's token is in the log", name)
			}
		}
	})
	return d
}

// answered is what a request was answered with; of a stream, its first event.
type answered struct {
	status int
	header http.Header
	body   string
}

// ask makes a request as somebody, "" for nobody; headers are names and values in turn.
func (d *door) ask(t *testing.T, as, method, path, body string, headers ...string) answered {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if as != "" {
		r.Header.Set("Authorization", "Bearer "+d.tokens[as])
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	a := answered{status: answer.StatusCode, header: answer.Header}
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream") {
		first := make([]byte, 4096)
		n, _ := answer.Body.Read(first)
		a.body = string(first[:n])
		return a
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.body = string(text)
	return a
}

// enqueue enqueues a job as somebody, and returns its id.
func (d *door) enqueue(t *testing.T, as string) string {
	t.Helper()
	a := d.ask(t, as, http.MethodPost, "/v1/jobs", jobText)
	var is Enqueued
	if err := json.Unmarshal([]byte(a.body), &is); err != nil || a.status != http.StatusAccepted {
		t.Fatalf("%d %s %v", a.status, a.body, err)
	}
	return is.ID
}

const jobText = `{"kind": "thumbnail", "input": "file:///media/in.mp4", "output": "file:///media/out.jpg"}`
