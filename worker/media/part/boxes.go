package part

import (
	"encoding/binary"
	"math"
)

// boxes is an mp4 or mov film (ISO/IEC 14496-12; QuickTime File Format).
type boxes struct {
	in     Input
	tracks []*track
	begin  float64 // when the first picture or sound comes, in seconds
}

// said are the codecs whose decoders say so when they are given zeros: a part that is missing is noticed.
var said = map[string]bool{
	"avc1": true, "avc3": true, "hvc1": true, "hev1": true, "vp08": true, "vp09": true, "av01": true, "mp4v": true,
}

func openBoxes(in Input) (Film, error) {
	moov, err := topBoxes(in)
	if err != nil {
		return nil, err
	}
	b := &boxes{in: in, begin: math.Inf(1)}
	if err := b.read(moov); err != nil {
		return nil, err
	}
	return b, b.head()
}

// topBoxes reads the heads of all top boxes, as readers do, and returns what is in moov.
func topBoxes(in Input) (moov []byte, err error) {
	for at, n := int64(0), 0; at < in.Size(); n++ {
		var h [16]byte
		if got, err := in.ReadAt(h[:], at); got < 16 && (got < 8 || at+8 != in.Size()) {
			return nil, errOr(err, "a box at %d", at)
		}
		kind, length, body := string(h[4:8]), int64(binary.BigEndian.Uint32(h[:4])), int64(8)
		switch length {
		case 0:
			length = in.Size() - at
		case 1:
			length, body = int64(min(binary.BigEndian.Uint64(h[8:]), 1<<62)), 16
		}
		if length < body || at+length > in.Size() || n > 100 {
			return nil, unsure("a %q box of %d bytes at %d", kind, length, at)
		}
		switch kind {
		case "moof", "mfra", "sidx":
			return nil, unsure("it is written in fragments")
		case "moov":
			if moov != nil {
				return nil, unsure("it has two tables")
			}
			if moov, err = fetch(in, at+body, length-body); err != nil {
				return nil, err
			}
		case "ftyp", "mdat", "free", "skip", "wide", "uuid", "meta", "udta", "styp", "pdin":
		default:
			return nil, unsure("it has a box %q", kind)
		}
		at += length
	}
	if moov == nil {
		return nil, unsure("it has no table")
	}
	return moov, nil
}

func errOr(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return unsure(format, args...)
}

// read takes the tracks out of moov.
func (b *boxes) read(moov []byte) error {
	movie := 0.0 // units of a second
	err := each(moov, func(kind string, body []byte) error {
		switch kind {
		case "mvex":
			return unsure("it is written in fragments")
		case "mvhd":
			scale, ok := timescale(body)
			if !ok {
				return unsure("mvhd")
			}
			movie = scale
		case "trak":
			t, err := readTrack(body, movie)
			if err != nil {
				return err
			}
			b.tracks = append(b.tracks, t)
		}
		return nil
	})
	if err != nil {
		return err
	}
	videos := 0
	for _, t := range b.tracks {
		if t.video || t.audio {
			t.each(func(s sample) bool { b.begin = min(b.begin, max(0, s.shown)); return false })
		}
		if t.video {
			videos++
			if !said[t.codec] {
				return unsure("its codec is %q", t.codec)
			}
		}
	}
	if videos == 0 {
		return unsure("it has no video")
	}
	return nil
}

// head fetches what readers look at before they seek: the first frames, sound as long as these, and all of what isn't
// either (chapters, time codes).
func (b *boxes) head() error {
	until := 0.0
	for _, t := range b.tracks {
		if n := 0; t.video {
			t.each(func(s sample) bool { n++; until = max(until, s.decoded); return n < headed })
		}
	}
	for _, t := range b.tracks {
		list, n := spans{in: b.in}, 0
		var err error
		t.each(func(s sample) bool {
			n++
			err = list.add(s.offset, s.size)
			if !t.video && !t.audio {
				if list.bytes > 1<<20 || n > 1000 {
					err = unsure("it carries along more than its picture and sound")
				}
				return err == nil
			}
			return err == nil && list.bytes < headMost && (s.decoded <= until+late || n < headed)
		})
		if err == nil {
			err = list.end()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Around fetches from the key frame before the place on (see Film).
func (b *boxes) Around(seconds float64, frames int) error {
	at := seconds + b.begin
	for _, t := range b.tracks {
		if !t.video {
			continue
		}
		key, n := 0, 0
		t.each(func(s sample) bool {
			if s.key && max(s.shown, s.decoded) <= at-early {
				key = n
			}
			n++
			return s.decoded <= at
		})
		list, n, after := spans{in: b.in}, 0, 0
		var err error
		t.each(func(s sample) bool {
			if n >= key {
				err = list.add(s.offset, s.size)
			}
			if n++; s.decoded >= at {
				after++
			}
			return err == nil && (s.decoded < at+late || after < frames+ahead)
		})
		if err == nil {
			err = list.end()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
