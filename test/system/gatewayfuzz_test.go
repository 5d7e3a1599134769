package system_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Every operation that the OpenAPI document has, asked with what it allows and with what it doesn't: none fails, and
// each answer is as the document says.
func TestGatewayIsAsItSays(t *testing.T) {
	s := newSite(t, oneWorker)
	s.scaler()
	g := s.gateway("gateway", "")
	text := g.answers(t, 200, "GET", "/openapi.json", "").body
	d := &document{
		t: t, compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}, wrong: map[string]bool{},
	}
	s.unmarshal(text, &d.api)
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	s.must(err)
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	s.must(d.compiler.AddResource("api.json", parsed))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	d.rand = rand.New(rand.NewPCG(seed, 0))
	tried, ok := 0, 0
	for path, methods := range sorted(d.api["paths"]) {
		for method, o := range sorted(methods) {
			operation := o.(map[string]any)
			if _, stream := at(operation, "responses", "200", "content", "text/event-stream").(map[string]any); stream {
				continue // TestGateway watches
			}
			for range 25 {
				asked, body := d.request(path, operation)
				r, err := g.ask(t.Context(), strings.ToUpper(method), asked, body)
				s.must(err)
				d.check(operation, path, method, asked+" "+body, r)
				if tried++; r.status < 400 {
					ok++
				}
			}
		}
	}
	if tried < 400 || ok < tried/4 {
		t.Errorf("of %d requests %d were answered with more than no: the requests are no good", tried, ok)
	}
	s.siren("", "jobs", "cancel", "--older-than", "0s", "--state", "queued", "--yes")
	s.siren("", "tunings", "remove", "--all")
	s.leftover = s.left()
	s.buried = s.ready(deadQueue)
}

// document is the OpenAPI document, and what it says of answers.
type document struct {
	t        *testing.T
	api      map[string]any
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
	rand     *rand.Rand
	wrong    map[string]bool // answers that were complained about
}

func sorted(v any) func(func(string, any) bool) {
	m, _ := v.(map[string]any)
	return func(yield func(string, any) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// at returns what is at a place of the document; nil when there is nothing.
func at(v any, names ...string) any {
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// request makes a request of an operation: half of them as it says.
func (d *document) request(path string, operation map[string]any) (asked, body string) {
	wild := d.rand.IntN(2) == 0
	query := url.Values{}
	all, _ := operation["parameters"].([]any)
	for _, p := range all {
		name, schema := at(p, "name").(string), at(p, "schema")
		value := d.value(schema, wild && d.rand.IntN(3) == 0, 0)
		if slices.Contains([]string{"value", "field", "name", "id"}, name) && at(p, "in") == "path" && !wild {
			value = d.pick(map[string][]any{
				"field": {"lanes.express.reserve", "pools.general.max", "budget"},
				"name":  {"express", "general", "bulk"},
			}[name], value)
		}
		switch at(p, "in") {
		case "path":
			segment := url.PathEscape(fmt.Sprint(value))
			if segment == "" || segment == "." || segment == ".." {
				segment = "x"
			}
			path = strings.Replace(path, "{"+name+"}", segment, 1)
		case "query":
			if d.rand.IntN(2) == 0 {
				query.Set(name, fmt.Sprint(value))
			}
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	if schema := at(operation, "requestBody", "content", "application/json", "schema"); schema != nil {
		text, _ := json.Marshal(d.value(schema, wild && d.rand.IntN(3) == 0, 0))
		body = string(text)
		if wild && d.rand.IntN(5) == 0 {
			body = body[:d.rand.IntN(len(body))]
		}
	}
	return path, body
}

// pick returns one of the values, or the other one.
func (d *document) pick(of []any, other any) any {
	if len(of) == 0 {
		return other
	}
	return of[d.rand.IntN(len(of))]
}

var oddities = []any{
	"", nil, -1, 1e300, true, "\x1b[31m", "\u202e", strings.Repeat("x", 3000),
	[]any{},
	map[string]any{"a": []any{nil}},
	"../..",
	"'; DROP", 0, "1", "\r\nX: y",
}

// value makes a value of a schema; odd: of any other.
func (d *document) value(schema any, odd bool, deep int) any {
	s, _ := schema.(map[string]any)
	if ref, is := s["$ref"].(string); is {
		return d.value(at(d.api, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...), odd, deep)
	}
	if odd && d.rand.IntN(2) == 0 || deep > 5 {
		return d.pick(oddities, nil)
	}
	for _, of := range []string{"oneOf", "anyOf"} {
		if all, is := s[of].([]any); is && s["properties"] == nil {
			return d.value(d.pick(all, nil), odd, deep+1)
		}
	}
	if all, is := s["enum"].([]any); is {
		return d.pick(all, nil)
	}
	if c, is := s["const"]; is {
		return c
	}
	kind := s["type"]
	if kinds, is := kind.([]any); is {
		kind = d.pick(kinds, nil)
	}
	switch kind {
	case "object":
		o := map[string]any{}
		required, _ := s["required"].([]any)
		for name, p := range sorted(s["properties"]) {
			if slices.Contains(required, any(name)) || d.rand.IntN(3) == 0 {
				o[name] = d.value(p, odd, deep+1)
			}
		}
		if odd && d.rand.IntN(3) == 0 {
			o["unknown"] = d.pick(oddities, nil)
		}
		return o
	case "array":
		a := []any{}
		for range d.rand.IntN(3) + 1 {
			a = append(a, d.value(s["items"], odd, deep+1))
		}
		return a
	case "integer", "number":
		return d.rand.IntN(20) + 1
	case "boolean":
		return d.rand.IntN(2) == 0
	case "string":
		return d.pick([]any{"1h", "express", "general", "probe", "file:///nowhere/a.mp4", "tier=premium", "a"}, nil)
	}
	return d.pick(oddities, nil)
}

// check checks an answer.
func (d *document) check(operation map[string]any, path, method, asked string, r reply) {
	d.t.Helper()
	about := fmt.Sprint(method, path, r.status)
	wrong := func(format string, args ...any) {
		d.t.Helper()
		if !d.wrong[about] { // once is enough
			d.t.Errorf(format, args...)
		}
		d.wrong[about] = true
	}
	if r.status >= 500 {
		wrong("%s %s: %s", method, asked, r)
		return
	}
	code := fmt.Sprint(r.status)
	declared := at(operation, "responses", code)
	if declared == nil {
		if code = "default"; at(operation, "responses", code) == nil || r.status < 400 {
			wrong("%s %s: the document has no answer %d: %s", method, asked, r.status, r)
			return
		}
	}
	kind := r.header.Get("Content-Type")
	if at(operation, "responses", code, "content", kind, "schema") == nil {
		if len(r.body) > 0 {
			wrong("%s %s: the document has no %s in answer %s: %s", method, asked, kind, code, r)
		}
		return
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	where := fmt.Sprintf("api.json#/paths/%s/%s/responses/%s/content/%s/schema",
		url.PathEscape(escape.Replace(path)), method, code, escape.Replace(kind))
	schema := d.schemas[where]
	if schema == nil {
		var err error
		if schema, err = d.compiler.Compile(where); err != nil {
			d.t.Fatalf("%s: %v", where, err)
		}
		d.schemas[where] = schema
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(r.body)))
	if err == nil {
		err = schema.Validate(v)
	}
	if err != nil {
		wrong("%s %s: the answer isn't as the document says: %v: %.300s", method, asked, err, r.body)
	}
}
