package storage

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/work"
)

// Access is what a job wants of a URL.
type Access string

// What a job may want.
const (
	Read  Access = "read"
	Write Access = "write"
)

// Place is where a file of a job is. What Rules.Locate returns has passed the allowlist; for files the store checks
// again where the path really leads.
type Place struct {
	location.Location
	Below Rule // the rule that allows it
}

// name returns the path below the rule's prefix, without a leading slash.
func (p Place) name() string { return strings.TrimPrefix(p.Path, p.Below.Path) }

// Rule is one prefix of the policy's storage, and what is allowed below it.
type Rule struct {
	location.Location
	Read, Write bool
}

func (r Rule) allows(want Access) bool {
	return want == Read && r.Read || want == Write && r.Write
}

// Rules is the allowlist of a task.
type Rules []Rule

// NewRules takes the policy's storage apart. A prefix that can't be taken apart, which a valid policy doesn't have,
// allows nothing.
func NewRules(storage []lanes.Storage) Rules {
	var list Rules
	for _, s := range storage {
		if l, err := location.ParsePrefix(s.Prefix); err == nil {
			list = append(list, Rule{l, s.Read, s.Write})
		}
	}
	return list
}

// Locate takes the URL raw apart and finds the longest prefix that it is below; that one decides. role is input or
// output, for messages. The error is a work.JobError: BadInput or NotAllowed.
func (r Rules) Locate(role, raw string, want Access) (Place, error) {
	if raw == "" {
		return Place{}, work.Fail(work.BadInput, fmt.Errorf("%s is missing: give a URL", role))
	}
	l, err := location.Parse(raw)
	if err != nil {
		return Place{}, work.Fail(work.NotAllowed, fmt.Errorf("%s %s: %w", role, plain.Clip(plain.HideSecrets(raw), 60),
			err))
	}
	if l.Path == "" {
		return Place{}, work.Fail(work.BadInput, fmt.Errorf("%s %s names no file", role,
			plain.Clip(plain.HideSecrets(raw), 60)))
	}
	if want == Read && l.Folder {
		return Place{}, work.Fail(work.BadInput, fmt.Errorf("%s %s is a folder: name a file in it", role, l))
	}
	if want == Write && !l.Writable() {
		return Place{}, work.Fail(work.NotAllowed, fmt.Errorf("%s %s: %s can only be read; write to %s://", role, l,
			l.Scheme, strings.Join(location.Schemes(true), ":// or ")))
	}
	below, found := r.above(l)
	if !found || !below.allows(want) {
		return Place{}, work.Fail(work.NotAllowed,
			fmt.Errorf("%s %s is outside the storage that jobs may %s (%s)", role,
				l, want, r.list(want)))
	}
	return Place{l, below}, nil
}

// forOutputs returns the rules by which outputs are looked at again: what may be written may be read for that.
func (r Rules) forOutputs() Rules {
	list := slices.Clone(r)
	for i := range list {
		list[i].Read = list[i].Read || list[i].Write
	}
	return list
}

// above returns the longest prefix that l is below. Prefixes given twice allow what either allows.
func (r Rules) above(l location.Location) (Rule, bool) {
	var best Rule
	found := false
	for _, c := range r {
		switch {
		case !l.Below(c.Location):
		case !found || len(c.Path) > len(best.Path):
			best, found = c, true
		case len(c.Path) == len(best.Path):
			best.Read, best.Write = best.Read || c.Read, best.Write || c.Write
		}
	}
	return best, found
}

// real returns the rules for files with symbolic links resolved in their paths.
func (r Rules) real(scheme string) Rules {
	var list Rules
	for _, c := range r {
		if real, err := filepath.EvalSymlinks(c.Path); c.Scheme == scheme && err == nil {
			c.Path = strings.TrimSuffix(real, "/") + "/"
			list = append(list, c)
		}
	}
	return list
}

func (r Rules) list(want Access) string {
	var names []string
	for _, c := range r {
		if c.allows(want) {
			names = append(names, c.String())
		}
	}
	if len(names) == 0 {
		return "none is configured: see storage in siren.yaml"
	}
	return strings.Join(names, ", ")
}
