package lanes

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/plain"
)

// presetForm is what presets are called: a name as of a lane, and a version.
var presetForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?@[1-9][0-9]{0,5}$`)

// NamedPreset is a preset with its name, for those who list them.
type NamedPreset struct {
	Name string `json:"name"`
	Preset
	From string `json:"from"` // FromSiren or FromPolicy
}

// Where a preset comes from.
const (
	FromSiren  = "siren"  // it is built in
	FromPolicy = "policy" // the policy has it
)

// AllPresets returns the presets that jobs may name: those that come with Siren, and the policy's own; retired ones
// too. They are sorted by name and version.
func (p *Policy) AllPresets() []NamedPreset {
	var all []NamedPreset
	for name, preset := range builtin {
		if _, own := p.Presets[name]; !own {
			all = append(all, NamedPreset{name, preset, FromSiren})
		}
	}
	for name, preset := range p.Presets {
		from := FromPolicy
		if preset.Kind == "" { // it retires one that is built in
			from = FromSiren
			was := builtin[name]
			preset.Kind, preset.Params, preset.About = was.Kind, was.Params, cmp.Or(preset.About, was.About)
		}
		all = append(all, NamedPreset{name, preset, from})
	}
	slices.SortFunc(all, func(a, b NamedPreset) int {
		nameA, versionA := parted(a.Name)
		nameB, versionB := parted(b.Name)
		return cmp.Or(cmp.Compare(nameA, nameB), cmp.Compare(versionA, versionB))
	})
	return all
}

// Preset returns the preset with that name and version, be it retired. The error says which there are.
func (p *Policy) Preset(name string) (NamedPreset, error) {
	all := p.AllPresets()
	for _, n := range all {
		if n.Name == name {
			return n, nil
		}
	}
	return NamedPreset{}, noPreset(name, all)
}

// NewJobPreset returns the preset for a job that is yet to be enqueued: not a retired one. The error says which there
// are.
func (p *Policy) NewJobPreset(name string) (NamedPreset, error) {
	n, err := p.Preset(name)
	if err != nil || !n.Retired {
		return n, err
	}
	base, _ := parted(name)
	if others := offered(p.AllPresets(), base); len(others) > 0 {
		return n, fmt.Errorf("preset %s is retired: say %s", name, others[len(others)-1])
	}
	return n, fmt.Errorf("preset %s is retired; there are %s", name, strings.Join(offered(p.AllPresets(), ""), ", "))
}

// noPreset says that there is no such preset, and which it may have been.
func noPreset(name string, all []NamedPreset) error {
	said := plain.Clip(name, 60)
	base, _, versioned := strings.Cut(name, "@")
	same := offered(all, base)
	if len(same) == 0 {
		return fmt.Errorf("no preset %q%s", said, plain.ThereAre(name, offered(all, "")))
	}
	versions := make([]string, len(same))
	for i, s := range same {
		_, version := parted(s)
		versions[i] = strconv.Itoa(version)
	}
	has := "version " + versions[0]
	if len(versions) > 1 {
		has = "versions " + strings.Join(versions, ", ")
	}
	if !versioned {
		return fmt.Errorf("preset %q needs its version: %s has %s; say %s", said, base, has, same[len(same)-1])
	}
	return fmt.Errorf("no preset %q: %s has %s; say %s", said, base, has, same[len(same)-1])
}

// offered returns the presets of that name that aren't retired, of all names for "".
func offered(all []NamedPreset, base string) (names []string) {
	for _, n := range all {
		if name, _ := parted(n.Name); !n.Retired && (base == "" || name == base) {
			names = append(names, n.Name)
		}
	}
	return names
}

// parted returns the name and the version of web@3.
func parted(name string) (base string, version int) {
	base, number, _ := strings.Cut(name, "@")
	version, _ = strconv.Atoi(number) // as its form says
	return base, version
}

func (p *Policy) checkPresets(problems *Problems) {
	for _, name := range slices.Sorted(maps.Keys(p.Presets)) {
		preset, at := p.Presets[name], "presets."+name
		_, known := builtin[name]
		switch {
		case !presetForm.MatchString(name):
			problems.add(at, "%q must be a name of lower-case letters, digits and dashes, and a version: web@3", name)
		case preset.Kind != "":
			k, err := kinds.Find(preset.Kind)
			if err != nil {
				problems.add(at+".kind", "%v", err)
			} else if err := k.CheckParams(preset.Params); err != nil {
				problems.add(at+".params", "%v", err)
			}
		case known && len(preset.Params) > 0:
			problems.add(at+".params", "needs a kind beside it; leave params out to keep what is built in")
		case !known:
			problems.add(at+".kind", "is required: which kind of job is it? (%s)", strings.Join(kinds.Names(), ", "))
		}
	}
}

// warnOfPresets warns of presets that mean here what they mean nowhere else.
func (p *Policy) warnOfPresets(w *Problems) {
	for _, name := range slices.Sorted(maps.Keys(p.Presets)) {
		own, was := p.Presets[name], builtin[name]
		if was.Kind != "" && own.Kind != "" && (own.Kind != was.Kind || !sameParams(own.Params, was.Params)) {
			w.add("presets."+name, "replaces the one that comes with Siren, which people and other fleets know by "+
				"that name; give yours a name or a version of its own")
		}
	}
}

// sameParams reports whether two objects have the same fields.
func sameParams(a, b json.RawMessage) bool {
	var x, y map[string]json.RawMessage
	_, _ = json.Unmarshal(a, &x), json.Unmarshal(b, &y) // of valid params
	return maps.EqualFunc(x, y, func(v, w json.RawMessage) bool { return string(v) == string(w) })
}
