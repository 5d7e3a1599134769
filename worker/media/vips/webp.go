package vips

import (
	"encoding/binary"
	"slices"
)

// CleanWebP returns a WebP without what the input says of itself, and without its colour profile unless that is to be
// kept: libvips 8.14 leaves both in one, whatever it is told (RFC 9649, 2.7).
func CleanWebP(file []byte, keepProfile bool) []byte {
	drop, flags := []string{"EXIF", "XMP "}, byte(0x08|0x04)
	if !keepProfile {
		drop, flags = append(drop, "ICCP"), flags|0x20
	}
	if len(file) < 12 || string(file[:4]) != "RIFF" || string(file[8:12]) != "WEBP" {
		return file
	}
	clean := slices.Clone(file[:12])
	for at := 12; at+8 <= len(file); {
		size := int(binary.LittleEndian.Uint32(file[at+4:]))
		end := min(at+8+size+size%2, len(file))
		if !slices.Contains(drop, string(file[at:at+4])) {
			begins := len(clean)
			clean = append(clean, file[at:end]...)
			if string(file[at:at+4]) == "VP8X" && end > at+8 {
				clean[begins+8] &^= flags
			}
		}
		at = end
	}
	binary.LittleEndian.PutUint32(clean[4:], uint32(len(clean)-8))
	return clean
}
