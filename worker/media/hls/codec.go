package hls

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

var errNoCodec = errors.New("no codec that is known in the initialization segment")

// Codec returns the name of the codec in an initialization segment, as RFC 6381 and what it refers to write it:
// avc1.64001f, hvc1.1.6.L93.90, mp4a.40.2.
func Codec(init []byte) (string, error) {
	entries := inside(init, "moov", "trak", "mdia", "minf", "stbl", "stsd")
	if len(entries) < 8 {
		return "", errNoCodec
	}
	entries = entries[8:] // version, flags and how many there are
	for _, e := range []struct {
		entry  string
		fields int // what stands before its boxes (ISO/IEC 14496-12, 12.1.3 and 12.2.3)
		config string
		name   func([]byte) string
	}{
		{"avc1", 78, "avcC", avc},
		{"hvc1", 78, "hvcC", hevc},
		{"mp4a", 28, "esds", aac},
	} {
		if entry := box(entries, e.entry); len(entry) > e.fields {
			if name := e.name(box(entry[e.fields:], e.config)); name != "" {
				return name, nil
			}
		}
	}
	return "", errNoCodec
}

// inside returns the content of the first box of that path.
func inside(data []byte, path ...string) []byte {
	for _, name := range path {
		data = box(data, name)
	}
	return data
}

// box returns the content of the first box of that name; nil when there is none (ISO/IEC 14496-12, 4.2).
func box(data []byte, name string) []byte {
	for len(data) >= 8 {
		size := uint64(binary.BigEndian.Uint32(data))
		if size < 8 || size > uint64(len(data)) {
			return nil
		}
		if string(data[4:8]) == name {
			return data[8:size]
		}
		data = data[size:]
	}
	return nil
}

// avc reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1): profile, constraints and level.
func avc(config []byte) string {
	if len(config) < 4 {
		return ""
	}
	return fmt.Sprintf("avc1.%x", config[1:4])
}

// hevc reads an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1, and annex E.3 for the name).
func hevc(config []byte) string {
	if len(config) < 13 {
		return ""
	}
	space := []string{"", "A", "B", "C"}[config[1]>>6]
	tier := "L"
	if config[1]&0x20 != 0 {
		tier = "H"
	}
	name := fmt.Sprintf("hvc1.%s%d.%X.%s%d", space, config[1]&0x1f,
		bits.Reverse32(binary.BigEndian.Uint32(config[2:])), tier, config[12])
	constraints := strings.Builder{}
	last := 0
	for _, b := range config[6:12] {
		fmt.Fprintf(&constraints, ".%X", b)
		if b != 0 {
			last = constraints.Len()
		}
	}
	return name + constraints.String()[:last]
}

// aac reads an esds box (ISO/IEC 14496-14, 3.1, and 14496-1, 7.2.6): what object it is, and of which type.
func aac(box []byte) string {
	if len(box) < 4 {
		return ""
	}
	stream := descriptor(box[4:], 3)
	if len(stream) < 3 {
		return ""
	}
	config := descriptor(stream[3:], 4)
	if len(config) < 13 {
		return ""
	}
	special := descriptor(config[13:], 5)
	if len(special) < 2 {
		return ""
	}
	object := int(special[0] >> 3)
	if object == 31 {
		object = 32 + int(special[0]&7)<<3 + int(special[1]>>5)
	}
	return fmt.Sprintf("mp4a.%x.%d", config[0], object)
}

// descriptor returns the content of a descriptor with that tag, which data begins with.
func descriptor(data []byte, tag byte) []byte {
	if len(data) == 0 || data[0] != tag {
		return nil
	}
	size := 0
	for i, b := range data[1:] {
		size = size<<7 | int(b&0x7f)
		if b&0x80 == 0 || i == 3 {
			data = data[i+2:]
			return data[:min(size, len(data))]
		}
	}
	return nil
}
