package gateway

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/gateway/auth"
)

// What can't be meant so is refused with words that help, and never chooses more than was meant.
func TestOddRequests(t *testing.T) {
	d := open(t, nil)
	d.enqueue(t, "prod")
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/v1/jobs?kid=x", "", 422, `there is no parameter \"kid\"`},
		{"GET", "/v1/dead?reason=nope", "", 422, "diedOf"},
		{"GET", "/v1/kinds?x=1", "", 422, "no other"},
		{"GET", "/v1/jobs?state=running&state=dead", "", 422, "2 times"},
		{"GET", "/v1/jobs?lane=nope", "", 422, "express"},
		{"GET", "/v1/jobs?selector=%20", "", 422, "every job"},
		{"GET", "/v1/jobs?state=foo", "", 422, "query.state: "},
		{"POST", "/v1/bulk/cancel", `{"selector": " "}`, 422, "every job"},
		{"POST", "/v1/bulk/cancel", `{"selector": "\t"}`, 422, "every job"},
		{"POST", "/v1/bulk/cancel", `{"lane": "nope", "dryRun": true}`, 422, "express"},
		{"POST", "/v1/dead/replay", `{"selector": " "}`, 422, "every job"},
		{"PUT", "/v1/tunings/budget", `{"value": "x"}`, 422, "must be a whole number"},
	} {
		a := d.ask(t, "op", c.method, c.path, c.body)
		if a.status != c.status || !strings.Contains(a.body, c.says) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, a.status, a.body)
		}
	}
	if a := d.ask(t, "prod", "POST", "/v1/jobs", jobText, "Idempotency-Key", ""); a.status != 422 {
		t.Errorf("an empty key: %d %s", a.status, a.body)
	}
}

// once is a guard that knows one token, for as long as it is wanted.
type once struct{ gone atomic.Bool }

func (o *once) Identify(context.Context, string) (auth.Identity, error) {
	if o.gone.Load() {
		return auth.Identity{}, auth.ErrUnknown
	}
	return auth.Identity{Subject: "ann", Roles: auth.Roles}, nil
}

// A stream ends soon after its token was revoked.
func TestStreamOfARevokedToken(t *testing.T) {
	guard := &once{}
	d := open(t, func(o *Options) { o.Guard = guard })
	r, err := http.Get(d.url + "/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.Status)
	}
	guard.gone.Store(true)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		}
	}()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("it goes on")
	}
}

// Nobody takes all streams.
func TestStreamsOfOneSubject(t *testing.T) {
	d := open(t, func(o *Options) { o.Bounds.Each = 2 })
	follow := func(as string) *http.Response {
		t.Helper()
		q, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/v1/events", nil)
		q.Header.Set("Authorization", "Bearer "+d.tokens[as])
		r, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
		return r
	}
	first := follow("read")
	follow("read")
	third, other := follow("read"), follow("op")
	if third.StatusCode != http.StatusTooManyRequests || third.Header.Get("Retry-After") == "" ||
		other.StatusCode != http.StatusOK {
		t.Errorf("the third: %s; somebody else's: %s", third.Status, other.Status)
	}
	first.Body.Close()
	for range 600 {
		if again := follow("read"); again.StatusCode == http.StatusOK {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("one that was closed still counts")
}
