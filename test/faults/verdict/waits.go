package verdict

import (
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/faults/history"
)

const (
	// toldWithin is how long after a job has ended, and Redis is well again, whoever waits for it may not know.
	toldWithin = time.Minute
	// silentFor is how much longer that may take where nothing is heard of the job's worker: two minutes, and a poll.
	silentFor = 2*time.Minute + 10*time.Second
)

// waits judges what those were told who waited for jobs to end, and when.
func (c *checker) waits() {
	for _, w := range c.h.Waits {
		if w.Wrong != "" {
			c.complain(isWrong, w.Job, "%s for it, of %s: %s", w.How, w.At.Format(history.Clock), w.Wrong)
		}
		switch {
		case w.Over.IsZero():
			c.endless(w)
		case w.End == "":
			c.gaveUp(w)
			c.late(w)
		default:
			c.told(w)
			c.late(w)
		}
	}
}

// endless complains of a wait that never returned, unless nobody could know the end.
func (c *checker) endless(w history.Wait) {
	if c.ends[w.Job] != "" && !c.behind(w) {
		c.complain(isWrong, w.Job, "it is %s, its record says %q, and %s of %s never returned", c.ends[w.Job],
			c.h.Records[w.Job].State, w.How, w.At.Format(history.Clock))
	}
}

// behind reports whether the record of a job that has ended says that it waits for its turn, since the ledger wasn't
// there all the time: nobody finds such a job (docs/adr/0016).
func (c *checker) behind(w history.Wait) bool {
	state := c.h.Records[w.Job].State
	return (state == job.Queued || state == job.Retrying) && !c.ledgerSaw()
}

// gaveUp judges a wait that returned and told no end.
func (c *checker) gaveUp(w history.Wait) {
	switch {
	case w.Gave == history.Vanished, w.Gave == history.NoRecord && !c.ledgerSaw(),
		w.Gave == history.NotBegun && len(c.h.Windows) > 0:
	default:
		c.complain(isWrong, w.Job, "%s of %s gave up (%s) at %s: %s", w.How, w.At.Format(history.Clock), w.Gave,
			w.Over.Format(history.Clock), w.Said)
	}
}

// told judges the end that was told. A dead job that is run again may have another one since.
func (c *checker) told(w history.Wait) {
	end := c.ends[w.Job]
	switch {
	case end == "", end == w.End, // a job that is lost is complained of as that
		w.End == job.Dead && c.h.Replayed[w.Job],
		w.End == job.Missing && !c.ledgerSaw():
	default:
		c.complain(isWrong, w.Job, "it is %s, and %s of %s said at %s that it is %s", end, w.How,
			w.At.Format(history.Clock), w.Over.Format(history.Clock), w.End)
	}
}

// late complains of a wait that returned long after the end was known. Where the record is gone nobody knows when that
// was.
func (c *checker) late(w history.Wait) {
	r := c.h.Records[w.Job]
	if r.EndedAt.IsZero() || c.h.Replayed[w.Job] {
		return
	}
	since := latest(append(c.troubles(w.Over), w.At, r.EndedAt)...)
	allowed := toldWithin
	if w.Gave == history.Vanished || w.Gave == history.NoRecord {
		allowed += silentFor
	}
	if took := w.Over.Sub(since); took > allowed {
		c.complain(isWrong, w.Job, "it ended at %s, and %s of %s returned at %s, %s after it could know",
			r.EndedAt.Format(history.Clock), w.How, w.At.Format(history.Clock), w.Over.Format(history.Clock),
			took.Round(time.Second))
	}
}

// troubles returns until when the ledger may have known less than there was, of all that began before a moment.
func (c *checker) troubles(before time.Time) (ends []time.Time) {
	for _, t := range slices.Concat(c.h.FailedOver, c.h.Lost) {
		if t.Before(before) {
			ends = append(ends, t)
		}
	}
	for _, w := range c.h.Windows {
		if w.From.Before(before) && (w.Outage == "redis" || strings.HasSuffix(w.Link, "/redis") ||
			strings.HasPrefix(w.Kind, "worker-pause")) {
			ends = append(ends, w.To)
		}
	}
	return ends
}

// latest returns the last of some moments.
func latest(all ...time.Time) time.Time { return slices.MaxFunc(all, time.Time.Compare) }
