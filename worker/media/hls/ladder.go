package hls

import (
	"fmt"
	"math"
	"slices"
)

// Rung is one size in which a film is offered.
type Rung struct {
	Name          string // 720p: what people call it
	Width, Height int    // of its pictures; both even
	Most          int    // bits per second, at its most difficult
}

// sides are the sizes that are offered, by the shorter side of a picture of 16:9, with the most bits per second that
// each is given at up to 30 frames a second: near those of Apple's authoring specification for H.264.
var sides = []struct{ side, most int }{
	{240, 400_000},
	{360, 900_000},
	{480, 1_600_000},
	{720, 3_500_000},
	{1080, 6_500_000},
	{1440, 11_000_000},
	{2160, 18_000_000},
}

// Ladder returns the sizes for pictures of width x height, as they are shown, the smallest first, up to the one that is
// called top, such as 1080p. None is above the source. The largest is the source's own where top allows that; a size
// that is nearly the next isn't offered.
func Ladder(width, height float64, top string, rate float64) (rungs []Rung) {
	for _, s := range sides {
		r, whole := rung(width, height, s.side, s.most, rate)
		if n := len(rungs); n > 0 && 3*r.Width*r.Height < 4*rungs[n-1].Width*rungs[n-1].Height {
			rungs = rungs[:n-1]
		}
		rungs = append(rungs, r)
		if whole || fmt.Sprintf("%dp", s.side) == top {
			break
		}
	}
	return slices.Clip(rungs)
}

// rung fits pictures into a box of 16:9 with that shorter side, upright or lying as they are. whole is true when they
// needn't shrink for that: what is less than 1 % larger, as 854x480 and 1920x1088 are, stays as it is.
func rung(width, height float64, side, most int, rate float64) (r Rung, whole bool) {
	long, short := max(width, height), min(width, height)
	scale := min(1, float64(side)/short, float64(side)*16/9/long)
	if scale > 0.99 {
		scale = 1
	}
	r = Rung{Name: fmt.Sprintf("%dp", side), Width: even(width, scale), Height: even(height, scale), Most: most}
	if scale == 1 && short < float64(side) && long*9 < float64(side)*16-16 { // smaller than its name
		r.Name = fmt.Sprintf("%dp", min(r.Width, r.Height))
	}
	if rate > 31 {
		r.Most += most / 2
	}
	return r, scale == 1
}

// even returns a scaled side as the encoder takes it, and not over what it was.
func even(side, scale float64) int {
	return int(max(2, min(2*math.Round(side*scale/2), 2*math.Floor(side/2))))
}

// rates are the frame rates that films and screens have.
var rates = []float64{24_000. / 1001, 24, 25, 30_000. / 1001, 30, 48, 50, 60_000. / 1001, 60}

// LeastRate is the least frame rate that a film gets.
const LeastRate = 5

// Rate returns the constant frame rate for a film whose frames come at average on the whole, and at multiples of
// 1/base; either is 0 when nobody knows. It is at most 60. A film of which frames are missing keeps its base, or half
// of one over 30 where that is enough. One without a plausible base gets the next rate that is usual, and one with few
// frames a multiple of its own, so that segments can end where they should.
func Rate(base, average float64) float64 {
	const most, fallback = 60, 30
	steady := average > 0 && math.Abs(base-average) < base/50
	switch {
	case base > most && steady:
		return base / math.Ceil(base/(most*1.001))
	case base > 30 && base <= most && average > 0 && average*0.98 <= base/2:
		return base / 2
	case base > 0 && base <= most:
		return few(base, LeastRate)
	case average > 0:
		return few(usual(average), LeastRate)
	default:
		return fallback
	}
}

// usual returns the next rate that is usual and loses next to no frames.
func usual(average float64) float64 {
	for _, r := range rates {
		if r >= average*0.98 {
			return r
		}
	}
	return rates[len(rates)-1]
}

// few returns a multiple of a rate that is at least so much.
func few(rate, least float64) float64 { return rate * max(1, math.Ceil(least/rate)) }
