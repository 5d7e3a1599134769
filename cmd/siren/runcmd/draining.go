package runcmd

import (
	"fmt"
	"strings"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/internal/say"
)

// mostNamed is how many jobs are named that the end waits for.
const mostNamed = 5

// sayDraining says what the end of a local fleet waits for. kept is whether what doesn't end goes on with the next
// start.
func sayDraining(a *app.App, kept bool) func(serve.Draining) {
	waited := false
	fate := "goes back to its lane"
	if !kept {
		fate = "is lost, as what waits is"
	}
	return func(d serve.Draining) {
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
			fmt.Fprintf(a.Err, "Stopping at once: what still runs %s.\n", fate)
			return
		case n == 0 && !waited: // a heartbeat may be about to say otherwise
			fmt.Fprintln(a.Err, "Stopping.")
		case n == 0:
			fmt.Fprintf(a.Err, "No job runs any more; what didn't end in time %s.\n", fate)
		default:
			fmt.Fprintf(a.Err, "Stopping. %s still %s, and may go on until %s:\n%s\nCtrl-C again stops at once: "+
				"what still runs %s.\n",
				say.Plural(n, "job"), say.Verb(n, "runs", "run"), say.Clock(d.Until), strings.Join(named, "\n"),
				fate)
		}
		waited = n > 0
	}
}
