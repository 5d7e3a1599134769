package plain

import (
	"testing"
)

func TestSuggest(t *testing.T) {
	words := []string{"name", "lanes", "to", "min", "max"}
	tests := []struct{ name, word, want string }{
		{"two letters swapped", "lnaes", `; did you mean "lanes"?`},
		{"one too many", "laness", `; did you mean "lanes"?`},
		{"one missing", "lane", `; did you mean "lanes"?`},
		{"the nearer one", "lame", `; did you mean "name"?`},
		{"a short word is one edit away at most", "foo", ""},
		{"and this one is", "mix", `; did you mean "min"?`},
		{"a single letter is no hint", "x", ""},
		{"nothing is no hint", "", ""},
		{"far away", "shoulder", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Suggest(tt.word, words); got != tt.want {
				t.Errorf("Suggest(%q) = %q, want %q", tt.word, got, tt.want)
			}
		})
	}
}
