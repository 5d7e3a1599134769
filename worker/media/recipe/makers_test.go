package recipe

import (
	"maps"
	"slices"
	"testing"

	"github.com/polyglot-media/siren/lanes/kinds"
)

// Every kind that runs ffmpeg says what it uses.
func TestKindsSayWhatTheyUse(t *testing.T) {
	if have := slices.Sorted(maps.Keys(makers)); !slices.Equal(have, kinds.Names()) {
		t.Errorf("made are %v, and the catalogue has %v", have, kinds.Names())
	}
	for name, k := range makers {
		if (k.uses == nil) != (name == "probe" || name == "image") {
			t.Errorf("kind %s: uses %t; a kind that runs ffmpeg says which options it gives", name, k.uses != nil)
		}
	}
}
