// Package verdict judges a run by its history, and reports: what was promised and wasn't kept, how soon express jobs
// started, and how much there was of everything. It knows no I/O.
package verdict

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/test/faults/history"
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
func check(h history.History) []violation {
	c := checker{h: h, groups: map[string][]*history.Attempts{}, ends: map[string]job.State{}}
	for _, j := range h.Jobs {
		c.groups[j.OutputName()] = append(c.groups[j.OutputName()], j)
	}
	for _, name := range slices.Sorted(maps.Keys(c.groups)) {
		c.group(name, c.groups[name])
	}
	c.strangers()
	c.sights()
	c.meanwhile()
	c.waits()
	c.leftovers()
	return c.found
}

type checker struct {
	h      history.History
	groups map[string][]*history.Attempts // by the output's name
	ends   map[string]job.State           // of confirmed jobs: completed or dead; none for a lost one
	found  []violation
}

func (c *checker) complain(s sort, job, format string, args ...any) {
	c.found = append(c.found, violation{s, job, fmt.Sprintf(format, args...)})
}

// group judges the jobs that have an output in common; most have theirs alone.
func (c *checker) group(name string, jobs []*history.Attempts) {
	made, there := c.h.Outputs[name]
	var owner *history.Attempts
	if there {
		owner = c.ownerOf(name, made, jobs)
	}
	for _, j := range jobs {
		if j.Confirms == 0 { // it may have arrived or not; what it did must be right all the same
			if j.Fate == history.BadInput && owner == j {
				c.complain(isWrong, j.Job.ID, "has an output although its input is bad")
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
func (c *checker) ownerOf(name string, made history.Output, jobs []*history.Attempts) (owner *history.Attempts) {
	for _, j := range jobs {
		if !slices.Contains(made.Owners, j.Job.ID) {
			continue
		}
		if owner != nil {
			c.complain(isDoubled, j.Job.ID, "has made %s, and so has %s", name, owner.Job.ID)
			continue
		}
		owner = j
		if made.Recipe != j.Recipe {
			c.complain(isWrong, j.Job.ID, "its output %s has the frames of %q, want those of %q", name, made.Recipe,
				j.Recipe)
		}
	}
	if owner == nil {
		c.complain(isWrong, jobs[0].Job.ID, "its output %s was made by %v, which is none of the jobs that have this "+
			"output", name, made.Owners)
	}
	return owner
}

// completed judges a job that has its output.
func (c *checker) completed(j *history.Attempts) {
	id := j.Job.ID
	c.ends[id] = job.Completed
	if j.Fate == history.BadInput {
		c.complain(isWrong, id, "has an output although its input is bad")
	}
	if letters, known := c.standing(id); known && len(letters) > 0 {
		c.complain(isDoubled, id, "has an output, and a dead letter too: %s: %s", letters[0].Reason, letters[0].Text)
	}
	if r, ok := c.h.Records[id]; ok && c.ledgerSaw() && r.State != job.Completed {
		c.complain(isWrong, id, "has its output, and the ledger says that it is %s", r.State)
	}
}

// standing returns the dead letters of a job that count. One that is older than the message which the record goes by is
// of an earlier death: whoever had the job run again may have been stopped before the letter was removed. Known is
// whether that can be told.
func (c *checker) standing(id string) (letters []history.Letter, known bool) {
	letters = slices.Clone(c.h.Letters[id])
	if !c.h.Replayed[id] {
		return letters, true
	}
	r, known := c.h.Records[id]
	return slices.DeleteFunc(letters, func(l history.Letter) bool { return known && l.Copy < r.Copy }), known
}

// mustBeDead judges a confirmed job that has no output.
func (c *checker) mustBeDead(j *history.Attempts, name string, there bool) {
	id := j.Job.ID
	letters, _ := c.standing(id)
	if len(letters) == 0 {
		what := "was confirmed, and has neither output nor dead letter"
		if there {
			what = fmt.Sprintf("was confirmed, has no dead letter, and %s is another job's", name)
		}
		c.complain(isLost, id, "%s", what)
		return
	}
	c.ends[id] = job.Dead
	want := map[history.Fate]string{
		history.BadInput: string(work.BadInput), history.Contested: string(work.OutputExists),
		history.Poisonous: "poison",
	}[j.Fate]
	reasons := make([]string, len(letters))
	for i, l := range letters {
		reasons[i] = l.Reason
	}
	switch {
	case want == "":
		c.complain(isWrong, id, "is dead (%s: %s), and had to succeed", letters[0].Reason, letters[0].Text)
	case !slices.Contains(reasons, want):
		c.complain(isWrong, id, "is dead because of %s (%s), want %s", strings.Join(reasons, ", "), letters[0].Text,
			want)
	case j.Fate == history.Contested && !there:
		c.complain(isWrong, id, "is dead since its output exists, and there is none")
	}
	if r, ok := c.h.Records[id]; ok && c.ledgerSaw() && r.State != job.Dead {
		c.complain(isWrong, id, "is in the dead letters, and the ledger says that it is %s", r.State)
	}
}

// ledgerSaw reports whether the ledger was there all the time. When it wasn't, a worker may have died before it could
// record how a job ended: the result counts, and the record is only mentioned in the report.
func (c *checker) ledgerSaw() bool {
	return !slices.ContainsFunc(c.h.Windows, func(w history.Window) bool {
		return w.Outage == "redis" || len(c.h.Lost) > 0 || strings.HasSuffix(w.Link, "/redis") ||
			strings.HasPrefix(w.Kind, "worker-pause")
	})
}

// strangers returns outputs and dead letters of no job.
func (c *checker) strangers() {
	ids := map[string]bool{}
	for _, j := range c.h.Jobs {
		ids[j.Job.ID] = true
	}
	for _, name := range slices.Sorted(maps.Keys(c.h.Outputs)) {
		if c.groups[name] == nil {
			c.complain(isLeftover, "", "%s is among the outputs, and no job has it", name)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.h.Letters)) {
		if !ids[id] {
			c.complain(isWrong, id, "is in the dead letters (%s: %s), and nobody enqueued it",
				c.h.Letters[id][0].Reason, c.h.Letters[id][0].Text)
		}
	}
}

// sights judges what was to be seen while things broke.
func (c *checker) sights() {
	for _, name := range slices.Sorted(maps.Keys(c.h.Seen)) {
		s, id := c.h.Seen[name], name
		jobs := c.groups[name]
		if len(jobs) > 0 {
			id = jobs[0].Job.ID
		}
		for _, p := range s.Problems {
			c.complain(isDoubled, id, "its output %s %s", name, p)
		}
		if len(jobs) > 0 && !slices.ContainsFunc(jobs, func(j *history.Attempts) bool {
			return j.Recipe == s.Recipe && s.Recipe != ""
		}) {
			c.complain(isWrong, id, "its output %s appeared with the frames of %q", name, s.Recipe)
		}
		if _, there := c.h.Outputs[name]; !there {
			c.complain(isDoubled, id, "its output %s was to be seen and is gone", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.h.Outputs)) {
		if c.h.Seen[name] == nil {
			c.complain(isWrong, name, "is there and was never seen to appear")
		}
	}
}

// leftovers judges what must be gone when the fleet is at rest.
func (c *checker) leftovers() {
	if c.h.Unrest != nil {
		c.complain(isLeftover, "", "the fleet didn't come to rest in time: %v", c.h.Unrest)
	}
	for _, q := range slices.Sorted(maps.Keys(c.h.Left)) {
		c.complain(isLeftover, "", "%d messages in %s", c.h.Left[q], q)
	}
	for _, p := range c.h.Programs {
		c.complain(isLeftover, "", "a media program still runs: %s", p)
	}
	for _, s := range c.h.Scratch {
		c.complain(isLeftover, "", "a scratch folder is left: %s", s)
	}
	for _, b := range c.h.Broken {
		c.complain(isWrong, "", "%s", b)
	}
}
