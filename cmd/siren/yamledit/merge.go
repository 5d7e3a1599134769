// Package yamledit writes tunings into the file of a policy, in place: its comments, blank lines and order stay as
// somebody wrote them.
//
// What a tuning or a policy means lives in lanes; reading and writing the file in the command.
package yamledit

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/lanes"
)

// Merge writes tunings into the text of a policy file. Nothing but what is tuned changes: comments, blank lines and
// order stay. The outcome is checked, as a policy and as the one that the tunings make of the file's.
func Merge(text []byte, tunings []lanes.Tuning) ([]byte, error) {
	file, err := lanes.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("is no policy:\n%w", err)
	}
	merged, err := set(text, tunings)
	if err != nil {
		return nil, err
	}
	got, err := lanes.Parse(merged)
	if err != nil {
		return nil, fmt.Errorf("with the tunings merged it is no valid policy:\n%w", err)
	}
	if want, err := file.With(tunings...); err != nil {
		return nil, err
	} else if show.YAML(got) != show.YAML(want) {
		return nil, errors.New("is written in a way that the tunings can't be merged into; `siren tunings export` " +
			"without the file prints the policy in force")
	}
	return merged, nil
}

// Set writes fields into the text of a policy file as Merge does, also such as can't be tuned while workers run. The
// outcome is checked to be the policy that is wanted.
func Set(text []byte, fields []lanes.Tuning, want *lanes.Policy) ([]byte, error) {
	changed, err := set(text, fields)
	if err != nil {
		return nil, err
	}
	if got, err := lanes.Parse(changed); err != nil || show.YAML(got) != show.YAML(want) {
		return nil, errors.New("is written in a way that can't be changed in place")
	}
	return changed, nil
}

func set(text []byte, fields []lanes.Tuning) (changed []byte, err error) {
	changed = text
	for _, t := range fields {
		if changed, err = mergeTuning(changed, t); err != nil {
			return nil, err
		}
	}
	return changed, nil
}

// mergeTuning sets one field: budget, or a field of the entry of lanes or pools that has the name.
func mergeTuning(text []byte, t lanes.Tuning) ([]byte, error) {
	var doc, value yaml.Node
	if err := errors.Join(yaml.Unmarshal(text, &doc), yaml.Unmarshal(t.Value, &value)); err != nil { // JSON is YAML
		return nil, fmt.Errorf("%s: %w", t.Field, err)
	}
	target, field := doc.Content[0], t.Field
	if list, rest, nested := strings.Cut(t.Field, "."); nested {
		var name string
		name, field, _ = strings.Cut(rest, ".")
		if target = named(target, list, name); target == nil {
			return nil, fmt.Errorf("has no %q in %s, which %s tunes: is it the file that is in force?", name, list,
				t.Field)
		}
	}
	e := edit{text}
	if err := e.set(target, field, value.Content[0]); err != nil {
		return nil, fmt.Errorf("%s: %w", t.Field, err)
	}
	return e.text, nil
}

// named returns the entry of a list of the policy that has that name; nil when there is none.
func named(policy *yaml.Node, list, name string) *yaml.Node {
	if i := keyIn(policy, list); i >= 0 {
		for _, n := range policy.Content[i+1].Content {
			if j := keyIn(n, "name"); j >= 0 && n.Content[j+1].Value == name {
				return n
			}
		}
	}
	return nil
}
