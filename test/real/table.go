package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"github.com/polyglot-media/siren/test/real/replay"
)

// table writes a run's figures beside those of its simulations.
func table(w io.Writer, run int, p pair) error {
	m := p.measured
	fmt.Fprintf(w, "run %d: workers took %s to start (spread %.2f), and %s to leave; %d jobs\n", run,
		m.Cold.Median.Round(time.Millisecond), m.Cold.CV, m.Leave.Round(time.Millisecond), len(m.Load))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\treal\tsimulated\tfrom to\tdifference\taim\t")
	middle := replay.Median(p.simulated)
	for i, l := range p.real.Lanes {
		for _, f := range []struct {
			name string
			of   func(replay.Outcome) float64
		}{
			{"p50", func(o replay.Outcome) float64 { return o.Lanes[i].P50.Seconds() }},
			{"p95", func(o replay.Outcome) float64 { return o.Lanes[i].P95.Seconds() }},
		} {
			line(t, p, middle, fmt.Sprintf("%s, %s of the waits of %d, s", l.Lane, f.name, l.Jobs), 0.15, 0.3, f.of)
		}
	}
	line(t, p, middle, "worker-seconds", 0.1, 0, func(o replay.Outcome) float64 { return o.WorkerSeconds })
	line(t, p, middle, "workers started", 0, 0, func(o replay.Outcome) float64 { return float64(o.Starts) })
	return t.Flush()
}

// line writes one figure; part and beyond are how far apart its two may be, whichever is more. Without them it is only
// shown.
func line(
	w io.Writer, p pair, middle replay.Outcome, name string, part, beyond float64, of func(replay.Outcome) float64,
) {
	least, most := math.Inf(1), math.Inf(-1)
	for _, o := range p.simulated {
		least, most = min(least, of(o)), max(most, of(o))
	}
	is, would := of(p.real), of(middle)
	verdict := ""
	if part > 0 {
		verdict = "met"
		if math.Abs(is-would) > max(part*is, beyond) {
			verdict = "missed"
		}
	}
	fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f–%.2f\t%+.0f %%\t%s\t\n", name, is, would, least, most,
		100*(would-is)/max(is, 0.001), verdict)
}
