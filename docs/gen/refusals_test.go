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

// Of prefixes put together from what is right, odd and wrong, the patterns refuse none that a scaler takes.
func TestPatternsRefuseNoPrefixThatIsRight(t *testing.T) {
	hosts := []string{
		"", "media", "Media", "a-b", "a--b", "a.b", "a..b", "a.-b", "a_b", "-a", "a-", ".ab", "ab.", "ab",
		"1.2.3.4", "8.8.8.8.", "10.0.0.1", "010.0.0.1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "255.1.2.3", "0x7f.1",
		"0x7f.example", "a.0x7f", "x.1", "1.x", "10.example.com", "127.0.0.1.example", "192.0.1.1", "192.0.0.1",
		"172.15.0.1", "172.16.0.1", "100.63.0.1", "100.64.0.1", "223.0.0.1", "224.0.0.1", "localhost",
		"localhost.example", "notlocalhost", "a.localhost", "Example.COM", "bücher.example", "h:80", "h:0",
		"h:65535", "h:65536", "h:", "h:x", "[2606:4700::1]", "[::1]", "[::ffff:8.8.8.8]", "[2001:db8::1]:80",
		"[2001:4860::1]", "[fe80::1%25eth0]", "a@b", "a b", "a%41", "[",
	}
	paths := []string{
		"", "/", "/a/", "/a", "//", "/a//b/", "/./", "/../", "/a/../b/", "/a..b/", "/.a/", "/.siren/", "/x.siren/",
		"/.sirens/", "/%2e/", "/%2F/", "/%20/", "/%7f/", "/%7e/", "/%1/", "/%/", "/%E2%82%AC/", "/a b/", `/a\b/`,
		"/a?b/", "/#/", "/a@b/", "/a:b/",
	}
	rules, tried, refused := compiledRules(), 0, 0
	for _, scheme := range []string{"s3", "S3", "gs", "azblob", "http", "HTTPS", "file", "File", "ftp", ""} {
		for _, host := range hosts {
			for _, path := range paths {
				prefix := scheme + "://" + host + path
				tried++
				says := firstBroken(rules, prefix)
				if says == "" {
					continue
				}
				refused++
				p := lanes.Policy{
					Lanes:   []lanes.Lane{{Name: "a", StartWithin: 1}},
					Pools:   []lanes.Pool{{Name: "p", Lanes: []string{"a"}, Max: 1}},
					Budget:  1,
					Storage: []lanes.Storage{{Prefix: prefix, Read: true}},
				}
				p.Default()
				if p.Validate() == nil {
					t.Errorf("%s is right, and the patterns say it %s", prefix, says)
				}
			}
		}
	}
	if refused < tried/2 || refused == tried {
		t.Errorf("%d of %d prefixes are refused", refused, tried)
	}
}

// prefixRule is one of prefixRules, ready to be asked.
type prefixRule struct {
	pattern *regexp.Regexp
	not     bool
	says    string
}

func compiledRules() (rules []prefixRule) {
	for _, rule := range prefixRules {
		if pattern, is := rule["pattern"].(string); is {
			rules = append(rules, prefixRule{regexp.MustCompile(pattern), false, rule[message].(string)})
			continue
		}
		pattern := rule["not"].(map[string]any)["pattern"].(string)
		rules = append(rules, prefixRule{regexp.MustCompile(pattern), true, rule[notMessage].(string)})
	}
	return rules
}

// firstBroken returns what the first of the rules says that the prefix breaks; "" when it breaks none.
func firstBroken(rules []prefixRule, prefix string) string {
	for _, r := range rules {
		if r.pattern.MatchString(prefix) == r.not {
			return r.says
		}
	}
	return ""
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
