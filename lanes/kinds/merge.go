package kinds

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/polyglot-media/siren/lanes/plain"
)

// Current returns what a param of the kind is called now, where name may be its old name. kind is "" where it isn't
// known.
func Current(kind, name string) string {
	for _, k := range all {
		if kind != "" && kind != k.Name {
			continue
		}
		for _, p := range k.Params {
			if p.Was == name && name != "" {
				return p.Name
			}
		}
	}
	return name
}

// current gives params their names of now. A param under both names is an error, and what it has under the old one is
// lost.
func (k Kind) current(params map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	named := map[string]json.RawMessage{}
	var err error
	for _, name := range slices.Sorted(maps.Keys(params)) {
		now := Current(k.Name, name)
		if _, both := params[now]; both && now != name {
			err = fmt.Errorf("%s is the old name of %s: give %s alone", name, now, now)
			continue
		}
		named[now] = params[name]
	}
	return named, err
}

// Merge lays a job's own params over those that it starts from, and returns the whole under the names of now. A null
// takes a param away. The error says that one of the two is no object, or has a param under two names.
func (k Kind) Merge(base, own json.RawMessage) (json.RawMessage, error) {
	merged := map[string]json.RawMessage{}
	for _, layer := range []json.RawMessage{base, own} {
		var params map[string]json.RawMessage
		if len(layer) > 0 && json.Unmarshal(layer, &params) != nil {
			return nil, errors.New("params must be a JSON object")
		}
		params, err := k.current(params)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.Name, err)
		}
		maps.Copy(merged, params)
	}
	maps.DeleteFunc(merged, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	if len(merged) == 0 {
		return nil, nil
	}
	return plain.JSON(merged)
}

// CheckParams refuses params that no job of the kind can have, whatever its output is called. The error names every
// problem.
func (k Kind) CheckParams(params json.RawMessage) (err error) {
	for _, ending := range k.Endings {
		_, wrong := k.Read(params, "output"+ending)
		if wrong == nil {
			return nil
		}
		if err == nil {
			err = wrong
		}
	}
	return err
}
