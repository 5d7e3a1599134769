package operators

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/test/faults/workload"
	"github.com/polyglot-media/siren/test/wait"
)

const (
	// doctorWithin is how long siren doctor may take: a minute for an area that hangs, and as much for the others.
	doctorWithin = 2 * time.Minute
	// doctorEvery is how long it rests.
	doctorEvery = 10 * time.Second
)

// examine has siren doctor look at all that is broken meanwhile, again and again, until ctx ends.
func (o *Operators) examine(ctx context.Context) {
	for wait.Pause(ctx, doctorEvery) == nil {
		c, r := o.run(ctx, 2*doctorWithin, "doctor", "--only", "broker,redis,clock,fleet", "-o", "json")
		var report doctor.Report
		if err := json.Unmarshal([]byte(r.Out), &report); ctx.Err() == nil {
			c.Within = doctorWithin
			if err != nil && c.Wrong == "" {
				c.Wrong = fmt.Sprintf("it gave no report: %v: %s", err, r.Err)
			}
		}
		o.note(c, r)
		for _, said := range aboutQueue(report, o.formerly) {
			o.answered(c.At, "siren doctor", o.formerly, said, workload.Former)
		}
	}
}

// aboutQueue returns how many jobs a report says there are in a queue that is left over: 0 where it says that the queue
// is empty, or proposes to delete it. It says nothing where it says that it doesn't know.
func aboutQueue(r doctor.Report, queue string) (said []int) {
	for _, f := range r.Findings {
		what, about := strings.CutPrefix(f.What, "queue "+queue+" ")
		_, rest, counted := strings.Cut(what, ", and ")
		var n int
		_, unclear := fmt.Sscanf(rest, "%d job", &n)
		switch {
		case about && strings.Contains(what, "; it is empty"),
			strings.Contains(f.Fix, "delete_queue") && strings.HasSuffix(f.Fix, " "+queue):
			said = append(said, 0)
		case about && counted && unclear == nil:
			said = append(said, n)
		}
	}
	return said
}
