package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/lanes"
)

const chartDir = "charts/siren"

// chartFiles returns what the generated files of the chart in dir have to be, by their path: VALUES.md and
// values.schema.json from the comments in values.yaml; from the code the policy's schema and defaults, the rights of
// the Redis users, and the tests of policies that are refused.
func chartFiles(dir, policySource string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "values.yaml"))
	if err != nil {
		return nil, err
	}
	root, err := readValues(string(text))
	if err != nil {
		return nil, fmt.Errorf("values.yaml: %w", err)
	}
	if err := checkPolicy(root); err != nil {
		return nil, fmt.Errorf("values.yaml: policy:\n%w", err)
	}
	schema, err := chartSchema(root, policySource)
	if err != nil {
		return nil, err
	}
	defaults, err := policyDefaults()
	if err != nil {
		return nil, err
	}
	acl, err := indented(redisRules())
	if err != nil {
		return nil, err
	}
	definitions, err := policySchema(policySource)
	if err != nil {
		return nil, err
	}
	rules, err := indented(undescribed(definitions))
	if err != nil {
		return nil, err
	}
	tests, err := refusalTests()
	if err != nil {
		return nil, err
	}
	return map[string]string{
		filepath.Join(dir, "files/redis-acl.json"):       acl,
		filepath.Join(dir, "VALUES.md"):                  chartReference(root),
		filepath.Join(dir, "values.schema.json"):         schema,
		filepath.Join(dir, "files/policy-defaults.json"): defaults,
		filepath.Join(dir, "files/policy-schema.json"):   rules,

		filepath.Join(dir, "tests/refused-policies_test.yaml"): tests,
	}, nil
}

// checkPolicy validates the policy that the chart brings.
func checkPolicy(root *chartValue) error {
	i := slices.IndexFunc(root.children, func(v *chartValue) bool { return v.key == "policy" })
	if i < 0 {
		return fmt.Errorf("there is none")
	}
	text, err := yaml.Marshal(root.children[i].value)
	if err != nil {
		return err
	}
	_, err = lanes.Parse(text)
	return err
}

// policyDefaults returns what lanes.Default fills in, for the templates.
func policyDefaults() (string, error) {
	p := lanes.Policy{Lanes: make([]lanes.Lane, 1), Pools: make([]lanes.Pool, 1)}
	p.Default()
	return indented(map[string]any{
		"lane":   map[string]any{"maxRuntime": p.Lanes[0].MaxRuntime, "retry": p.Lanes[0].Retry},
		"pool":   map[string]any{"slots": p.Pools[0].Slots, "slot": p.Pools[0].Slot},
		"broker": p.Broker,
		"timing": p.Timing,
	})
}

// undescribed returns the schema without its descriptions, which no template reads.
func undescribed(schema map[string]any) map[string]any {
	bare := map[string]any{}
	for key, v := range schema {
		if deeper, is := v.(map[string]any); is {
			v = undescribed(deeper)
		}
		if _, is := v.(string); key != "description" || !is {
			bare[key] = v
		}
	}
	return bare
}

// redisRules returns what the Redis user of each role may do.
func redisRules() map[string]string {
	rules := map[string]string{}
	for _, role := range access.Roles() {
		rules[role] = access.Rules(role)
	}
	return rules
}

func indented(v any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.String(), err
}

// chartSchema returns values.schema.json, in draft 7, which every Helm 3 knows. It refuses fields that it doesn't name:
// a typo would be ignored in silence.
func chartSchema(root *chartValue, policySource string) (string, error) {
	definitions, err := policySchema(policySource)
	if err != nil {
		return "", err
	}
	// Helm would cite the patterns; the templates have words, and for all ways to give a policy
	delete(propertyOf(definitions, "Storage", "prefix"), "allOf")
	perPool := map[string]any{}
	for _, v := range root.all() {
		if v.pool && !v.parent.pool {
			perPool[v.key] = v.schema(false)
		}
	}
	definitions["WorkersOfPool"] = object("What one pool's workers have instead of what `workers` says", perPool)
	schema := root.schema(true)
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	schema["$comment"] = "written by docs/gen from values.yaml and lanes/policy.go"
	schema["title"] = "Values of the Siren chart"
	schema["definitions"] = definitions
	maps.Copy(schema["properties"].(map[string]any), map[string]any{
		"global": map[string]any{
			"type":        "object",
			"description": "Helm's own, when this is a chart's subchart",
		},
		"enabled": map[string]any{
			"type":        "boolean",
			"description": "read by the chart whose subchart this is, as the condition of its dependency",
		},
	})
	return indented(schema)
}

// propertyOf returns the schema of a field of one of the policy's structs.
func propertyOf(definitions map[string]any, of, field string) map[string]any {
	return definitions[of].(map[string]any)["properties"].(map[string]any)[field].(map[string]any)
}

func object(description string, properties map[string]any) map[string]any {
	return map[string]any{
		"type": "object", "description": description, "properties": properties,
		"additionalProperties": false,
	}
}

// schema returns the JSON Schema of the value and all below it.
func (v *chartValue) schema(defaults bool) map[string]any {
	if _, is := v.extra["$ref"]; is {
		return v.extra
	}
	if len(v.children) > 0 {
		properties := map[string]any{}
		for _, c := range v.children {
			properties[c.key] = c.schema(defaults)
		}
		return object(v.doc, properties)
	}
	s := map[string]any{"description": v.doc}
	switch d := v.value.(type) {
	case string:
		s["type"] = "string"
	case bool:
		s["type"] = "boolean"
	case float64:
		s["type"] = "number"
		if d == float64(int64(d)) {
			s["type"] = "integer"
		}
	case []any:
		s["type"] = "array"
	case map[string]any:
		s["type"] = "object"
	}
	if defaults && v.value != nil {
		s["default"] = v.value
	}
	maps.Copy(s, v.extra)
	return s
}

// chartReference returns VALUES.md.
func chartReference(root *chartValue) string {
	var b strings.Builder
	b.WriteString("# Values of the Siren chart\n\n<!-- written by docs/gen: change the comments in values.yaml and " +
		"run `make generate` -->\n\n" +
		"[Siren on Kubernetes](https://github.com/polyglot-media/siren/blob/main/docs/kubernetes.md) explains how " +
		"they go together. Values that aren't listed here are refused, so that " +
		"a typo shows.\n" +
		"Values with a • may also be set for one pool, in `workers.pools.<name>`.\n\n## General\n\n")
	head := "| value | default | |\n|---|---|---|\n"
	b.WriteString(head)
	for _, v := range root.children {
		if len(v.children) == 0 {
			b.WriteString(v.row())
		}
	}
	for _, v := range root.children {
		if len(v.children) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n%s", v.key, v.doc, head)
		for _, c := range v.all() {
			b.WriteString(c.row())
		}
	}
	return b.String()
}

// row returns the value's line in VALUES.md.
func (v *chartValue) row() string {
	mark, initial := "", v.initial
	if v.pool {
		mark = " •"
	}
	if initial == "" && len(v.children) == 0 {
		text, _ := json.Marshal(v.value)
		if initial = "`" + string(text) + "`"; len(initial) > 80 {
			initial = "[values.yaml](values.yaml)"
		}
	}
	escape := strings.NewReplacer("|", `\|`)
	return fmt.Sprintf("| `%s`%s | %s | %s |\n", v.path(), mark, escape.Replace(initial), escape.Replace(v.doc))
}
