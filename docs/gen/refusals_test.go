package main

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/polyglot-media/siren/lanes"
)

// A scaler refuses what the chart's tests call refused, and takes what they call accepted: there is one judgement.
func TestRefusalsAreThoseOfThePolicy(t *testing.T) {
	for _, r := range refusals {
		if r.policy() == soundPolicy {
			t.Errorf("%s: %q isn't in the policy", r.name, r.from)
		}
		if _, err := lanes.Parse([]byte(r.policy())); err == nil {
			t.Errorf("%s is refused by the chart, and not by a scaler", r.name)
		}
	}
	schema := compiledSchema(t)
	for _, r := range accepted {
		if _, err := lanes.Parse([]byte(r.policy())); err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
		if err := schema.Validate(decoded(t, r.policy())); err != nil {
			t.Errorf("%s is refused by the schema alone: %v", r.name, err)
		}
	}
}

// Whoever adds a rule to the policy says whether the chart knows it: each problem that there is comes of a refusal.
func TestEveryProblemIsARefusal(t *testing.T) {
	var found []string
	for _, r := range refusals {
		_, err := lanes.Parse([]byte(r.policy()))
		var problems lanes.Problems
		if !errors.As(err, &problems) {
			continue
		}
		for _, p := range problems {
			found = append(found, p.Message)
		}
	}
	forms := problemForms(t)
	if len(forms) < 50 {
		t.Fatalf("found only %d problems in lanes", len(forms))
	}
	for _, form := range forms {
		says := regexp.MustCompile(`(?s)^` + verb.ReplaceAllString(regexp.QuoteMeta(form), `.*`) + `$`)
		known := false
		for _, message := range found {
			known = known || says.MatchString(message)
		}
		if !known {
			t.Errorf("no refusal in refusals.go has the problem %q", form)
		}
	}
}

var verb = regexp.MustCompile(`%[a-z%]`)

// problemForms returns the formats of the problems that lanes may find.
func problemForms(t *testing.T) (forms []string) {
	t.Helper()
	paths, err := filepath.Glob("../../lanes/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "/warnings.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, is := n.(*ast.CallExpr)
			if !is {
				return true
			}
			if f, is := call.Fun.(*ast.SelectorExpr); is && f.Sel.Name == "add" && len(call.Args) > 1 {
				if on, is := f.X.(*ast.Ident); is && on.Name == "problems" {
					forms = append(forms, joined(call.Args[1]))
				}
			}
			return true
		})
	}
	return forms
}

// joined returns the string that is written in parts.
func joined(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		return joined(e.X) + joined(e.Y)
	default:
		return ""
	}
}

// A language server shows the words beside a pattern: each pattern has some.
func TestPatternsHaveWords(t *testing.T) {
	definitions, err := policySchema("../../lanes/policy.go")
	if err != nil {
		t.Fatal(err)
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if _, is := v["pattern"].(string); is && v[message] == nil && !strings.HasSuffix(at, ".not") {
				t.Errorf("%s has a pattern without words", at)
			}
			if v["not"] != nil && v[notMessage] == nil {
				t.Errorf("%s must not match, and doesn't say why", at)
			}
			for key, deeper := range v {
				walk(at+"."+key, deeper)
			}
		case []map[string]any:
			for i, deeper := range v {
				walk(at+"["+strconv.Itoa(i)+"]", deeper)
			}
		}
	}
	walk("", definitions)
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
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
	return s
}

func decoded(t *testing.T, policy string) any {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
