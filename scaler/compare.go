package scaler

import (
	"context"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/scaler/facts"
)

// compareEvery is the time between two comparisons of a lane that find nothing.
const compareEvery = 10 * time.Second

// compare compares the records of one lane with its queue where more jobs are recorded as queued than wait. A purged
// queue, or a producer that was killed before it published, leaves such records.
func (l *Loop) compare(ctx context.Context, p *lanes.Policy, o facts.Observation) {
	if l.o.Compare == nil {
		return
	}
	lane, ok := l.nextCompared(o.At)
	if !ok {
		return
	}
	before := l.history.Lanes[lane].Lost()
	if hidden(p, o) {
		before = time.Time{}
	}
	held := map[string]bool{}
	for _, w := range o.Workers {
		for _, r := range w.Running {
			held[r.Job] = true
		}
	}
	missing, err := l.o.Compare(ctx, lane, before, held)
	l.o.Metrics.missing.WithLabelValues(lane).Add(float64(missing))
	if missing > 0 {
		l.o.Log.Warn("jobs are missing: they were recorded as queued, and their messages aren't in the broker", "lane",
			lane, "jobs", missing)
		return // there may be more of them
	}
	l.compared[lane] = o.At
	if err != nil {
		l.o.Log.Debug("compare a lane's records with its queue", "lane", lane, "error", err)
	}
}

// nextCompared returns the lane to compare next.
func (l *Loop) nextCompared(at time.Time) (lane string, ok bool) {
	for name, h := range l.history.Lanes {
		last := l.compared[name]
		if h.ExcessSince.IsZero() || at.Sub(last) < compareEvery {
			continue
		}
		if before := l.compared[lane]; !ok || last.Before(before) || last.Equal(before) && name < lane {
			lane, ok = name, true
		}
	}
	return lane, ok
}

// hidden reports whether some worker that is there can't be heard: it may have a job's message, and no claim on the
// job.
func hidden(p *lanes.Policy, o facts.Observation) bool {
	members := map[string]bool{}
	for _, state := range o.Pools {
		for _, m := range state.Members {
			members[m.Name] = !m.Leaving
		}
	}
	for _, w := range o.Workers {
		if members[w.Worker] && o.At.Sub(w.At) > p.Timing.Fresh() {
			return true
		}
	}
	return false
}
