package sound

import (
	"fmt"
	"math"
	"strconv"
)

// Target is the loudness that a sound is brought to.
type Target struct {
	LUFS    float64
	Ceiling float64 // of its peaks, dBTP
}

// near is how far from the target a sound may come out, in LU: EBU R 128 allows 0.5.
const near = 0.2

// Gain is how a sound is brought to its target.
type Gain struct {
	DB    float64
	Limit float64 // of the peaks, dBTP; 0: they needn't be limited
}

// Gain returns what brings a sound to the target: the same gain throughout and, where its peaks would come out too
// high, a limiter. What that takes away from the loudness is seen when it is measured again; see Again.
func (t Target) Gain(l Loudness) Gain {
	g := Gain{DB: t.LUFS - l.Integrated}
	if l.Peak+g.DB > t.Ceiling {
		g.Limit = t.Ceiling
	}
	return g
}

// Again returns a better gain than the one that came out like l; ok: there is no need, l is on target.
func (t Target) Again(g Gain, l Loudness) (_ Gain, ok bool) {
	off, over := t.LUFS-l.Integrated, l.Peak-t.Ceiling
	if math.Abs(off) <= near && over <= 0 {
		return g, true
	}
	g.DB = min(g.DB+off, most)
	if over > 0 && g.Limit == 0 {
		g.Limit = t.Ceiling
	}
	if over > 0 {
		g.Limit -= over + 0.02
	}
	return g, false
}

// most is how many decibels a sound is made louder at most.
const most = 60

// Filters returns what applies the gain to a sound of that rate. The limiter works at four times the rate, where the
// peaks between samples are seen (BS.1770, annex 2).
func (g Gain) Filters(rate int) []string {
	filters := []string{"volume=" + decimal(g.DB) + "dB"}
	if g.Limit == 0 {
		return filters
	}
	return append(filters,
		fmt.Sprintf("aresample=%d", max(rate, min(4*rate, 192_000))),
		"alimiter=level=false:latency=true:limit="+decimal(math.Pow(10, g.Limit/20)),
		fmt.Sprintf("aresample=%d", rate))
}

// decimal writes a number for ffmpeg.
func decimal(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }
