package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/lanes/job"
)

func TestWhoIsLetIn(t *testing.T) {
	d := open(t, nil)
	op := d.tokens["op"]
	for name, c := range map[string]struct {
		header string
		want   int
	}{
		"nobody":                 {"", http.StatusUnauthorized},
		"a good token":           {"Bearer " + op, http.StatusOK},
		"a scheme in small":      {"bearer " + op, http.StatusOK},
		"a scheme in capitals":   {"BEARER   " + op, http.StatusOK},
		"a token without scheme": {op, http.StatusUnauthorized},
		"another scheme":         {"Basic " + op, http.StatusUnauthorized},
		"no token":               {"Bearer ", http.StatusUnauthorized},
		"half a token":           {"Bearer " + op[:20], http.StatusUnauthorized},
		"more than a token":      {"Bearer " + op + " x", http.StatusUnauthorized},
		"an expired token":       {"Bearer " + d.tokens["old"], http.StatusUnauthorized},
		"a JWT of nobody's":      {"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcCJ9.", http.StatusUnauthorized},
	} {
		a := d.ask(t, "", http.MethodGet, "/v1/kinds", "", "Authorization", c.header)
		if a.status != c.want {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if a.status == http.StatusUnauthorized && (a.header.Get("WWW-Authenticate") != "Bearer" ||
			a.header.Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s: %v", name, a.header)
		}
		if strings.Contains(a.body, op) {
			t.Errorf("%s: the token is in the answer", name)
		}
	}
}

// What a guard can't tell at the moment isn't a no: it is asked again.
func TestNobodyCanTell(t *testing.T) {
	d := open(t, func(o *Options) { o.Guard = unsure{} })
	a := d.ask(t, "op", http.MethodGet, "/v1/kinds", "")
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" ||
		strings.Contains(a.body, "10.0.0.1") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
}

type unsure struct{}

func (unsure) Identify(context.Context, string) (auth.Identity, error) {
	return auth.Identity{}, fmt.Errorf("%w: dial 10.0.0.1", auth.ErrCantTell)
}

func TestRoles(t *testing.T) {
	d := open(t, nil)
	id := d.enqueue(t, "prod")
	for _, c := range []struct {
		method, path, body string
		may                string // who may, of prod, read and op
	}{
		{"GET", "/v1/kinds", "", "prod read op"},
		{"GET", "/v1/jobs", "", "prod read op"},
		{"GET", "/v1/jobs/" + id, "", "prod read op"},
		{"GET", "/v1/tunings", "", "read op"},
		{"GET", "/v1/audit", "", "read op"},
		{"GET", "/v1/dead", "", "read op"},
		{"POST", "/v1/jobs", jobText, "prod op"},
		{"POST", "/v1/bulk/cancel", `{"ids": ["` + id + `"], "dryRun": true}`, "op"},
		{"PUT", "/v1/tunings/budget?dryRun=true", `{"value": 1}`, "op"},
		{"DELETE", "/v1/jobs/" + id, "", "prod op"},
	} {
		for _, who := range []string{"read", "prod", "op"} {
			a := d.ask(t, who, c.method, c.path, c.body)
			may := strings.Contains(c.may, who)
			if may == (a.status == http.StatusForbidden) || a.status == http.StatusUnauthorized {
				t.Errorf("%s %s as %s: %d %s", c.method, c.path, who, a.status, a.body)
			}
		}
	}
}

// operations are all that the document has, with a path to ask for in each.
func (d *door) operations(t *testing.T, id string) (all []operation) {
	words := strings.NewReplacer("{id}", id, "{field}", "budget", "{verb}", "cancel", "{name}", "standard")
	for path, item := range d.api.OpenAPI().Paths {
		for method, o := range map[string]*huma.Operation{
			"GET": item.Get, "POST": item.Post, "PUT": item.Put, "DELETE": item.Delete, "PATCH": item.Patch,
			"HEAD": item.Head,
		} {
			if o == nil {
				continue
			}
			filled, body := words.Replace(path), ""
			switch {
			case o.OperationID == "enqueue":
				body = jobText
			case o.OperationID == "set-tuning":
				body = `{"value": 1}`
			case o.RequestBody != nil:
				body = `{"ids": ["` + id + `"]}`
			}
			for _, p := range []string{"id", "field", "verb", "name"} {
				if strings.Contains(path, "{"+p+"}") != slices.ContainsFunc(o.Parameters, func(x *huma.Param) bool {
					return x.In == "path" && x.Name == p
				}) {
					t.Errorf("%s %s: the path's parameters aren't in the document", method, path)
				}
			}
			all = append(all, operation{o.OperationID, method, filled, body, strings.Contains(path, "{id}")})
		}
	}
	return all
}

type operation struct {
	id, method, path, body string
	ofJob                  bool
}

// A tenant's token, whatever its roles, sees and changes jobs of the tenant alone: at each operation of the document.
func TestTenants(t *testing.T) {
	d := open(t, nil)
	mine, theirs, everybodys := d.enqueue(t, "acme"), d.enqueue(t, "globex"), d.enqueue(t, "prod")
	operations := d.operations(t, theirs)
	if len(operations) < 20 {
		t.Fatalf("found only %d operations", len(operations))
	}
	own := map[string]bool{
		"enqueue": true, "list-jobs": true, "list-kinds": true, "list-presets": true, "whoami": true,
	}
	for _, o := range append(operations, d.operations(t, everybodys)...) {
		if a := d.ask(t, "", o.method, o.path, o.body); a.status != http.StatusUnauthorized {
			t.Errorf("%s as nobody: %d %s", o.id, a.status, a.body)
		}
		a := d.ask(t, "acme", o.method, o.path, o.body)
		switch {
		case own[o.id] && a.status/100 == 2:
		case o.id == "promote-job" && a.status == http.StatusForbidden:
		case o.ofJob && o.id != "promote-job" && a.status == http.StatusNotFound:
		case !o.ofJob && !own[o.id] && a.status == http.StatusForbidden:
		default:
			t.Errorf("%s %s: %d %s", o.method, o.path, a.status, a.body)
		}
		if strings.Contains(a.body, "globex") || own[o.id] && (strings.Contains(a.body, theirs) ||
			strings.Contains(a.body, everybodys)) {
			t.Errorf("%s %s shows others' jobs: %s", o.method, o.path, a.body)
		}
	}
	for _, id := range []string{theirs, everybodys} {
		none := d.ask(t, "acme", "GET", "/v1/jobs/0gone0", "").body
		if a := d.ask(t, "acme", "GET", "/v1/jobs/"+id, ""); a.body != strings.ReplaceAll(none, "0gone0", id) {
			t.Errorf("another's job isn't answered as one that isn't there: %s", a.body)
		}
		if r, err := d.Ledger.Find(t.Context(), id); err != nil || r.State != job.Queued {
			t.Errorf("another's job is %s, %v", r.State, err)
		}
	}
	if all, _, err := d.Tunings.Now(t.Context()); err != nil || len(all.All) != 0 {
		t.Errorf("tunings: %v, %v", all, err)
	}

	if a := d.ask(t, "acme", "GET", "/v1/jobs", ""); !strings.Contains(a.body, mine) {
		t.Errorf("its own job isn't listed: %s", a.body)
	}
	for path, want := range map[string]string{"": mine, "/logs": "log", "/events": mine} {
		a := d.ask(t, "acme", "GET", "/v1/jobs/"+mine+path, "")
		if a.status != http.StatusOK || !strings.Contains(a.body, want) {
			t.Errorf("its own job%s: %d %s", path, a.status, a.body)
		}
	}
	for _, path := range []string{"", "/logs", "/events"} {
		if a := d.ask(t, "read", "GET", "/v1/jobs/"+mine+path, ""); a.status != http.StatusOK {
			t.Errorf("a tenant's job%s as a reader: %d %s", path, a.status, a.body)
		}
	}
	if a := d.ask(t, "acme", "DELETE", "/v1/jobs/"+mine, ""); a.status != http.StatusOK {
		t.Errorf("cancel its own job: %d %s", a.status, a.body)
	}
	if a := d.ask(t, "acme", "POST", "/v1/jobs/"+mine+"/retry", ""); a.status != http.StatusOK {
		t.Errorf("retry its own job: %d %s", a.status, a.body)
	}
}

// A job is its token's tenant's: nothing in the body makes it another's.
func TestTenantOfAJob(t *testing.T) {
	d := open(t, nil)
	theirs := d.enqueue(t, "globex")
	with := func(more string) string { return strings.TrimSuffix(jobText, "}") + ", " + more + "}" }
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"nothing said":        {jobText, http.StatusAccepted},
		"its own label":       {with(`"labels": {"tenant": "acme"}`), http.StatusAccepted},
		"another's label":     {with(`"labels": {"tenant": "globex"}`), http.StatusUnprocessableEntity},
		"an empty label":      {with(`"labels": {"tenant": ""}`), http.StatusUnprocessableEntity},
		"its own id":          {with(`"id": "acme.` + theirs + `"`), http.StatusAccepted},
		"another's id":        {with(`"id": "globex.1"`), http.StatusUnprocessableEntity},
		"the id of another's": {with(`"id": "` + theirs + `"`), http.StatusUnprocessableEntity},
		"one of several that is": {
			`[` + jobText + `,` + with(`"labels": {"tenant": "globex"}`) + `]`, http.StatusUnprocessableEntity,
		},
	} {
		a := d.ask(t, "acme", "POST", "/v1/jobs", c.body)
		if a.status != c.want {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	same := with(`"dedupKey": "k"`)
	first := d.ask(t, "globex", "POST", "/v1/jobs", same)
	a := d.ask(t, "acme", "POST", "/v1/jobs", same)
	if a.status != http.StatusAccepted || strings.Contains(a.body, "duplicate") {
		t.Errorf("a dedupKey that another tenant has: %d %s (%s)", a.status, a.body, first.body)
	}
	if a := d.ask(t, "acme", "POST", "/v1/jobs", same); !strings.Contains(a.body, "duplicate") {
		t.Errorf("its own dedupKey: %d %s", a.status, a.body)
	}
	a = d.ask(t, "globex", "POST", "/v1/jobs", jobText, "Idempotency-Key", "k")
	if b := d.ask(t, "acme", "POST", "/v1/jobs", jobText, "Idempotency-Key", "k"); a.status != http.StatusAccepted ||
		b.status != http.StatusAccepted || a.body == b.body {
		t.Errorf("an Idempotency-Key that another tenant has: %s %s", a.body, b.body)
	}
}

func TestHowOften(t *testing.T) {
	d := open(t, func(o *Options) { o.Bounds.Rate = 1e-6 })
	if a := d.ask(t, "prod", "GET", "/v1/kinds", ""); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	a := d.ask(t, "prod", "GET", "/v1/kinds", "")
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if a := d.ask(t, "read", "GET", "/v1/kinds", ""); a.status != http.StatusOK {
		t.Errorf("somebody else: %d %s", a.status, a.body)
	}
}

// Another site's page can't have a browser change anything, even where the browser's user may.
func TestOtherSitesPages(t *testing.T) {
	for name, guard := range map[string]func(*Options){
		"tokens": nil, "anybody": func(o *Options) { o.Guard = auth.Anybody{Name: "ann"} },
	} {
		d := open(t, guard)
		for from, refused := range map[string]bool{
			"Sec-Fetch-Site cross-site": true, "Sec-Fetch-Site same-site": true, "Sec-Fetch-Site same-origin": false,
			"Sec-Fetch-Site none": false, "Origin https://evil.example": true, "Origin null": true,
			"Origin " + d.url: false,
		} {
			header, value, _ := strings.Cut(from, " ")
			a := d.ask(t, "op", "POST", "/v1/jobs", jobText, header, value)
			if want := map[bool]int{true: http.StatusForbidden, false: http.StatusAccepted}[refused]; a.status != want {
				t.Errorf("%s, %s: %d %s", name, from, a.status, a.body)
			}
		}
		a := d.ask(t, "op", "POST", "/v1/jobs", jobText, "Content-Type", "text/plain") // as a form may send
		if a.status != http.StatusUnsupportedMediaType {
			t.Errorf("%s, a form: %d %s", name, a.status, a.body)
		}
		a = d.ask(t, "op", "GET", "/v1/kinds", "", "Origin", "https://evil.example")
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: another site's page may read: %v", name, a.header)
		}
	}
}

// Where everybody may do everything, a name that a foreign page's own leads here isn't answered.
func TestHostOfAnybody(t *testing.T) {
	d := open(t, func(o *Options) { o.Guard = auth.Anybody{Name: "ann"} })
	for host, want := range map[string]int{
		"evil.example": http.StatusForbidden, "evil.example:8080": http.StatusForbidden,
		"10.0.0.1:8080":          http.StatusForbidden,
		"localhost.evil.example": http.StatusForbidden, "127.0.0.1.evil.example": http.StatusForbidden,
		"localhost": http.StatusOK, "localhost:8080": http.StatusOK, "127.0.0.1:1": http.StatusOK,
		"[::1]:1": http.StatusOK, "[::1]": http.StatusOK,
	} {
		if a := d.ask(t, "", "GET", "/v1/kinds", "", "Host", host); a.status != want {
			t.Errorf("%s: %d %s", host, a.status, a.body)
		}
	}
	if a := open(t, nil).ask(t, "read", "GET", "/v1/kinds", "", "Host", "siren.example"); a.status != http.StatusOK {
		t.Errorf("with tokens: %d %s", a.status, a.body)
	}
}
