package main

import (
	"fmt"

	"github.com/polyglot-media/siren/cmd/siren/fleet"
	"github.com/polyglot-media/siren/cmd/siren/show"
)

// mostNamed is how many jobs are named that the end waits for.
const mostNamed = 5

// sayDraining says what the end of a local fleet waits for. kept is whether what doesn't end goes on with the next start.
func (a *app) sayDraining(kept bool) func(fleet.Draining) {
	first := true
	fate := "they go back to their lanes"
	if !kept {
		fate = "they are lost, like those that wait"
	}
	return func(d fleet.Draining) {
		n := 0
		var named []string
		for _, hb := range d.Busy {
			for _, r := range hb.Running {
				if n++; n <= mostNamed {
					named = append(named, fmt.Sprintf("  %s (%s) on %s", r.Job, r.Lane, hb.Worker))
				}
			}
		}
		if more := n - mostNamed; more > 0 {
			named = append(named, fmt.Sprintf("  and %d more", more))
		}
		switch {
		case d.Hurried:
			fmt.Fprintf(a.err, "Stopping at once. Jobs that still run are broken off: %s.\n", fate)
			return
		case n == 0 && first:
			fmt.Fprintln(a.err, "Stopping. No job runs.")
		case n == 0:
			fmt.Fprintln(a.err, "All running jobs have ended.")
		case first:
			fmt.Fprintf(a.err, "Stopping. Waiting for running jobs, until %s at most: %s\nCtrl-C again breaks them off: %s.\n",
				d.Until.Format("15:04:05"), show.Plural(n, "job"), fate)
		default:
			fmt.Fprintf(a.err, "Still waiting for %s:\n", show.Plural(n, "job"))
		}
		for _, line := range named {
			fmt.Fprintln(a.err, line)
		}
		first = false
	}
}
