package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
)

// kindReference makes a table of the params of each kind.
func kindReference() string {
	var b strings.Builder
	b.WriteString("# Kinds of job\n\n" + strings.Replace(generated, "the code's comments", "lanes/kinds", 1) +
		"\nWhat a worker makes, and the `params` of each kind. [media.md](media.md) shows results, and says why the " +
		"defaults are as they are. [jobs.md](jobs.md) has the other fields of a job, " +
		"[job.schema.json](job.schema.json) all of them as a JSON Schema.\n")
	for _, k := range kinds.All() {
		fmt.Fprintf(&b, "\n## %s\n\nThe output is %s; its name ends in `%s`.", k.Name, k.About,
			strings.Join(k.Endings, "`, `"))
		if len(k.Params) == 0 {
			b.WriteString(" It has no params.\n")
			continue
		}
		b.WriteString("\n\n| param | value | default | |\n|---|---|---|---|\n")
		for _, p := range k.Params {
			standard := p.Otherwise
			if p.Default != "" {
				standard = "`" + p.Default + "`"
			}
			about := p.About
			if p.Was != "" {
				about += "; `" + p.Was + "` before, which is still read"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Name, p.Range(), standard, about)
		}
	}
	b.WriteString(presetReference())
	return b.String()
}

// presetReference makes a table of the presets that come with Siren.
func presetReference() string {
	var b strings.Builder
	b.WriteString("\n## Presets\n\nA job may name a preset, with its version, instead of a kind and its params; " +
		"[jobs.md](jobs.md#presets) says how. These come with Siren; the policy adds others and retires what nobody " +
		"should use any more (`siren presets`).\n\n| preset | kind | params | |\n|---|---|---|---|\n")
	for _, n := range (&lanes.Policy{}).AllPresets() {
		fmt.Fprintf(&b, "| `%s` | [%s](#%s) | `%s` | %s |\n", n.Name, n.Kind, n.Kind, cmp.Or(string(n.Params), "{}"),
			n.About)
	}
	return b.String()
}

// jobSchema returns the JSON Schema of a job: the fields of job.Job, and for each kind its params.
func jobSchema() (string, error) {
	var all []any
	for _, k := range kinds.All() {
		params := map[string]any{}
		for _, p := range k.Params {
			schema := map[string]any{"anyOf": []any{p.Schema(), map[string]any{"type": "null"}}}
			params[p.Name] = schema
			if p.Was != "" {
				params[p.Was] = map[string]any{"anyOf": schema["anyOf"], "deprecated": true}
			}
		}
		all = append(all, map[string]any{
			"if": map[string]any{
				"properties": map[string]any{"kind": map[string]any{"const": k.Name}}, "required": []string{"kind"},
			},
			"then": map[string]any{"properties": map[string]any{"params": map[string]any{
				"properties":           params,
				"additionalProperties": false,
			}}},
		})
	}
	properties := map[string]any{}
	for i := range reflect.TypeFor[job.Job]().NumField() {
		f := reflect.TypeFor[job.Job]().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		properties[name] = map[string]any{"type": schemaType(f.Type)}
	}
	bound := func(field string, more map[string]any) {
		for k, v := range more {
			properties[field].(map[string]any)[k] = v
		}
	}
	bound("version", map[string]any{"const": job.WireVersion})
	bound("id", map[string]any{"pattern": `^[A-Za-z0-9._-]{1,64}$`})
	bound("kind", map[string]any{"enum": kinds.Names()})
	bound("preset", map[string]any{"pattern": `^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?@[1-9][0-9]{0,5}$`})
	bound("labels", map[string]any{"additionalProperties": map[string]any{
		"type":      "string",
		"maxLength": job.MaxLabelValue,
	}, "maxProperties": job.MaxLabels})
	bound("input", map[string]any{"format": "uri", "maxLength": job.MaxURL})
	bound("output", map[string]any{"format": "uri", "maxLength": job.MaxURL})
	bound("priority", map[string]any{"minimum": 0, "maximum": lanes.MaxPriority})
	bound("expiresAt", map[string]any{"format": "date-time"})
	text, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A job of Siren",
		"$comment": "written by docs/gen from job.Job and lanes/kinds",
		"type":     "object", "required": []string{"id", "input", "output"}, "properties": properties,
		"anyOf": []any{
			map[string]any{"required": []string{"kind"}}, map[string]any{"required": []string{"preset"}},
		},
		"allOf": all,
	}, "", "  ")
	return string(text) + "\n", err
}

func schemaType(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time](), t == reflect.TypeFor[lanes.Duration](), t.Kind() == reflect.String:
		return "string"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.Int:
		return "integer"
	default:
		return "object"
	}
}
