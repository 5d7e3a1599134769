package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/polyglot-media/siren/lanes"
)

// mergeTunings writes tunings into the text of a policy file, and leaves comments and order as they are. The outcome is checked as a policy.
func mergeTunings(text []byte, tunings []lanes.Tuning) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("is empty")
	}
	for _, t := range tunings {
		if err := mergeTuning(doc.Content[0], t); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return nil, err
	}
	if _, err := lanes.Parse(out.Bytes()); err != nil {
		return nil, fmt.Errorf("with the tunings merged it is no valid policy:\n%w", err)
	}
	return out.Bytes(), nil
}

// mergeTuning sets one field: budget, or a field of the entry of lanes or pools that has the name.
func mergeTuning(policy *yaml.Node, t lanes.Tuning) error {
	var value yaml.Node
	if err := yaml.Unmarshal(t.Value, &value); err != nil { // JSON is YAML
		return fmt.Errorf("%s: %w", t.Field, err)
	}
	plainStyle(value.Content[0])
	list, rest, nested := strings.Cut(t.Field, ".")
	if !nested {
		setEntry(policy, t.Field, value.Content[0])
		return nil
	}
	name, field, _ := strings.Cut(rest, ".")
	if entries := entry(policy, list); entries != nil {
		for _, n := range entries.Content {
			if v := entry(n, "name"); v != nil && v.Value == name {
				setEntry(n, field, value.Content[0])
				return nil
			}
		}
	}
	return fmt.Errorf("has no %q in %s, which %s tunes: is it the file that is in force?", name, list, t.Field)
}

// plainStyle has texts written without JSON's quotes where YAML needs none.
func plainStyle(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, c := range n.Content {
		plainStyle(c)
	}
}

// entry is the value of a map's key; nil when it isn't there.
func entry(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// setEntry sets the value of a map's key and keeps the comments beside it. Null takes the key away.
func setEntry(m *yaml.Node, key string, value *yaml.Node) {
	if value.Tag == "!!null" {
		for i := 0; i+1 < len(m.Content); i += 2 {
			if m.Content[i].Value == key {
				m.Content = slices.Delete(m.Content, i, i+2)
				return
			}
		}
		return
	}
	if old := entry(m, key); old != nil {
		value.HeadComment, value.LineComment, value.FootComment = old.HeadComment, old.LineComment, old.FootComment
		*old = *value
		return
	}
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
}
