package attempt

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// xingNeeds returns the size that an MP3 file needs, as its first frame says (Xing's header, which LAME writes too); 0
// when it is none or doesn't say.
func xingNeeds(f io.ReaderAt, _ int64) int64 {
	at := int64(0)
	var id [10]byte
	if _, _ = f.ReadAt(id[:], 0); string(id[:3]) == "ID3" { // whose size has seven bits a byte
		at = 10 + int64(id[6])<<21 + int64(id[7])<<14 + int64(id[8])<<7 + int64(id[9])
	}
	var frame [64]byte
	if n, _ := f.ReadAt(frame[:], at); n < len(frame) || frame[0] != 0xff || frame[1]&0xe6 != 0xe2 {
		return 0
	}
	const frames, size = 1, 2 // what it says
	for _, name := range []string{"Xing", "Info"} {
		i := bytes.Index(frame[:48], []byte(name))
		if i < 0 || frame[i+7]&size == 0 {
			continue
		}
		field := i + 8
		if frame[i+7]&frames != 0 {
			field += 4
		}
		return at + int64(binary.BigEndian.Uint32(frame[field:]))
	}
	return 0
}

// gifEnds reports whether a GIF has the mark of its end, which others needn't have (GIF89a, 27).
func gifEnds(f io.ReaderAt, size int64) bool {
	r := bufio.NewReader(io.NewSectionReader(f, 0, size))
	var head [13]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:4]) != "GIF8" {
		return true
	}
	skip := func(n int) bool { got, _ := r.Discard(n); return got == n }
	colours := func(packed byte) int { // bytes of a table of them
		if packed&0x80 == 0 {
			return 0
		}
		return 3 << (packed&7 + 1)
	}
	if !skip(colours(head[10])) {
		return false
	}
	for {
		kind, err := r.ReadByte()
		switch {
		case err != nil:
			return false
		case kind == '!':
			if !skip(1) {
				return false
			}
		case kind == ',':
			var image [9]byte
			if _, err := io.ReadFull(r, image[:]); err != nil || !skip(colours(image[8])+1) {
				return false
			}
		default: // the end, or something that is no GIF's
			return true
		}
		for length := byte(1); length > 0; {
			if length, err = r.ReadByte(); err != nil || !skip(int(length)) {
				return false
			}
		}
	}
}
