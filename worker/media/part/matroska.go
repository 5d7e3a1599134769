package part

import (
	"encoding/binary"
	"math"
)

// The elements that matter (RFC 9559).
const (
	idEBML        = 0x1A45DFA3
	idSegment     = 0x18538067
	idSeekHead    = 0x114D9B74
	idSeek        = 0x4DBB
	idSeekID      = 0x53AB
	idSeekPos     = 0x53AC
	idInfo        = 0x1549A966
	idScale       = 0x2AD7B1
	idTracks      = 0x1654AE6B
	idEntry       = 0xAE
	idNumber      = 0xD7
	idType        = 0x83
	idCues        = 0x1C53BB6B
	idPoint       = 0xBB
	idCueTime     = 0xB3
	idPositions   = 0xB7
	idCueTrack    = 0xF7
	idCuePosition = 0xF1
	idCluster     = 0x1F43B675
	idTimestamp   = 0xE7
	idSimple      = 0xA3
	idGroup       = 0xA0
	idBlock       = 0xA1
)

// matroska is a Matroska or WebM film.
type matroska struct {
	in       Input
	from, to int64   // the segment's data
	unit     float64 // seconds
	types    map[uint64]uint64
	video    uint64 // the track's number
	cues     []cue  // of the video
	first    int64  // cluster
	begin    float64
}

type cue struct {
	at      float64 // seconds
	cluster int64
}

func openMatroska(in Input) (Film, error) {
	m := &matroska{in: in, unit: 1e-3, types: map[uint64]uint64{}, begin: math.Inf(1)}
	top, err := m.element(0)
	if err == nil {
		top, err = m.element(top.end())
	}
	if err != nil {
		return nil, err
	}
	if top.id != idSegment || top.end() > in.Size() {
		return nil, unsure("its segment")
	}
	m.from, m.to = top.data, top.end()
	if err := m.tables(); err != nil {
		return nil, err
	}
	if m.video == 0 || len(m.cues) < 2 {
		return nil, unsure("it has no index")
	}
	n := 0
	end, err := m.walk(m.first, func(at float64, video bool, end int64) bool {
		m.begin = min(m.begin, at)
		if video {
			n++
		}
		return n < headed+ahead && end-m.first < headMost
	})
	if err != nil {
		return nil, err
	}
	return m, in.Fill(0, end)
}

// element is the head of one.
type element struct {
	id           uint64
	data, length int64
}

func (e element) end() int64 { return e.data + e.length }

// element reads an element's head. One whose length nobody knows is unsure.
func (m *matroska) element(at int64) (element, error) {
	var h [12]byte
	n, err := m.in.ReadAt(h[:], at)
	e, size, ok := parse(h[:n])
	if !ok {
		return e, errOr(err, "an element at %d", at)
	}
	e.data = at + int64(size)
	return e, nil
}

// parse reads an element's head from data: its id, its length, and how long the head is.
func parse(data []byte) (e element, size int, ok bool) {
	id, n := vint(data, false)
	if n == 0 || n > 4 {
		return e, 0, false
	}
	length, k := vint(data[n:], true)
	if k == 0 || length == 1<<(7*k)-1 || length > 1<<50 {
		return e, 0, false
	}
	return element{id: id, data: int64(n + k), length: int64(length)}, n + k, true
}

// vint reads a number, with or without the bit that says how long it is.
func vint(data []byte, plain bool) (value uint64, n int) {
	if len(data) == 0 || data[0] == 0 {
		return 0, 0
	}
	n = 1
	for data[0]&(0x80>>(n-1)) == 0 {
		n++
	}
	if len(data) < n {
		return 0, 0
	}
	for _, b := range data[:n] {
		value = value<<8 | uint64(b)
	}
	if plain {
		value &= 1<<(7*n) - 1
	}
	return value, n
}

// children calls do for each element in data.
func children(data []byte, do func(id uint64, data []byte) error) error {
	for len(data) > 0 {
		e, size, ok := parse(data)
		if !ok || int64(size)+e.length > int64(len(data)) {
			return unsure("an element in %d bytes", len(data))
		}
		if err := do(e.id, data[size:int64(size)+e.length]); err != nil {
			return err
		}
		data = data[int64(size)+e.length:]
	}
	return nil
}

func number(data []byte) (v uint64) {
	for _, b := range data[:min(8, len(data))] {
		v = v<<8 | uint64(b)
	}
	return v
}

// tables reads what comes before the first cluster, and what the seek head says is elsewhere: readers look at all of
// it.
func (m *matroska) tables() error {
	seen, todo := map[int64]bool{}, []int64{}
	for at := m.from; m.first == 0; {
		e, err := m.element(at)
		if err != nil {
			return err
		}
		if len(seen) > 100 || e.end() > m.to {
			return unsure("its tables")
		}
		if e.id == idCluster {
			m.first = at
			break
		}
		if err := m.table(e, &todo); err != nil {
			return err
		}
		seen[at] = true
		at = e.end()
	}
	for _, at := range todo {
		if seen[at] {
			continue
		}
		seen[at] = true
		e, err := m.element(at)
		if err != nil {
			return err
		}
		if e.id == idSeekHead {
			return unsure("it has two seek heads")
		}
		if err := m.table(e, &todo); err != nil {
			return err
		}
	}
	return nil
}

// table reads one of the tables; todo gets where others are.
func (m *matroska) table(e element, todo *[]int64) error {
	if e.id == idCluster {
		return nil
	}
	data, err := fetch(m.in, e.data, e.length)
	if err != nil {
		return err
	}
	switch e.id {
	case idSeekHead:
		return children(data, func(id uint64, seek []byte) error {
			if id != idSeek {
				return nil
			}
			return children(seek, func(id uint64, data []byte) error {
				if id == idSeekPos {
					*todo = append(*todo, m.from+int64(number(data)))
				}
				return nil
			})
		})
	case idInfo:
		return children(data, func(id uint64, data []byte) error {
			if id == idScale {
				m.unit = float64(number(data)) / 1e9
			}
			return nil
		})
	case idTracks:
		return children(data, m.track)
	case idCues:
		return children(data, m.point)
	}
	return nil
}

func (m *matroska) track(id uint64, data []byte) error {
	if id != idEntry {
		return nil
	}
	var n, sort uint64
	err := children(data, func(id uint64, data []byte) error {
		switch id {
		case idNumber:
			n = number(data)
		case idType:
			sort = number(data)
		}
		return nil
	})
	m.types[n] = sort
	if sort == 1 && m.video != 0 {
		return unsure("it has two videos")
	} else if sort == 1 {
		m.video = n
	}
	return err
}

// point reads a cue. One of subtitles is unsure: readers seek to those, too.
func (m *matroska) point(id uint64, data []byte) error {
	if id != idPoint {
		return nil
	}
	var at float64
	return children(data, func(id uint64, data []byte) error {
		if id == idCueTime {
			at = float64(number(data)) * m.unit
		}
		if id != idPositions {
			return nil
		}
		var track uint64
		var cluster int64
		err := children(data, func(id uint64, data []byte) error {
			switch id {
			case idCueTrack:
				track = number(data)
			case idCuePosition:
				cluster = m.from + int64(number(data))
			}
			return nil
		})
		switch m.types[track] {
		case 1:
			m.cues = append(m.cues, cue{at, cluster})
		case 2:
		default:
			return unsure("it has an index of more than picture and sound")
		}
		return err
	})
}

// walk reads clusters from one on, block by block, as long as do says so; end is where the last one ends.
func (m *matroska) walk(at int64, do func(at float64, video bool, end int64) bool) (end int64, err error) {
	base := 0.0
	for at < m.to {
		e, err := m.element(at)
		if err != nil {
			return at, err
		}
		if e.end() > m.to {
			return at, unsure("an element at %d", at)
		}
		switch e.id {
		case idCluster, idGroup: // what is in it comes next
			at = e.data
			continue
		case idTimestamp:
			data, err := fetch(m.in, e.data, min(8, e.length))
			if err != nil {
				return at, err
			}
			base = float64(number(data)) * m.unit
		case idSimple, idBlock:
			var h [11]byte
			n, err := m.in.ReadAt(h[:], e.data)
			track, k := vint(h[:n], true)
			if k == 0 || n < k+2 {
				return at, errOr(err, "a block at %d", at)
			}
			when := base + float64(int16(binary.BigEndian.Uint16(h[k:])))*m.unit
			if !do(when, track == m.video, e.end()) {
				return e.end(), nil
			}
		}
		at = e.end()
	}
	return m.to, nil
}

// Around fetches from the cluster of the key frame before the place on (see Film).
func (m *matroska) Around(seconds float64, frames int) error {
	at := seconds + m.begin
	from, last := m.first, true
	for _, c := range m.cues {
		if c.at <= at-early {
			from = max(from, c.cluster)
		}
		last = last && c.at <= at
	}
	if from < m.from || from >= m.to {
		return unsure("its index")
	}
	after := 0
	end, err := m.walk(from, func(when float64, video bool, _ int64) bool {
		if video && when >= at {
			after++
		}
		return last || when < at+late || after < frames+ahead // after its last key frame readers look for another
	})
	if err != nil {
		return err
	}
	list := spans{in: m.in}
	if err := list.add(from, end-from); err != nil {
		return err
	}
	return list.end()
}
