package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"github.com/polyglot-media/siren/test/real/replay"
)

type outcome = replay.Outcome

// figure is one line of the table.
type figure struct {
	name   string
	of     func(outcome) float64
	part   float64 // of what is real: how far apart the two may be; 0: it is only shown
	beyond float64 // or this, whichever is more
}

// figures are what is compared.
func figures(lanes []replay.Waits) (all []figure) {
	for i, l := range lanes {
		all = append(
			all,
			figure{l.Lane + ", wait p50, s", func(o outcome) float64 { return o.Lanes[i].P50.Seconds() }, 0.15, 0.3},
			figure{l.Lane + ", wait p95, s", func(o outcome) float64 { return o.Lanes[i].P95.Seconds() }, 0.15, 0.3},
		)
	}
	return append(
		all,
		figure{"worker-seconds", func(o outcome) float64 { return o.WorkerSeconds }, 0.1, 0},
		figure{"workers started", func(o outcome) float64 { return float64(o.Starts) }, 0, 0},
	)
}

// table writes the means of the runs beside those of their simulations: of each run, the median.
func table(w io.Writer, title string, pairs []pair) error {
	fmt.Fprintln(w, title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\treal\tsimulated\tfrom to\tdifference\taim\t")
	for _, f := range figures(pairs[0].real.Lanes) {
		is, would, least, most := 0.0, 0.0, math.Inf(1), math.Inf(-1)
		for _, p := range pairs {
			is += f.of(p.real) / float64(len(pairs))
			would += f.of(replay.Median(p.simulated)) / float64(len(pairs))
			for _, o := range p.simulated {
				least, most = min(least, f.of(o)), max(most, f.of(o))
			}
		}
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.2f to %.2f\t%+.2f (%+.0f %%)\t%s\t\n", f.name, is, would, least, most,
			would-is, 100*(would-is)/max(is, 0.01), f.verdict(is, would))
	}
	return t.Flush()
}

func (f figure) verdict(is, would float64) string {
	switch {
	case f.part == 0:
		return ""
	case math.Abs(is-would) <= max(f.part*is, f.beyond):
		return "met"
	default:
		return "missed"
	}
}

// title says what was measured of a run, and given to the simulator.
func title(i int, p pair) string {
	m := p.measured
	return fmt.Sprintf("run %d: %d jobs; workers took %s to start (spread %.2f) and %s to leave, slots %s to "+
		"begin the next job", i+1, len(m.Load), m.Cold.Median.Round(time.Millisecond), m.Cold.CV,
		m.Leave.Round(time.Millisecond), m.Turn.Round(time.Millisecond))
}
