package verdict

import (
	"maps"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/faults/history"
)

const (
	// overFor is how long the workers may be more than the budget: one that is told to stop is there until it has.
	overFor = 5 * time.Second
	// rescuedWithin is how long after a failover a record may say that its job runs which doesn't.
	rescuedWithin = time.Minute
)

// meanwhile judges what was promised while things broke: by what commands said, and by how many workers there were.
func (c *checker) meanwhile() {
	for _, a := range c.h.Answers {
		if a.Said == 0 && a.Known > 0 {
			c.complain(isWrong, "", "%s said 0 of %s at %s, and there were %d", a.Verb, a.About,
				a.At.Format(history.Clock), a.Known)
		}
	}
	c.commands()
	c.budget()
	c.records()
}

// commands complains of each that took too long, or ended as none may.
func (c *checker) commands() {
	for _, d := range c.h.Commands {
		if d.Within > 0 && d.Took > d.Within {
			c.complain(isWrong, "", "%s of %s took %s, and may take %s", d.Line, d.At.Format(history.Clock),
				d.Took.Round(time.Second), d.Within)
		}
		if d.Wrong != "" {
			c.complain(isWrong, "", "%s of %s: %s", d.Line, d.At.Format(history.Clock), d.Wrong)
		}
	}
}

// budget complains of each time that there were too many workers for too long.
func (c *checker) budget() {
	var since time.Time // when there came to be too many
	most := 0
	told := false
	for _, n := range c.h.Staff {
		if n.Workers <= c.h.Most {
			since, most, told = time.Time{}, 0, false
			continue
		}
		if since.IsZero() {
			since = n.At
		}
		if most = max(most, n.Workers); n.At.Sub(since) > overFor && !told {
			told = true
			c.complain(isWrong, "", "from %s on for more than %s there were up to %d workers of the scalers', and the "+
				"budget has %d for them", since.Format(history.Clock), overFor, most, c.h.Most)
		}
	}
}

// records complains of each job that has ended and whose record still says that it runs, long after Redis failed over.
func (c *checker) records() {
	if len(c.h.FailedOver) == 0 {
		return
	}
	since := c.h.RecordsAt.Sub(slices.MaxFunc(c.h.FailedOver, time.Time.Compare)).Round(time.Second)
	if since < rescuedWithin {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(c.h.Records)) {
		if c.h.Records[id].State == job.Running {
			c.complain(isWrong, id, "its record says that it runs, %s after Redis failed over, and nothing does", since)
		}
	}
}
