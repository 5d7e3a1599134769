package law

import (
	"slices"
	"testing"

	"github.com/polyglot-media/siren/lanes"
)

// A promoted lane stands beside the one it takes turns with, and behind it; the policy's order decides the rest.
func TestUrgency(t *testing.T) {
	p := &lanes.Policy{Lanes: []lanes.Lane{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}}}
	tests := []struct {
		name  string
		turns map[string]string
		want  []string
	}{
		{"nobody promoted", nil, []string{"a", "b", "c", "d"}},
		{"the last to the first", map[string]string{"d": "a"}, []string{"a", "d", "b", "c"}},
		{"two to the same", map[string]string{"d": "a", "c": "a"}, []string{"a", "c", "d", "b"}},
		{"the next to the one before", map[string]string{"b": "a"}, []string{"a", "b", "c", "d"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			names := []string{"c", "a", "d", "b"}
			if got := newUrgency(p, tt.turns).sorted(names); !slices.Equal(got, tt.want) {
				t.Errorf("sorted = %v, want %v", got, tt.want)
			}
			if names[0] != "c" {
				t.Error("the policy's own list was sorted")
			}
		})
	}
}
