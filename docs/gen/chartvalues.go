package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// chartValue is one key of values.yaml, with what the comment above it says. The head of values.yaml explains that
// comment.
type chartValue struct {
	key      string
	parent   *chartValue // nil for the root
	children []*chartValue
	value    any            // as JSON has it
	doc      string         // what it is for
	initial  string         // @default: said instead of the value
	leaf     bool           // @leaf: a map that is one value
	pool     bool           // @pool: may be set for a single pool, too
	extra    map[string]any // @schema
	line     int
}

// all returns every value below v, in the file's order.
func (v *chartValue) all() []*chartValue {
	var all []*chartValue
	for _, c := range v.children {
		all = append(append(all, c), c.all()...)
	}
	return all
}

func (v *chartValue) path() string {
	if v.parent == nil || v.parent.parent == nil {
		return v.key
	}
	return v.parent.path() + "." + v.key
}

// aKey is a line that begins a key of a map in block style.
var aKey = regexp.MustCompile(`^( *)([A-Za-z][A-Za-z0-9_-]*):( |$)`)

// readValues reads the text of a values.yaml. It knows as much of YAML as that file uses: maps in block style, indented
// by two, whose keys have their comments above them.
func readValues(text string) (*chartValue, error) {
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		return nil, err
	}
	root := &chartValue{value: tree}
	at, indent := root, 0 // where keys with that indent belong
	skip := -1            // below a key with that indent, everything is its value
	var comment []string
	var problems []error
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		depth := len(line) - len(trimmed)
		switch {
		case trimmed == "":
			comment = nil
			continue
		case skip >= 0 && depth > skip:
			continue
		case strings.HasPrefix(trimmed, "#"):
			comment = append(comment, strings.TrimPrefix(strings.TrimPrefix(trimmed, "#"), " "))
			continue
		}
		for ; indent > depth; indent -= 2 {
			at = at.parent
		}
		key := aKey.FindStringSubmatch(line)
		if key == nil || depth != indent {
			return nil, fmt.Errorf("line %d: can't read this: %s", i+1, line)
		}
		v := &chartValue{key: key[2], parent: at, value: at.value.(map[string]any)[key[2]], line: i + 1}
		at.children = append(at.children, v)
		problems = append(problems, v.note(comment))
		comment = nil
		if m, is := v.value.(map[string]any); is && len(m) > 0 && !v.leaf {
			at, indent, skip = v, depth+2, -1
		} else {
			skip = depth
		}
	}
	problems = append(problems, root.complete())
	return root, errors.Join(problems...)
}

// note takes over what the comment says.
func (v *chartValue) note(comment []string) error {
	v.pool = v.parent.pool
	for _, line := range comment {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "--":
			v.doc = rest
		case word == "@default":
			v.initial = rest
		case word == "@leaf":
			v.leaf = true
		case word == "@pool":
			v.pool = true
		case word == "@schema":
			if err := json.Unmarshal([]byte(rest), &v.extra); err != nil {
				return fmt.Errorf("line %d: @schema of %s: %w", v.line, v.path(), err)
			}
		case strings.HasPrefix(word, "@"):
			return fmt.Errorf("line %d: %s has no such remark: %s", v.line, v.path(), word)
		default:
			v.doc += " " + line
		}
	}
	if v.doc == "" {
		return fmt.Errorf("line %d: %s has no comment that begins with `# --`", v.line, v.path())
	}
	return nil
}

// complete returns an error when the value has more keys than were found in the text.
func (v *chartValue) complete() error {
	var problems []error
	if m, is := v.value.(map[string]any); is && !v.leaf && len(m) != len(v.children) {
		problems = append(problems, fmt.Errorf("%q has %d keys, of which %d were found in the text", v.path(), len(m),
			len(v.children)))
	}
	for _, c := range v.children {
		problems = append(problems, c.complete())
	}
	return errors.Join(problems...)
}
