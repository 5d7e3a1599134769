package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// claims is what a token says, numbers as they are written.
type claims map[string]any

// UnmarshalJSON reads them.
func (c *claims) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode((*map[string]any)(c))
}

// find returns a claim by its name, or by names with dots between them for one in another. A name may have dots itself,
// as a URL has.
func find(in map[string]any, name string) (any, bool) {
	if v, ok := in[name]; ok {
		return v, true
	}
	for i, c := range name {
		if c != '.' {
			continue
		}
		if inner, ok := in[name[:i]].(map[string]any); ok {
			if v, ok := find(inner, name[i+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// words returns the strings of a claim: it is one, or a list of them.
func (c claims) words(claim string) (words []string) {
	v, _ := find(c, claim)
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, w := range list {
		if s, ok := w.(string); ok {
			words = append(words, s)
		}
	}
	return words
}

// name returns the one name that a claim has: what is shown of it can't steer a terminal.
func (c claims) name(claim string) (string, error) {
	v, ok := find(c, claim)
	if !ok {
		return "", fmt.Errorf("it has no claim %s", claim)
	}
	if list, ok := v.([]any); ok && len(list) == 1 {
		v = list[0]
	}
	name, ok := v.(string)
	if !ok || name == "" || utf8.RuneCountInString(name) > maxSubject ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", fmt.Errorf("claim %s isn't a name of at most %d characters", claim, maxSubject)
	}
	return name, nil
}

// roles returns the roles of Siren that a claim has: in a list, or in a string with blanks between them.
func (c claims) roles(claim, prefix string) (roles []Role) {
	for _, w := range strings.Fields(strings.Join(c.words(claim), " ")) {
		name, ok := strings.CutPrefix(w, prefix)
		if r := Role(name); ok && slices.Contains(Roles, r) && !slices.Contains(roles, r) {
			roles = append(roles, r)
		}
	}
	return roles
}
