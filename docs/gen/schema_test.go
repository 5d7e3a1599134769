package main

import (
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/polyglot-media/siren/lanes"
)

// The schema that editors go by takes the example, and refuses what it should show as wrong.
func TestPolicySchema(t *testing.T) {
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(lanes.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policy.schema.json", schema); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
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
		text, err := yaml.YAMLToJSON([]byte(strings.Replace(string(good), c.was, c.is, 1)))
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); (err == nil) != (c.at == "") || err != nil && !strings.Contains(err.Error(), c.at) {
			t.Errorf("%s: %v, want %q", name, err, c.at)
		}
	}
}
