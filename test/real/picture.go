package main

import (
	"fmt"
	"strings"

	"github.com/polyglot-media/siren/test/real/replay"
)

// The picture's measures.
const (
	width, height            = 800, 300
	left, right, top, bottom = 40, 790, 34, 268
)

// style makes the picture readable on light and on dark pages.
const style = `<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.axis { stroke: #8c959f; stroke-width: 1 } .grid { stroke: #d0d7de; stroke-width: .5 }
.band { fill: #54aeff; fill-opacity: .35 } .simulated { stroke: #0969da; stroke-width: 2; fill: none }
.real { stroke: #cf222e; stroke-width: 1.5; fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .axis { stroke: #7d8590 } .grid { stroke: #30363d }
.band { fill: #1f6feb; fill-opacity: .4 } .simulated { stroke: #58a6ff } .real { stroke: #ff7b72 }
}
</style>`

// draw draws how many workers there were at each second: in each of the runs, and in all of their simulations.
func draw(pairs []pair) string {
	var all []replay.Outcome
	seconds := len(pairs[0].real.Fleet)
	for _, p := range pairs {
		all = append(all, p.simulated...)
	}
	low, high := make([]int, seconds), make([]int, seconds)
	most := 1
	for s := range seconds {
		low[s] = 1 << 30
		for _, o := range all {
			n := o.Fleet[min(s, len(o.Fleet)-1)]
			low[s], high[s] = min(low[s], n), max(high[s], n)
		}
		most = max(most, high[s])
		for _, p := range pairs {
			most = max(most, p.real.Fleet[s])
		}
	}
	x := func(s int) float64 { return left + float64(right-left)*float64(s)/float64(max(1, seconds-1)) }
	y := func(n int) float64 { return bottom - float64(bottom-top)*float64(n)/float64(most) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img">`, width, height)
	fmt.Fprintf(&b, "\n<title>Workers over time, in real runs and in their simulations</title>\n%s\n", style)
	for n := 0; n <= most; n += 1 + most/6 {
		fmt.Fprintf(&b, `<line class="grid" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`, left, y(n), right, y(n))
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end">%d</text>`+"\n", left-6, y(n)+4, n)
	}
	for s := 0; s < seconds; s += 60 {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%d min</text>`+"\n", x(s), bottom+18, s/60)
	}
	fmt.Fprintf(&b, `<line class="axis" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", left, bottom, right, bottom)
	back := make([]string, 0, 2*seconds)
	for s := seconds - 1; s >= 0; s-- {
		back = append(back, points(x, y, low, s)...)
	}
	fmt.Fprintf(&b, `<path class="band" d="%s L %s Z"/>`+"\n", steps(x, y, high), strings.Join(back, " L "))
	fmt.Fprintf(&b, `<path class="simulated" d="%s"/>`+"\n", steps(x, y, replay.Median(all).Fleet))
	for _, p := range pairs {
		fmt.Fprintf(&b, `<path class="real" d="%s"/>`+"\n", steps(x, y, p.real.Fleet))
	}
	fmt.Fprintf(&b, `<text x="%d" y="20">workers</text>`+"\n", left)
	for i, k := range []struct{ class, says string }{
		{"real", fmt.Sprintf("real, %d runs", len(pairs))},
		{"simulated", fmt.Sprintf("simulated, the median of %d", len(all))},
		{"band", "simulated, all of them"},
	} {
		at := 170 + 210*i
		fmt.Fprintf(&b, `<path class="%s" d="M %d 13 h 22 v 6 h -22 Z"/><text x="%d" y="20">%s</text>`+"\n",
			k.class, at, at+28, k.says)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// steps is a line that changes at whole seconds.
func steps(x func(int) float64, y func(int) float64, values []int) string {
	var all []string
	for s := range values {
		at := points(x, y, values, s)
		all = append(all, at[1], at[0])
	}
	return "M " + strings.Join(all, " L ")
}

// points are a second's end and its beginning.
func points(x, y func(int) float64, values []int, s int) []string {
	return []string{
		fmt.Sprintf("%.1f %.1f", x(min(s+1, len(values)-1)), y(values[s])),
		fmt.Sprintf("%.1f %.1f", x(s), y(values[s])),
	}
}
