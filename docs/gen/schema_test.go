package main

import (
	"os"
	"strings"
	"testing"
)

// The schema that editors go by takes the example, and refuses what it should show as wrong.
func TestPolicySchema(t *testing.T) {
	s := compiledSchema(t)
	good, err := os.ReadFile("../../lanes/testdata/siren.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ was, is, at string }{
		"as it is":             {"", "", ""},
		"no such field":        {"guests:", "gests:", "/pools/0"},
		"a number, no time":    {"startWithin: 2s", "startWithin: 2", "/lanes/0/startWithin"},
		"no time":              {"startWithin: 2s", "startWithin: soon", "/lanes/0/startWithin"},
		"text, no number":      {"budget: 32", "budget: many", "/budget"},
		"something is missing": {"budget: 32", "", "missing property 'budget'"},
	} {
		if !strings.Contains(string(good), c.was) {
			t.Fatalf("%s: the example has no %q", name, c.was)
		}
		v := decoded(t, strings.Replace(string(good), c.was, c.is, 1))
		if err := s.Validate(v); (err == nil) != (c.at == "") || err != nil && !strings.Contains(err.Error(), c.at) {
			t.Errorf("%s: %v, want %q", name, err, c.at)
		}
	}
}
