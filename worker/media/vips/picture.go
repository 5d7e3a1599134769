// Package vips knows libvips' programs: which pictures they get, what vipsheader says of one, the command lines that
// make another of it, and what their messages mean. It does no I/O.
package vips

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Picture is what is known of an input.
type Picture struct {
	Format        string // as Recognise names it
	Width, Height int    // upright, of one frame
	Frames        int
	SeeThrough    bool // parts of it may be transparent
	Grey          bool
	CMYK          bool
	Profile       bool // it says what its colours mean
}

// HEIF is the format of HEIC and AVIF pictures. vips reads and writes it by a module.
const HEIF = "heif"

// Recognise returns the format of the picture that begins with head, 32 bytes or more; "" for any other. vips would
// look itself, and among more formats than are fit for strangers' files.
func Recognise(head []byte) string {
	for _, f := range []struct{ begins, is string }{
		{"\xff\xd8\xff", "jpeg"},
		{"\x89PNG\r\n\x1a\n", "png"},
		{"GIF87a", "gif"},
		{"GIF89a", "gif"},
		{"II*\x00", "tiff"},
		{"MM\x00*", "tiff"},
		{"II+\x00", "tiff"}, // those beyond 4 GiB
		{"MM\x00+", "tiff"},
	} {
		if bytes.HasPrefix(head, []byte(f.begins)) {
			return f.is
		}
	}
	switch {
	case len(head) < 32:
	case string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return "webp"
	case string(head[4:8]) == "ftyp" && slices.Contains(heifBrands, string(head[8:12])):
		return HEIF
	}
	return ""
}

// heifBrands are the first brands of HEIC and AVIF pictures (ISO/IEC 23008-12, AV1 Image File Format).
var heifBrands = []string{"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "avif", "avis"}

// Read reads what `vipsheader -a` says of a picture of that format. Some of it are texts of the input's own, which may
// look like more of vips' lines: of each name the first line counts, and of numbers that bound the work the largest.
func Read(header, format string) (Picture, error) {
	p := Picture{Format: format, Frames: 1}
	seen := map[string]string{}
	for line := range strings.Lines(header) {
		name, value, is := strings.Cut(strings.TrimRight(line, "\r\n"), ": ")
		if _, again := seen[name]; is && !again {
			seen[name] = value
		}
		if n, err := strconv.Atoi(value); err == nil && name == "n-pages" {
			p.Frames = max(p.Frames, n)
		}
	}
	p.Width, _ = strconv.Atoi(seen["width"])
	p.Height, _ = strconv.Atoi(seen["height"])
	bands, _ := strconv.Atoi(seen["bands"])
	if p.Width <= 0 || p.Height <= 0 || bands <= 0 {
		return p, errors.New("vipsheader doesn't say how large it is")
	}
	if turned, _ := strconv.Atoi(seen["orientation"]); turned >= 5 && turned <= 8 { // a quarter, by EXIF
		p.Width, p.Height = p.Height, p.Width
	}
	p.CMYK = seen["interpretation"] == "cmyk"
	p.SeeThrough, p.Grey = !p.CMYK && bands%2 == 0, bands < 3
	_, p.Profile = seen["icc-profile-data"]
	return p, nil
}

// Moves reports whether the picture is an animation: pages of a TIFF and pictures of a HEIC are none.
func (p Picture) Moves() bool { return p.Frames > 1 && (p.Format == "gif" || p.Format == "webp") }
