package vips

import "testing"

func TestCleanWebP(t *testing.T) {
	chunk := func(name, data string) string {
		return name + string([]byte{byte(len(data)), 0, 0, 0}) + data + "\x00"[:len(data)%2]
	}
	file := func(chunks string) string {
		return "RIFF" + string([]byte{byte(len(chunks) + 4), 0, 0, 0}) + "WEBP" + chunks
	}
	rest := chunk("VP8 ", "abc") + chunk("ALPH", "ab")
	told := chunk("EXIF", "where") + chunk("XMP ", "x")
	full := file(chunk("VP8X", "\x3c23456789") + chunk("ICCP", "icc") + rest + told)
	if got, want := string(CleanWebP([]byte(full), false)), file(chunk("VP8X", "\x1023456789")+rest); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	want := file(chunk("VP8X", "\x3023456789") + chunk("ICCP", "icc") + rest)
	if got := string(CleanWebP([]byte(full), true)); got != want {
		t.Errorf("with its profile: %q, want %q", got, want)
	}
	for _, cut := range []string{"", "RIFF", full[:21], full[:len(full)-3], file(rest)} {
		CleanWebP([]byte(cut), false)
	}
}
