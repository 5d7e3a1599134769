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

// Clip returns s as valid UTF-8, cut to n bytes where it is longer, with a mark that it was.
func Clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
