package show

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/polyglot-media/siren/lanes/plain"
)

// What is shown may be a stranger's: a job's kind, its labels, URLs and errors. This file says what becomes of it on
// its way to a terminal: in a cell (Harmless), in free text (cleanText), and in JSON and YAML (see json.go). Colours
// come after it, as a Style.

// acts reports whether a character does something to a terminal, or to how the text around it looks, instead of being
// seen.
func acts(c rune) bool {
	return plain.Steers(c) || unicode.In(c, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point)
}

// instead stands for a character that acts, and for a byte that is no UTF-8.
const instead = utf8.RuneError

// Harmless returns s on one line, with a blank for each line break and tab, a mark for every other character that acts,
// and without the secrets of URLs.
func Harmless(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case acts(c):
			return instead
		}
		return c
	}, plain.HideSecrets(s))
}

// cleanText does as Harmless for text of several lines, and keeps its lines and tabs.
func cleanText(s string) string {
	return strings.Map(func(c rune) rune {
		if c != '\n' && c != '\t' && acts(c) {
			return instead
		}
		return c
	}, plain.HideSecrets(strings.ReplaceAll(s, "\r\n", "\n")))
}

// Clip returns s on one line, cut to n characters.
func Clip(s string, n int) string {
	s = Harmless(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// escaped writes every character of JSON that acts as \uXXXX. They only ever stand in strings.
func escaped(text []byte) []byte {
	var b strings.Builder
	for _, c := range string(text) {
		switch {
		case c == '\n' || !acts(c):
			b.WriteRune(c)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return []byte(b.String())
}
