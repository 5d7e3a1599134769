package plain

import (
	"testing"
)

func TestClip(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"short", 5, "short"},
		{"longer", 5, "longe…"},
		{"fünf", 2, "f…"},
		{"a\xffb", 9, "a\uFFFDb"},
		{"\x80\x80\x80", 2, "…"},
	} {
		if got := Clip(c.text, c.n); got != c.want {
			t.Errorf("Clip(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
	}
}

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		text     string
		n        int
		cut, end string
	}{
		{"short", 5, "short", "short"},
		{"longer", 5, "longe", "onger"},
		{"fünf", 2, "f", "nf"},
		{"ünü", 4, "ün", "nü"},
		{"a\xffb", 4, "a\uFFFD", "\uFFFDb"},
	} {
		if got := Cut(c.text, c.n); got != c.cut {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.text, c.n, got, c.cut)
		}
		if got := End(c.text, c.n); got != c.end {
			t.Errorf("End(%q, %d) = %q, want %q", c.text, c.n, got, c.end)
		}
		tail := Tail{Most: c.n}
		for _, b := range []byte(c.text) {
			_, _ = tail.Write([]byte{b})
		}
		if tail.Over != (len(c.text) > c.n) || len(tail.String()) > c.n {
			t.Errorf("Tail of %q in %d: %q, over: %v", c.text, c.n, tail.String(), tail.Over)
		}
	}
}
