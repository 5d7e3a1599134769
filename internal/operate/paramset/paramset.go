package paramset

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/worker/media"
)

// paramForm is what a param may be called.
var paramForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

// Set is params that replayed jobs get. A null takes one away.
type Set map[string]json.RawMessage

// Parse reads NAME=VALUE, as often as it was given, for jobs of a kind, "" for any.
func Parse(pairs []string, kind string) (Set, error) {
	set := Set{}
	for _, p := range pairs {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--set %q: write NAME=VALUE", p)
		}
		if !paramForm.MatchString(name) {
			return nil, fmt.Errorf("--set %q: %q can't be the name of a param: a letter, then letters, digits, _ . "+
				"and -", p, name)
		}
		if name = kinds.Current(kind, name); set[name] != nil {
			return nil, fmt.Errorf("--set %s is given twice", name)
		}
		raw := kinds.Written(kind, name, value)
		// A job may have died of the very param that is to go.
		if err := checkParam(name, kind); err != nil && string(raw) != "null" {
			return nil, fmt.Errorf("--set %s: %w", name, err)
		}
		set[name] = raw
	}
	return set, nil
}

// checkParam refuses a param that no job of the kind takes; without a kind, one that no kind takes.
func checkParam(name, kind string) error {
	var all []string
	for _, k := range kinds.All() {
		params := k.ParamNames()
		if k.Name == kind && !slices.Contains(params, name) {
			takes := cmp.Or(strings.Join(params, ", "), "no params")
			return fmt.Errorf("%s takes %s%s", kind, takes, plain.Suggest(name, params))
		}
		all = append(all, params...)
	}
	if slices.Contains(all, name) || kind != "" { // a kind that isn't known here is another program's
		return nil
	}
	return fmt.Errorf("no kind takes it%s; with --kind it may be one of another program's", plain.Suggest(name, all))
}

// Fits reports whether jobs of the kind take all of the params.
func (s Set) Fits(kind string) bool {
	k, err := kinds.Find(kind)
	for name, value := range s {
		if err == nil && string(value) != "null" && !slices.Contains(k.ParamNames(), name) {
			return false
		}
	}
	return true
}

// String returns the params with their values, sorted.
func (s Set) String() string {
	var words []string
	for name, value := range s {
		words = append(words, name+"="+string(value))
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// Check returns what the params make wrong in a job.
func (s Set) Check(before, after job.Job, storage []lanes.Storage) error {
	if _, err := kinds.Find(after.Kind); err != nil || len(s) == 0 {
		return nil
	}
	err := media.Check(after, storage)
	if err == nil {
		return nil
	}
	if was := media.Check(before, storage); was != nil && was.Error() == err.Error() {
		return nil // nothing that the params have to do with
	}
	return err
}
