package vips

import (
	"regexp"
	"strings"
)

var (
	damage = regexp.MustCompile(`(?i)premature end|not enough data|end of stream|crc error|corrupt|truncated|` +
		`bad huffman|invalid sos|out of order read`)
	// warned is what comes before each of its warnings: the time of day, and the number of the process.
	warned  = regexp.MustCompile(`^\(vips\w*:\d+\): VIPS-WARNING \*\*: [\d:.]+: `)
	starved = regexp.MustCompile(`bad_alloc|out of memory|failed to allocate|Cannot allocate memory|` +
		`Error creating thread`)
)

// Damage returns the first thing that vips said is wrong with a picture that it decoded all the same; "" for none.
func Damage(said string) string {
	for line := range strings.Lines(said) {
		if line = warned.ReplaceAllString(strings.TrimSpace(line), ""); damage.MatchString(line) {
			return line
		}
	}
	return ""
}

// Starved reports whether vips had too little memory. It may end as if all were well then, with parts of the picture
// missing.
func Starved(said string) bool { return starved.MatchString(said) }

// InWords says why vips can't read a picture, by its last words.
func InWords(last string) string {
	switch {
	case strings.Contains(last, "operation is blocked"), strings.Contains(last, "is not a known file format"):
		return "it is damaged or cut off: nothing but its first bytes is a picture's (" + last + ")"
	case strings.Contains(last, "Unsupported color conversion"), strings.Contains(last, "Decoder plugin generated"):
		return "it is damaged, or decoding it takes more than the slot's memory (" + last + ")"
	case strings.Contains(last, "Unsupported codec"), strings.Contains(last, "No decoding plugin"):
		return "the worker lacks a decoder for it: install libheif-plugin-libde265 for HEIC, or libheif-plugin-dav1d " +
			"for AVIF (" + last + ")"
	default:
		return last
	}
}
