package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

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

// jobSchema returns the JSON Schema of a job, as its file has it.
func jobSchema() (string, error) {
	schema := job.Schema()
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["$comment"] = "written by docs/gen from job.Job and lanes/kinds"
	schema["title"] = "A job of Siren"
	text, err := json.MarshalIndent(schema, "", "  ")
	return string(text) + "\n", err
}
