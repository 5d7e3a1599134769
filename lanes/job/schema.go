package job

import (
	"reflect"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/kinds"
)

// Schema returns the JSON Schema (2020-12) of a job's wire form: the fields of Job, and for each kind its params.
func Schema() map[string]any {
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
	for i := range reflect.TypeFor[Job]().NumField() {
		f := reflect.TypeFor[Job]().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		properties[name] = map[string]any{"type": schemaType(f.Type)}
	}
	bound := func(field string, more map[string]any) {
		for k, v := range more {
			properties[field].(map[string]any)[k] = v
		}
	}
	bound("version", map[string]any{"const": WireVersion})
	bound("id", map[string]any{"pattern": `^[A-Za-z0-9._-]{1,64}$`})
	bound("kind", map[string]any{"enum": kinds.Names()})
	bound("preset", map[string]any{"pattern": `^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?@[1-9][0-9]{0,5}$`})
	bound("labels", map[string]any{"additionalProperties": map[string]any{
		"type":      "string",
		"maxLength": MaxLabelValue,
	}, "maxProperties": MaxLabels})
	bound("input", map[string]any{"format": "uri", "maxLength": MaxURL})
	bound("output", map[string]any{"format": "uri", "maxLength": MaxURL})
	bound("priority", map[string]any{"minimum": 0, "maximum": lanes.MaxPriority})
	bound("expiresAt", map[string]any{"format": "date-time"})
	return map[string]any{
		"type": "object", "required": []string{"id", "input", "output"}, "properties": properties,
		"anyOf": []any{
			map[string]any{"required": []string{"kind"}}, map[string]any{"required": []string{"preset"}},
		},
		"allOf": all,
	}
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
