package part

import (
	"encoding/binary"
)

// rowsMax bounds what reading the tables takes: four days at 60 frames a second.
const rowsMax = 20_000_000

// track is one of a film's, with the tables that say where its samples are (ISO/IEC 14496-12, 8.6 and 8.7).
type track struct {
	video, audio bool
	codec        string
	scale        float64 // units of a second
	shift        float64 // seconds by which all is shown later than its times say
	durations    []byte  // stts: count, length
	offsets      []byte  // ctts: count, signed difference of when it is shown
	keys         []byte  // stss: numbers of samples; all are keys when there is none
	allKeys      bool
	sizes        []byte // stsz, after the size that all have
	size, count  uint32
	runs         []byte // stsc: first chunk, samples in each
	chunks       []byte // stco or co64
	wide         int    // bytes of each of chunks
}

// sample is a frame, or a piece of sound.
type sample struct {
	offset, size   int64
	decoded, shown float64 // when, in seconds
	key            bool
}

// each calls do for each child box.
func each(body []byte, do func(kind string, body []byte) error) error {
	for len(body) >= 8 {
		length, from := uint64(binary.BigEndian.Uint32(body)), uint64(8)
		switch {
		case length == 0:
			length = uint64(len(body))
		case length == 1 && len(body) >= 16:
			length, from = binary.BigEndian.Uint64(body[8:]), 16
		}
		if length < from || length > uint64(len(body)) {
			return unsure("a box %q of %d bytes in %d", body[4:8], length, len(body))
		}
		if err := do(string(body[4:8]), body[from:length]); err != nil {
			return err
		}
		body = body[length:]
	}
	return nil
}

// timescale reads mvhd and mdhd.
func timescale(body []byte) (float64, bool) {
	at := 12
	if len(body) > 0 && body[0] == 1 {
		at = 20
	}
	if len(body) < at+4 {
		return 0, false
	}
	scale := binary.BigEndian.Uint32(body[at:])
	return float64(scale), scale > 0
}

func readTrack(trak []byte, movie float64) (*track, error) {
	t := &track{allKeys: true}
	var edits []byte
	handled := false
	var visit func(kind string, body []byte) error
	visit = func(kind string, body []byte) error {
		switch kind {
		case "mdia", "minf", "stbl", "edts":
			return each(body, visit)
		case "mdhd":
			scale, ok := timescale(body)
			if !ok {
				return unsure("mdhd")
			}
			t.scale = scale
		case "hdlr":
			if len(body) < 12 || handled { // QuickTime has another one, of the data
				break
			}
			handled = true
			t.video, t.audio = string(body[8:12]) == "vide", string(body[8:12]) == "soun"
		case "stsd":
			if len(body) < 16 || binary.BigEndian.Uint32(body[4:]) != 1 {
				return unsure("its codec changes")
			}
			t.codec = string(body[12:16])
		case "elst":
			edits = body
		case "stts", "ctts", "stss", "stsz", "stsc", "stco", "co64":
			return t.table(kind, body)
		case "stz2":
			return unsure("stz2")
		}
		return nil
	}
	if err := each(trak, visit); err != nil {
		return nil, err
	}
	if t.scale == 0 || t.wide == 0 {
		return nil, unsure("a track without tables")
	}
	return t, t.edit(edits, movie)
}

// table keeps one of the tables, with what comes before its rows checked.
func (t *track) table(kind string, body []byte) error {
	head, row := 8, map[string]int{"stts": 8, "ctts": 8, "stss": 4, "stsz": 4, "stsc": 12, "stco": 4, "co64": 8}[kind]
	if kind == "stsz" {
		head = 12
	}
	if len(body) < head {
		return unsure("%s", kind)
	}
	count := binary.BigEndian.Uint32(body[head-4:])
	rows := body[head:]
	if kind == "stsz" {
		t.size, t.count = binary.BigEndian.Uint32(body[4:]), count
	}
	if count > rowsMax {
		return unsure("%s has %d rows", kind, count)
	}
	if kind == "stsz" && t.size > 0 {
		return nil
	}
	if uint64(count)*uint64(row) > uint64(len(rows)) {
		return unsure("%s is cut off", kind)
	}
	rows = rows[:int(count)*row]
	switch kind {
	case "stts":
		t.durations = rows
	case "ctts":
		t.offsets = rows
	case "stss":
		t.keys, t.allKeys = rows, false
	case "stsz":
		t.sizes = rows
	case "stsc":
		t.runs = rows
	default:
		t.chunks, t.wide = rows, row
	}
	return nil
}

// edit reads how the track is shifted: by an empty piece first, and by beginning later in its own times. More is
// unsure.
func (t *track) edit(elst []byte, movie float64) error {
	if elst == nil {
		return nil
	}
	if len(elst) < 8 || movie == 0 {
		return unsure("elst")
	}
	row := 12
	if elst[0] == 1 {
		row = 20
	}
	count, rows := binary.BigEndian.Uint32(elst[4:]), elst[8:]
	if uint64(count)*uint64(row) > uint64(len(rows)) {
		return unsure("elst is cut off")
	}
	real := 0
	for ; count > 0; count-- {
		length, from := int64(binary.BigEndian.Uint32(rows)), int64(int32(binary.BigEndian.Uint32(rows[4:])))
		if row == 20 {
			length, from = int64(binary.BigEndian.Uint64(rows)), int64(binary.BigEndian.Uint64(rows[8:]))
		}
		rate := binary.BigEndian.Uint32(rows[row-4:])
		rows = rows[row:]
		switch {
		case from == -1 && real == 0:
			t.shift += float64(length) / movie
		case real == 0 && from >= 0 && rate == 1<<16:
			t.shift -= float64(from) / t.scale
			real++
		default:
			return unsure("it is edited")
		}
	}
	return nil
}

// each calls do for each sample in the order of decoding, until it says false.
func (t *track) each(do func(sample) bool) {
	times, shows := column{rows: t.durations}, column{rows: t.offsets}
	keys, runs := t.keys, t.runs
	var clock, offset int64
	chunk, left, per := -1, uint32(0), uint32(0)
	for n := uint32(0); n < t.count; n++ {
		for left == 0 {
			chunk++
			if (chunk+1)*t.wide > len(t.chunks) {
				return
			}
			for len(runs) >= 12 && int64(binary.BigEndian.Uint32(runs)) <= int64(chunk)+1 {
				per, runs = binary.BigEndian.Uint32(runs[4:]), runs[12:]
			}
			left = per
			if t.wide == 8 {
				offset = int64(binary.BigEndian.Uint64(t.chunks[chunk*8:]))
			} else {
				offset = int64(binary.BigEndian.Uint32(t.chunks[chunk*4:]))
			}
		}
		left--
		s := sample{offset: offset, size: int64(t.size), key: t.allKeys}
		if t.size == 0 {
			s.size = int64(binary.BigEndian.Uint32(t.sizes[n*4:]))
		}
		offset += s.size
		for len(keys) >= 4 && binary.BigEndian.Uint32(keys) <= n {
			keys = keys[4:]
		}
		if len(keys) >= 4 && binary.BigEndian.Uint32(keys) == n+1 {
			s.key = true
		}
		s.decoded = float64(clock)/t.scale + t.shift
		s.shown = s.decoded + float64(int32(shows.next()))/t.scale
		clock += int64(times.next())
		if !do(s) {
			return
		}
	}
}

// column reads a table of counts and values as the values one by one; 0 after its end.
type column struct {
	rows  []byte
	left  uint32
	value uint32
}

func (c *column) next() uint32 {
	for c.left == 0 {
		if len(c.rows) < 8 {
			return 0
		}
		c.left, c.value = binary.BigEndian.Uint32(c.rows), binary.BigEndian.Uint32(c.rows[4:])
		c.rows = c.rows[8:]
	}
	c.left--
	return c.value
}
