package redis

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// A point is stored as integers (varints): the form, the time in ms, workers, budget; how many lanes there are, and for
// each its name, as its length and text, and its numbers; and so the pools. Waits are in ms. All of it is compressed: a
// thousand lanes as JSON would take twice the room, and seconds to read six hours of.

const (
	pointForm = 1
	mostPoint = 16 << 20 // bytes of a point, as it is read; far above what ten thousand lanes take
)

// errPoint is of a point that another version wrote, or nobody.
var errPoint = errors.New("this is no point of a history")

// packPoint writes a point.
func packPoint(p fleet.Point) ([]byte, error) {
	b := integers(nil, pointForm, int(p.At.UnixMilli()), p.Workers, p.Budget, len(p.Lanes))
	for name, l := range p.Lanes {
		b = integers(text(b, name), l.Ready, l.Busy, int(l.OldestWait.D().Milliseconds()),
			int(l.P95Wait.D().Milliseconds()), l.Started, l.InTime)
	}
	b = integers(b, len(p.Pools))
	for name, w := range p.Pools {
		b = integers(text(b, name), w.Ready, w.Busy, w.Starting, w.Wanted, w.Target)
	}
	var packed bytes.Buffer
	z, _ := flate.NewWriter(&packed, flate.BestSpeed) // the level is one
	_, err := z.Write(b)
	err = errors.Join(err, z.Close())
	return packed.Bytes(), err
}

func integers(b []byte, all ...int) []byte {
	for _, n := range all {
		b = binary.AppendVarint(b, int64(n))
	}
	return b
}

func text(b []byte, s string) []byte { return append(integers(b, len(s)), s...) }

// Of is which lane and pool a history is of; the zero value is of all. One that names a lane alone has no pools, and
// the other way round.
type Of struct{ Lane, Pool string }

// unpackPoint reads what packPoint wrote of that.
func unpackPoint(packed string, of Of) (fleet.Point, error) {
	b, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader([]byte(packed))), mostPoint))
	if err != nil {
		return fleet.Point{}, errPoint
	}
	r := &unpacker{rest: b}
	if r.integer() != pointForm {
		return fleet.Point{}, errPoint
	}
	p := fleet.Point{
		At: time.UnixMilli(int64(r.integer())).UTC(), Workers: r.integer(), Budget: r.integer(),
	}
	all := of == Of{}
	p.Lanes = entries(r, func(name string) bool { return all || name == of.Lane }, func() fleet.LanePoint {
		return fleet.LanePoint{
			Ready: r.integer(), Busy: r.integer(), OldestWait: r.wait(), P95Wait: r.wait(),
			Started: r.integer(), InTime: r.integer(),
		}
	})
	p.Pools = entries(r, func(name string) bool { return all || name == of.Pool }, func() fleet.PoolPoint {
		return fleet.PoolPoint{
			Ready: r.integer(), Busy: r.integer(), Starting: r.integer(), Wanted: r.integer(), Target: r.integer(),
		}
	})
	if r.broken {
		return fleet.Point{}, errPoint
	}
	return p, nil
}

// entries reads the lanes or the pools, and returns those of them that are wanted.
func entries[T any](r *unpacker, wanted func(name string) bool, read func() T) map[string]T {
	all := map[string]T{}
	for n := r.integer(); n > 0 && !r.broken; n-- {
		name := r.text()
		if e := read(); wanted(name) {
			all[name] = e
		}
	}
	return all
}

// unpacker reads a point, one piece after the other.
type unpacker struct {
	rest   []byte
	broken bool // there was less than was asked for
}

func (r *unpacker) integer() int {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.rest, r.broken = nil, true
		return 0
	}
	r.rest = r.rest[size:]
	return int(n)
}

func (r *unpacker) text() string {
	n := r.integer()
	if n < 0 || n > len(r.rest) {
		r.rest, r.broken = nil, true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *unpacker) wait() lanes.Duration {
	const most = int(math.MaxInt64 / time.Millisecond)
	ms := r.integer()
	r.broken = r.broken || ms > most || ms < -most
	return lanes.Duration(time.Duration(ms) * time.Millisecond)
}
