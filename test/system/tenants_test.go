package system_test

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// tokens are those of a file, by name.
type tokens struct {
	s    *site
	file string
	of   map[string]string
}

// create makes a token as an operator does.
func (k *tokens) create(name string, args ...string) {
	k.s.t.Helper()
	r := k.s.siren("", append([]string{"tokens", "create", name, "--file", k.file}, args...)...)
	token := strings.TrimSpace(r.out)
	if r.code != 0 || token == "" || strings.Contains(r.err, token) {
		k.s.t.Fatalf("siren tokens create: %s", r)
	}
	k.of[name] = token
	k.s.secrets = append(k.s.secrets, token)
}

// as is the header of whoever has the token.
func (k *tokens) as(name string) string { return "Authorization: Bearer " + k.of[name] }

// Two tenants and an operator, each with a token of the file. A tenant looks at its own running job, is told why, and
// calls it off; to another's it can do nothing. What is revoked counts no more. No token is in any log.
func TestTenants(t *testing.T) {
	s := newSite(t, oneWorker)
	k := &tokens{s, filepath.Join(s.dir, "tokens.yaml"), map[string]string{}}
	k.create("acme-upload", "--role", "producer", "--tenant", "acme")
	k.create("globex-upload", "--role", "producer", "--tenant", "globex")
	k.create("ann", "--role", "operator")
	s.scaler()
	g := s.gateway("gateway", "", "--tokens", k.file)
	acme, globex, ann := k.as("acme-upload"), k.as("globex-upload"), k.as("ann")
	const id = "acme.film"
	path := "/v1/jobs/" + id
	s.frozen(id, func() {
		g.answers(t, 202, "POST", "/v1/jobs", fmt.Sprintf(`{"id":%q,"kind":"transcode","input":%q,"output":%q}`, id,
			s.put("film.mp4"), s.output("film.mp4")), acme)
	})
	s.record(id, "running", 30*time.Second, func(r job.Record) bool { return r.State == job.Running })

	x := g.answers(t, 200, "GET", path+"/explain", "", acme)
	if !strings.Contains(x.body, "running") || strings.Contains(x.body, `"plans"`) {
		t.Errorf("a tenant is told %s", x)
	}
	if x := g.answers(t, 200, "GET", path+"/explain", "", ann); !strings.Contains(x.body, "running") {
		t.Errorf("the operator is told %s", x)
	}
	for _, q := range []struct{ method, path string }{
		{"GET", path},
		{"GET", path + "/explain"},
		{"GET", path + "/logs"},
		{"GET", path + "/events"},
		{"DELETE", path},
		{"POST", path + "/retry"},
	} {
		g.answers(t, 404, q.method, q.path, "", globex)
	}
	if r := s.record(id, "there", time.Second, func(job.Record) bool { return true }); r.State != job.Running {
		t.Errorf("another tenant has the job %s", r.State)
	}
	g.answers(t, 200, "DELETE", path+"?reason=uploaded+twice", "", acme)
	s.record(id, "cancelled", 30*time.Second, func(r job.Record) bool { return r.State == job.Cancelled })
	s.awaitNone("programs", 60*time.Second, func() (int, string) { return len(s.programs(id)), "still run" })
	if a := g.answers(t, 200, "GET", "/v1/audit", "", ann); !strings.Contains(a.body, `"by":"acme-upload"`) {
		t.Errorf("who did it isn't noted: %s", a)
	}

	if r := s.siren("", "tokens", "revoke", "acme-upload", "--file", k.file); r.code != 0 {
		t.Fatalf("siren tokens revoke: %s", r)
	}
	s.await("the token to be refused", 20*time.Second, func() (bool, string) {
		r, err := g.ask(t.Context(), "GET", path, "", acme)
		s.must(err)
		return r.status == 401, r.String()
	})
	g.answers(t, 200, "GET", path, "", ann)
	g.answers(t, 401, "GET", path, "", "Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.")
	// In a header, as no library sends it.
	for _, odd := range []string{"\r\nX-Odd: 1", "\nX-Odd: 1", "\x00", "\u202e"} {
		c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		s.must(err)
		defer c.Close()
		body := fmt.Sprintf(`{"id":%q,"kind":"probe","input":"file:///a","output":"file:///b"}`, "a"+odd)
		fmt.Fprintf(c, "POST /v1/jobs HTTP/1.1\r\nHost: siren\r\n%s\r\nIdempotency-Key: a%s\r\n"+
			"Content-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
			ann, odd, len(body), body)
		s.must(c.SetReadDeadline(time.Now().Add(time.Minute)))
		answer, err := io.ReadAll(c)
		s.must(err)
		if text := string(answer); !strings.HasPrefix(text, "HTTP/1.1 4") || strings.Contains(text, "\nX-Odd:") {
			t.Errorf("a key and an id with %q: %s", odd, text)
		}
	}
}
