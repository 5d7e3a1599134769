package attempt

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/polyglot-media/siren/worker/media/probe"
)

// markEncrypted notes which streams of an mp4 or mov file are encrypted: ffprobe gives them the codec that they had
// before.
func (a *Attempt) markEncrypted(i probe.Input) error {
	if !strings.HasPrefix(i.Format.Name, "mov,") {
		return nil
	}
	info, err := a.Box.Input.Stat()
	if err != nil {
		return fmt.Errorf("input %s: %w", a.From, err)
	}
	ids := encryptedTracks(a.Box.Input, info.Size())
	for n, s := range i.Streams {
		if s.ID != "" && ids[s.ID] {
			i.Streams[n].Encrypted = true
		}
	}
	return nil
}

// encryptedTracks returns the ids of those tracks, as ffprobe writes them, whose samples are said to be encrypted
// (ISO/IEC 14496-12, 8.12.1). Of the boxes only the heads are read.
func encryptedTracks(f io.ReaderAt, size int64) map[string]bool {
	ids, id, left := map[string]bool{}, "", 100_000
	var visit func(from, to int64)
	visit = func(from, to int64) {
		for from+8 <= to && left > 0 {
			left--
			kind, body, end := boxAt(f, from, to)
			switch kind {
			case "moov", "trak", "mdia", "minf", "stbl":
				visit(body, end)
			case "tkhd":
				id = trackID(f, body)
			case "stsd": // a head, the number of entries, and the first, which is a box
				if entry, _, _ := boxAt(f, body+8, end); entry == "encv" || entry == "enca" {
					ids[id] = true
				}
			}
			from = end
		}
	}
	visit(0, size)
	return ids
}

// boxAt reads a box's head: its kind, where its body begins, and where it ends, which is not after to.
func boxAt(f io.ReaderAt, at, to int64) (kind string, body, end int64) {
	var h [16]byte
	if n, _ := f.ReadAt(h[:], at); n < 8 {
		return "", to, to
	}
	length := int64(binary.BigEndian.Uint32(h[:4]))
	body = at + 8
	switch length {
	case 0:
		length = to - at
	case 1:
		body, length = at+16, int64(min(binary.BigEndian.Uint64(h[8:]), 1<<60))
	}
	if length < body-at {
		return "", to, to
	}
	return string(h[4:8]), body, min(at+length, to)
}

// trackID reads tkhd's id as ffprobe writes it: 0x1.
func trackID(f io.ReaderAt, body int64) string {
	var h [24]byte
	_, _ = f.ReadAt(h[:], body)
	at := 12
	if h[0] == 1 {
		at = 20
	}
	return fmt.Sprintf("0x%x", binary.BigEndian.Uint32(h[at:]))
}
