package plain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Steers reports whether a character acts on the text around it instead of being shown: control characters (C0, DEL and
// C1, which begin escape sequences), what changes the direction of writing, and line separators.
func Steers(c rune) bool {
	return unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) || c == '\u2028' || c == '\u2029'
}

// Cut returns the beginning of s as valid UTF-8 of at most n bytes.
func Cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Clip does as Cut, and adds a mark where it cuts.
func Clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if short := Cut(s, n); short != s {
		return short + "…"
	}
	return s
}

// End returns the end of s as valid UTF-8 of at most n bytes.
func End(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	from := max(0, len(s)-n)
	for from < len(s) && !utf8.RuneStart(s[from]) {
		from++
	}
	return s[from:]
}

// Tail keeps the End of what is written to it, in as many bytes as Most says.
type Tail struct {
	Most int
	Over bool // more was written than that

	kept []byte
}

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.Most; over > 0 {
		t.kept, t.Over = append(t.kept[:0], t.kept[over:]...), true
	}
	return len(p), nil
}

func (t *Tail) String() string { return End(string(t.kept), t.Most) }
