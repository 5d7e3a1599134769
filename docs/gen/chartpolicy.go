package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"strings"

	"github.com/polyglot-media/siren/lanes"
)

// policySchema returns the JSON Schema of each struct of the policy, by its name. It says which fields there are and
// how they are written; lanes.Validate checks what they mean together.
func policySchema(source string) (map[string]any, error) {
	docs, err := fieldDocs(source)
	if err != nil {
		return nil, err
	}
	for field := range bounds {
		if _, known := docs[field]; !known {
			return nil, fmt.Errorf("bounds: the policy has no field %s", field)
		}
	}
	definitions := map[string]any{}
	define(reflect.TypeFor[lanes.Policy](), docs, definitions)
	return definitions, nil
}

// policyFileSchema returns the JSON Schema of policy files.
func policyFileSchema(source string) (string, error) {
	definitions, err := policySchema(source)
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#", "title": "A policy of Siren",
		"$comment": "written by docs/gen from lanes.Policy", "$ref": "#/definitions/Policy", "definitions": definitions,
	}, "", "  ")
	return string(text) + "\n", err
}

// fieldDocs returns the comment of each struct ("Lane") and of each of its fields ("Lane.Name").
func fieldDocs(source string) (map[string]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	docs := map[string]string{}
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		name := g.Specs[0].(*ast.TypeSpec).Name.Name
		docs[name] = strings.TrimSpace(strings.ReplaceAll(g.Doc.Text(), "\n", " "))
		if s, ok := g.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				docs[name+"."+f.Names[0].Name] = meaning(f)
			}
		}
	}
	return docs, nil
}

// meaning returns the comment of a field, which stands behind it or above it, on one line.
func meaning(f *ast.Field) string {
	return strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
}

// define adds the struct t and those that its fields are made of.
func define(t reflect.Type, docs map[string]string, definitions map[string]any) {
	properties, required := map[string]any{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		s := fieldSchema(f.Type, docs[t.Name()+"."+f.Name], docs, definitions)
		maps.Copy(s, bounds[t.Name()+"."+f.Name])
		properties[name] = s
		if options == "" {
			required = append(required, name)
		}
	}
	s := object(docs[t.Name()], properties)
	if len(required) > 0 {
		s["required"] = required
	}
	definitions[t.Name()] = s
}

// fieldSchema returns the schema of one field. Draft 7 ignores what stands beside a reference, so a struct has its own
// comment instead.
func fieldSchema(t reflect.Type, doc string, docs map[string]string, definitions map[string]any) map[string]any {
	s := map[string]any{}
	if doc != "" {
		s["description"] = doc
	}
	switch {
	case t == reflect.TypeFor[lanes.Duration]():
		s["type"], s["minimum"], s["maximum"] = []string{"string", "integer"}, 0, 0
		s["pattern"], s[message] = `^\+?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`,
			"is not a duration; write it as 90s, 30m or 1h30m"
	case t == reflect.TypeFor[lanes.Bytes]():
		s["type"], s["minimum"] = []string{"string", "integer"}, 0
		s["pattern"], s[message] = `^[0-9]+(Ki|Mi|Gi|Ti)?$`, "is not a size; write it as 512Mi or 2Gi"
	case t == reflect.TypeFor[json.RawMessage](), t == reflect.TypeFor[map[string]json.RawMessage]():
		s["type"] = "object"
	case t.Kind() == reflect.Pointer:
		return fieldSchema(t.Elem(), doc, docs, definitions)
	case t.Kind() == reflect.Struct:
		if definitions[t.Name()] == nil {
			define(t, docs, definitions)
		}
		return map[string]any{"$ref": "#/definitions/" + t.Name()}
	case t.Kind() == reflect.Slice:
		s["type"], s["items"] = "array", fieldSchema(t.Elem(), "", docs, definitions)
	case t.Kind() == reflect.Map:
		s["type"], s["additionalProperties"] = "object", fieldSchema(t.Elem(), "", docs, definitions)
	default:
		name, known := map[reflect.Kind]string{
			reflect.String: "string", reflect.Int: "integer", reflect.Float64: "number", reflect.Bool: "boolean",
		}[t.Kind()]
		if !known {
			panic(fmt.Sprintf("the policy has a field of type %s: say here how its schema is written", t))
		}
		s["type"] = name
	}
	return s
}
