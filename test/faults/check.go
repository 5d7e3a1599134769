package main

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// sort of a violation, to count by.
type sort string

const (
	isLost     sort = "lost"    // a confirmed job without output and dead letter
	isDoubled  sort = "doubled" // a second result, or one and a dead letter
	isWrong    sort = "wrong"   // something else than what must be there
	isLeftover sort = "left"    // something that must not be there any more
)

// violation is a promise that was broken.
type violation struct {
	Sort sort   `json:"sort"`
	Job  string `json:"job,omitempty"`
	What string `json:"what"`
}

func (v violation) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s: %s %s", v.Sort, v.Job, v.What))
}

// check judges a run. It knows nothing but the history.
func check(h history) []violation {
	c := checker{h: h, groups: map[string][]*attempts{}}
	for _, j := range h.jobs {
		c.groups[outputName(j)] = append(c.groups[outputName(j)], j)
	}
	for _, name := range slices.Sorted(maps.Keys(c.groups)) {
		c.group(name, c.groups[name])
	}
	c.strangers()
	c.sights()
	c.leftovers()
	return c.found
}

func outputName(j *attempts) string { return path.Base(j.job.Output) }

type checker struct {
	h      history
	groups map[string][]*attempts // by the output's name
	found  []violation
}

func (c *checker) complain(s sort, job, format string, args ...any) {
	c.found = append(c.found, violation{s, job, fmt.Sprintf(format, args...)})
}

// group judges the jobs that have an output in common; most have theirs alone.
func (c *checker) group(name string, jobs []*attempts) {
	made, there := c.h.outputs[name]
	var owner *attempts
	if there {
		owner = c.ownerOf(name, made, jobs)
	}
	for _, j := range jobs {
		if j.confirms == 0 { // it may have arrived or not; what it did must be right all the same
			if j.fate == badInput && owner == j {
				c.complain(isWrong, j.job.ID, "has an output although its input is bad")
			}
			continue
		}
		if owner == j {
			c.completed(j)
		} else {
			c.mustBeDead(j, name, there)
		}
	}
}

// ownerOf returns the job that made the output, which must be one of these, with frames that are that job's.
func (c *checker) ownerOf(name string, made output, jobs []*attempts) (owner *attempts) {
	for _, j := range jobs {
		if !slices.Contains(made.owners, j.job.ID) {
			continue
		}
		if owner != nil {
			c.complain(isDoubled, j.job.ID, "has made %s, and so has %s", name, owner.job.ID)
			continue
		}
		owner = j
		if made.recipe != j.recipe {
			c.complain(isWrong, j.job.ID, "its output %s has the frames of %q, want those of %q", name, made.recipe,
				j.recipe)
		}
	}
	if owner == nil {
		c.complain(isWrong, jobs[0].job.ID, "its output %s was made by %v, which is none of the jobs that have this "+
			"output", name, made.owners)
	}
	return owner
}

// completed judges a job that has its output.
func (c *checker) completed(j *attempts) {
	id := j.job.ID
	if j.fate == badInput {
		c.complain(isWrong, id, "has an output although its input is bad")
	}
	if letters := c.h.letters[id]; len(letters) > 0 {
		c.complain(isDoubled, id, "has an output, and a dead letter too: %s: %s", letters[0].reason, letters[0].text)
	}
	if r, ok := c.h.records[id]; ok && c.ledgerSaw() && r.State != job.Completed {
		c.complain(isWrong, id, "has its output, and the ledger says that it is %s", r.State)
	}
}

// mustBeDead judges a confirmed job that has no output.
func (c *checker) mustBeDead(j *attempts, name string, there bool) {
	id, letters := j.job.ID, c.h.letters[j.job.ID]
	if len(letters) == 0 {
		what := "was confirmed, and has neither output nor dead letter"
		if there {
			what = fmt.Sprintf("was confirmed, has no dead letter, and %s is another job's", name)
		}
		c.complain(isLost, id, "%s", what)
		return
	}
	want := map[fate]string{
		badInput: string(work.BadInput), contested: string(work.OutputExists),
		poisonous: "poison",
	}[j.fate]
	reasons := make([]string, len(letters))
	for i, l := range letters {
		reasons[i] = l.reason
	}
	switch {
	case want == "":
		c.complain(isWrong, id, "is dead (%s: %s), and had to succeed", letters[0].reason, letters[0].text)
	case !slices.Contains(reasons, want):
		c.complain(isWrong, id, "is dead because of %s (%s), want %s", strings.Join(reasons, ", "), letters[0].text,
			want)
	case j.fate == contested && !there:
		c.complain(isWrong, id, "is dead since its output exists, and there is none")
	}
	if r, ok := c.h.records[id]; ok && c.ledgerSaw() && r.State != job.Dead {
		c.complain(isWrong, id, "is in the dead letters, and the ledger says that it is %s", r.State)
	}
}

// ledgerSaw reports whether the ledger was there all the time. When it wasn't, a worker may have died before it could
// record how a job ended: the result counts, and the record is only mentioned in the report.
func (c *checker) ledgerSaw() bool {
	return !slices.ContainsFunc(c.h.windows, func(w window) bool {
		return w.outage == "redis" || len(c.h.lost) > 0 || strings.HasSuffix(w.link, "/redis") ||
			strings.HasPrefix(w.kind, "worker-pause")
	})
}

// strangers returns outputs and dead letters of no job.
func (c *checker) strangers() {
	ids := map[string]bool{}
	for _, j := range c.h.jobs {
		ids[j.job.ID] = true
	}
	for _, name := range slices.Sorted(maps.Keys(c.h.outputs)) {
		if c.groups[name] == nil {
			c.complain(isLeftover, "", "%s is among the outputs, and no job has it", name)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.h.letters)) {
		if !ids[id] {
			c.complain(isWrong, id, "is in the dead letters (%s: %s), and nobody enqueued it",
				c.h.letters[id][0].reason, c.h.letters[id][0].text)
		}
	}
}

// sights judges what was to be seen while things broke.
func (c *checker) sights() {
	for _, name := range slices.Sorted(maps.Keys(c.h.seen)) {
		s, id := c.h.seen[name], name
		jobs := c.groups[name]
		if len(jobs) > 0 {
			id = jobs[0].job.ID
		}
		for _, p := range s.problems {
			c.complain(isDoubled, id, "its output %s %s", name, p)
		}
		if len(jobs) > 0 && !slices.ContainsFunc(jobs, func(j *attempts) bool {
			return j.recipe == s.recipe && s.recipe != ""
		}) {
			c.complain(isWrong, id, "its output %s appeared with the frames of %q", name, s.recipe)
		}
		if _, there := c.h.outputs[name]; !there {
			c.complain(isDoubled, id, "its output %s was to be seen and is gone", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.h.outputs)) {
		if c.h.seen[name] == nil {
			c.complain(isWrong, name, "is there and was never seen to appear")
		}
	}
}

// leftovers judges what must be gone when the fleet is at rest.
func (c *checker) leftovers() {
	if !c.h.drained {
		c.complain(isLeftover, "", "the fleet didn't come to rest in time")
	}
	for _, q := range slices.Sorted(maps.Keys(c.h.left)) {
		c.complain(isLeftover, "", "%d messages in %s", c.h.left[q], q)
	}
	for _, p := range c.h.programs {
		c.complain(isLeftover, "", "a media program still runs: %s", p)
	}
	for _, s := range c.h.scratch {
		c.complain(isLeftover, "", "a scratch folder is left: %s", s)
	}
	for _, b := range c.h.broken {
		c.complain(isWrong, "", "%s", b)
	}
}
