package hls

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// KeyFrame is a key frame that a segment's fragment begins with: the bytes that show it, after the initialization
// segment's.
type KeyFrame struct {
	Segment       string
	Offset, Bytes int64
	Ticks         int64 // when it is shown, in units of Timescale
}

var errFragment = errors.New("a fragment isn't as ffmpeg writes it")

// KeyFrames reads a segment's key frames off its fragments (ISO/IEC 14496-12, 8.8): of each that begins with one, from
// the moof to the end of its first sample.
func KeyFrames(segment string, r io.ReaderAt, size int64) (all []KeyFrame, err error) {
	const most = 1 << 20 // of a moof: it has a few bytes for each frame
	for at := int64(0); at < size; {
		var head [8]byte
		if _, err := r.ReadAt(head[:], at); err != nil {
			return nil, fmt.Errorf("%s: %w", segment, err)
		}
		length := int64(binary.BigEndian.Uint32(head[:]))
		if length < 8 || length > size-at {
			return nil, fmt.Errorf("%s: %w", segment, errFragment)
		}
		if string(head[4:]) == "moof" {
			if length > most {
				return nil, fmt.Errorf("%s: %w", segment, errFragment)
			}
			moof := make([]byte, length)
			if _, err := r.ReadAt(moof, at); err != nil {
				return nil, fmt.Errorf("%s: %w", segment, err)
			}
			s, ok := firstSample(inside(moof, "moof", "traf"))
			if !ok || at+s.end > size {
				return nil, fmt.Errorf("%s: %w", segment, errFragment)
			}
			if s.key {
				all = append(all, KeyFrame{Segment: segment, Offset: at, Bytes: s.end, Ticks: s.shown})
			}
		}
		at += length
	}
	return all, nil
}

// sample is a fragment's first.
type sample struct {
	end   int64 // after the beginning of the moof
	shown int64
	key   bool
}

// firstSample reads tfhd, tfdt and trun (8.8.7, 8.8.12 and 8.8.8). ok is false where something is missing.
func firstSample(traf []byte) (s sample, ok bool) {
	head, time, run := fields(box(traf, "tfhd")), fields(box(traf, "tfdt")), fields(box(traf, "trun"))
	has := head.full()
	if has&1 != 0 { // places count from elsewhere
		return s, false
	}
	head.next(has, 0, 4) // the track
	head.next(has, 2, 4)
	head.next(has, 8, 4)
	size, flags := head.next(has, 0x10, 4), head.next(has, 0x20, 4)

	if version := time.full() >> 24; version == 1 {
		s.shown = time.next(0, 0, 8)
	} else {
		s.shown = time.next(0, 0, 4)
	}

	has = run.full()
	count := run.next(has, 0, 4)
	s.end = run.next(has, 1, 4)
	first := run.next(has, 4, 4)
	run.next(has, 0x100, 4)
	if has&0x200 != 0 {
		size = run.next(has, 0x200, 4)
	}
	if has&0x400 != 0 {
		flags = run.next(has, 0x400, 4)
	} else if has&4 != 0 {
		flags = first
	}
	s.shown += int64(int32(run.next(has, 0x800, 4)))
	s.end += size
	const other = 0x1_0000 // it isn't a key frame
	s.key = flags&other == 0
	return s, head != nil && time != nil && run != nil && count > 0 && size > 0
}

// fields is what isn't read yet of a box; nil after what it doesn't have.
type fields []byte

// full reads version and flags.
func (f *fields) full() int64 { return f.next(0, 0, 4) }

// next reads a field of so many bytes, which is there if has says so by that flag, or if that is 0.
func (f *fields) next(has, flag int64, bytes int) (v int64) {
	if flag != 0 && has&flag == 0 {
		return 0
	}
	if len(*f) < bytes {
		*f = nil
		return 0
	}
	for _, b := range (*f)[:bytes] {
		v = v<<8 | int64(b)
	}
	*f = (*f)[bytes:]
	return v
}

// Timescale returns the units of a second in an initialization segment; 0 when it doesn't say.
func Timescale(init []byte) float64 {
	f := fields(inside(init, "moov", "trak", "mdia", "mdhd"))
	times := 8
	if f.full()>>24 == 1 {
		times = 16
	}
	f.next(0, 0, times) // when it was made and changed
	return float64(f.next(0, 0, 4))
}

// Frames returns the key frames as segments: each lasts until the next is shown, and the last to the end.
func Frames(keys []KeyFrame, timescale, seconds float64) (all []Segment) {
	for i, k := range keys {
		s := Segment{Name: k.Segment, Bytes: k.Bytes, Seconds: seconds - float64(k.Ticks-keys[0].Ticks)/timescale}
		if i+1 < len(keys) {
			s.Seconds = float64(keys[i+1].Ticks-k.Ticks) / timescale
		}
		all = append(all, s)
	}
	return all
}

// FramesOnly writes the playlist of a rendition's key frames (RFC 8216, 4.3.3.6), for seeking and for what plays fast.
func FramesOnly(keys []KeyFrame, frames []Segment, begin string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%.0f\n#EXT-X-MEDIA-SEQUENCE:0\n"+
		"#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=%q\n", max(1, target(frames)), begin)
	for i, f := range frames {
		fmt.Fprintf(&b, "#EXTINF:%.6f,\n#EXT-X-BYTERANGE:%d@%d\n%s\n", f.Seconds, keys[i].Bytes, keys[i].Offset, f.Name)
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return b.String()
}
