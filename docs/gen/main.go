// Command gen writes what follows from the code: docs/metrics.md from the registered metrics, docs/policy.md from the
// comments and defaults of lanes.Policy, with its JSON Schema, docs/kinds.md and docs/job.schema.json from lanes/kinds,
// docs/openapi.json from internal/gateway, and the chart's VALUES.md, schema, policy defaults and Redis users from the
// code and from its values.yaml. `make verify` fails when they are not up to date.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/polyglot-media/siren/cmd/siren/serve/upkeep"
	"github.com/polyglot-media/siren/internal/gateway"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/scaler"
	"github.com/polyglot-media/siren/worker"
)

func main() {
	log.SetFlags(0)
	write("docs/metrics.md", metrics())
	policy, err := policyReference("lanes/policy.go")
	if err != nil {
		log.Fatal(err)
	}
	write("docs/policy.md", policy)
	policySchema, err := policyFileSchema("lanes/policy.go")
	if err != nil {
		log.Fatal(err)
	}
	write("lanes/policy.schema.json", policySchema)
	write("docs/kinds.md", kindReference())
	schema, err := jobSchema()
	if err != nil {
		log.Fatal(err)
	}
	write("docs/job.schema.json", schema)
	api, err := gateway.New(gateway.Options{}).OpenAPI()
	if err != nil {
		log.Fatal(err)
	}
	write("docs/openapi.json", string(api)+"\n")
	chart, err := chartFiles(chartDir, "lanes/policy.go")
	if err != nil {
		log.Fatal(err)
	}
	for path, text := range chart {
		write(path, text)
	}
}

func write(path, text string) {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}
}

const generated = "<!-- written by docs/gen: change the code's comments and run `make generate` -->\n"

// metrics lists what worker and scaler register, by the descriptions that they send.
func metrics() string {
	var b strings.Builder
	b.WriteString("# Metrics\n\n" + generated + "\nWorkers, scalers and gateways serve them at `/metrics` of " +
		"their `--listen` address, beside `/livez` and `/readyz` " +
		"(and the usual `go_` and `process_` metrics). Times are in seconds.\n")
	section := func(title string, register func(prometheus.Registerer)) {
		c := &catcher{}
		register(c)
		fmt.Fprintf(&b, "\n## %s\n\n| metric | labels | meaning |\n|---|---|---|\n", title)
		slices.Sort(c.rows)
		b.WriteString(strings.Join(c.rows, ""))
	}
	section("Workers", func(r prometheus.Registerer) { worker.NewMetrics(r) })
	section("Scalers", func(r prometheus.Registerer) {
		scaler.NewMetrics(r)
		upkeep.NewRescued(r)
	})
	section("Workers and scalers", func(r prometheus.Registerer) {
		jobledger.RegisterMetrics(r, nil)
	})
	section("Gateways", func(r prometheus.Registerer) { gateway.NewMetrics(r) })
	section("All of them", func(r prometheus.Registerer) { redislink.RegisterRefusals(r, nil) })
	return b.String()
}

// catcher is a Registerer that notes descriptions.
type catcher struct{ rows []string }

func (c *catcher) Register(m prometheus.Collector) error { c.MustRegister(m); return nil }
func (c *catcher) Unregister(prometheus.Collector) bool  { return false }

func (c *catcher) MustRegister(ms ...prometheus.Collector) {
	for _, m := range ms {
		descs := make(chan *prometheus.Desc, 16)
		m.Describe(descs)
		close(descs)
		for d := range descs {
			c.rows = append(c.rows, row(d))
		}
	}
}

// row returns one metric's line. A Desc tells its parts only as text.
func row(d *prometheus.Desc) string {
	text := d.String()
	part := func(from, to string) string {
		_, rest, _ := strings.Cut(text, from)
		value, _, _ := strings.Cut(rest, to)
		return value
	}
	labels := strings.ReplaceAll(part("variableLabels: {", "}"), ",", ", ")
	return fmt.Sprintf("| `%s` | %s | %s |\n", part(`fqName: "`, `"`), labels, part(`help: "`, `", `))
}

// policyReference makes a table of each struct of the policy file.
func policyReference(source string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ParseComments)
	if err != nil {
		return "", err
	}
	defaults := map[string]reflect.Value{}
	p := lanes.Policy{
		Lanes: []lanes.Lane{{Promote: &lanes.Promote{}}}, Pools: []lanes.Pool{{}},
		Storage: []lanes.Storage{{}}, Presets: map[string]lanes.Preset{"": {}}, Schedules: []lanes.Schedule{{}},
	}
	p.Default()
	collect(reflect.ValueOf(p), defaults)

	var b strings.Builder
	b.WriteString("# The policy file\n\n" + generated + `
One YAML file says which lanes there are, who serves them and within which limits. ` + "`siren policy check FILE`" + `
names everything that is wrong with one, ` + "`siren policy show FILE`" + ` prints it with its defaults.
[An example](../lanes/testdata/siren.yaml).

Durations are written as 90s, 30m or 1h30m; sizes as 512Mi or 2Gi.
`)
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		spec := g.Specs[0].(*ast.TypeSpec)
		if s, ok := spec.Type.(*ast.StructType); ok {
			writeStruct(&b, spec.Name.Name, g.Doc.Text(), s, defaults[spec.Name.Name])
		}
	}
	return b.String(), nil
}

// collect finds a defaulted value of every struct type below v.
func collect(v reflect.Value, into map[string]reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		collect(v.Elem(), into)
	case reflect.Slice:
		if v.Len() > 0 {
			collect(v.Index(0), into)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			collect(v.MapIndex(k), into)
		}
	case reflect.Struct:
		into[v.Type().Name()] = v
		for i := range v.NumField() {
			collect(v.Field(i), into)
		}
	}
}

func writeStruct(b *strings.Builder, name, doc string, s *ast.StructType, value reflect.Value) {
	first, _, _ := strings.Cut(doc, "\nLoad reads")
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| field | type | default | |\n|---|---|---|---|\n", name,
		strings.TrimSpace(strings.ReplaceAll(first, "\n", " ")))
	for _, f := range s.Fields.List {
		if !f.Names[0].IsExported() {
			continue
		}
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json")
		field, options, _ := strings.Cut(tag, ",")
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", field, typeName(f.Type),
			defaultOf(value.FieldByName(f.Names[0].Name), options), meaning(f))
	}
}

func typeName(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.Ident:
		if first := t.Name[:1]; strings.ToUpper(first) == first && t.Name != "Duration" && t.Name != "Bytes" {
			return fmt.Sprintf("[%s](#%s)", t.Name, strings.ToLower(t.Name))
		}
		return map[string]string{
			"string": "string", "int": "whole number", "float64": "number", "bool": "true or false",
			"Duration": "duration", "Bytes": "size",
		}[t.Name]
	case *ast.ArrayType:
		return strings.Replace("list of "+typeName(t.Elt), "of string", "of strings", 1)
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.MapType:
		of := typeName(t.Value)
		if strings.HasPrefix(of, "[") {
			return "map of name to " + of
		}
		if of == "map" { // json.RawMessage
			return "map of field to value"
		}
		return "map of lane to " + of
	case *ast.SelectorExpr: // json.RawMessage
		return "map"
	default:
		return fmt.Sprintf("%T", e)
	}
}

func defaultOf(v reflect.Value, options string) string {
	if options == "" {
		return "required"
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Pointer, reflect.Slice, reflect.Map:
		return ""
	}
	if v.IsZero() {
		return ""
	}
	return fmt.Sprint(v.Interface())
}
