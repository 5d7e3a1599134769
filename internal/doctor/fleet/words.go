package fleet

import (
	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/say"
)

// few names some, and counts the others.
func few(names []string) string { return doctor.Few(names, 4) }

// are says of a number of things that they are.
func are(n int, noun string) string {
	if n == 1 {
		return say.Plural(n, noun) + " is"
	}
	return say.Plural(n, noun) + " are"
}
