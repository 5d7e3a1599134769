package simulatecmd

import (
	"fmt"
	"maps"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/internal/sim/advise"
	"github.com/polyglot-media/siren/lanes"
)

// advice is what -o json shows.
type advice struct {
	Load  string  `json:"load"`
	Seed  uint64  `json:"seed"`
	Jobs  int     `json:"jobs"`
	Price float64 `json:"price,omitempty"` // of a core-hour
	advise.Advice
	Changes []advise.Change `json:"changes"` // of all steps, and of the budget, in the policy
	Notes   []string        `json:"notes"`
	Written string          `json:"written,omitempty"` // the file of the policy that is advised
	lasts   time.Duration
	cold    time.Duration
	first   string // what the row is called that the steps begin at
}

// report makes the advice of what was found from a policy, which is the one that there was but for its budget.
func (s *adviser) report(was, from *lanes.Policy, jobs jobs, a advise.Advice) advice {
	r := advice{
		Load: jobs.says, Seed: s.seed, Jobs: jobs.n, Price: s.price, Advice: a,
		Changes: advise.Changes(was, a.Policy), lasts: jobs.lasts, cold: s.cold.Median,
	}
	r.first = "as it is"
	if s.budget > 0 {
		r.first += fmt.Sprintf(", on a budget of %d", s.budget)
	}
	r.Notes = r.notes(from)
	return r
}

// fewJobs is of how many jobs one that is late is a twentieth, and shortTrace a time in which a fleet has hardly been
// anything but starting.
const (
	fewJobs    = 20
	shortTrace = 15 * time.Minute
)

// notes says what somebody has to know who follows the advice.
func (r advice) notes(from *lanes.Policy) []string {
	notes := []string{}
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if r.lasts < shortTrace || r.Jobs < 10*fewJobs {
		note("the trace is short, %s in %s: what is right for it may be wrong for a day", say.Plural(r.Jobs, "job"),
			say.Span(r.lasts))
	}
	for _, l := range r.AsItIs.Lanes {
		if l.Jobs > 0 && l.Jobs < fewJobs {
			note("lane %s has %s: one that is late is %.0f %% of it", l.Name, say.Plural(l.Jobs, "job"),
				100/float64(l.Jobs))
		}
	}
	if len(r.Steps) == 0 && r.Looked {
		note("no step helps: none saves a hundredth of the core-hours, or has more jobs in time, without making " +
			"another lane late")
	}
	last, misses := r.Outcome(), "misses its objective all the same"
	if r.unknown() {
		misses = "misses its objective"
	}
	for _, l := range last.Lanes {
		if !l.Met {
			note("%s %s: %.1f %% of its jobs start within %s%s", l.Name, misses, 100*l.Share, l.StartWithin,
				r.because(l.Name, last))
		}
	}
	notes = append(notes, r.worse(last)...)
	notes = append(notes, r.unsure(last)...)
	if r.Limited {
		known := ""
		if r.unknown() {
			known = " before all first steps were tried, so whether one helps isn't known"
		}
		note("%s ended the search%s: with a larger one it may find more", flagOf[r.By], known)
	}
	if last.Owed > last.CoreHours/20 {
		note("when the trace ends, jobs of %s core-hours haven't run: they count as if they had",
			amount(last.Owed))
	}
	return append(notes, r.beware(from)...)
}

// unknown reports whether the search ended too soon to say of any step whether it helps.
func (r advice) unknown() bool { return r.Limited && len(r.Steps) == 0 && !r.Looked }

// flagOf names the flags of the limits.
var flagOf = map[advise.Limit]string{advise.LimitJobs: "--limit", advise.LimitTime: "--within"}

// beware says what the changes mean beside what was simulated.
func (r advice) beware(from *lanes.Policy) (notes []string) {
	var smaller, restarts bool
	for i, q := range from.Pools {
		n := r.Policy.Pools[i]
		smaller = smaller || n.Max*n.Slots < q.Max*q.Slots
		restarts = restarts || n.Slots != q.Slots || !maps.Equal(n.Shoulder, q.Shoulder)
	}
	if smaller {
		notes = append(notes, "a smaller max saves by having jobs wait, and leaves less room for a load that is "+
			"larger than the trace's")
	}
	if restarts {
		notes = append(notes, "slots and shoulders change the memory that a worker needs, which isn't counted, and "+
			"workers start again with them")
	}
	return notes
}

// because says what keeps a lane from its objective, where that is known.
func (r advice) because(lane string, o advise.Outcome) string {
	if o.Peak >= r.Policy.Budget {
		return fmt.Sprintf("; the fleet is at its budget of %s at times", say.Plural(r.Policy.Budget, "worker"))
	}
	l, _ := r.Policy.Lane(lane)
	if r.cold > l.StartWithin.D() {
		return fmt.Sprintf("; a worker takes %s to start", say.Short(r.cold))
	}
	return ""
}

// worse says which lanes wait longer than before the steps, though they meet their objectives.
func (r advice) worse(last advise.Outcome) (notes []string) {
	for i, l := range last.Lanes {
		before := r.AsItIs.Lanes[i]
		if l.Share < before.Share-0.005 {
			notes = append(notes, fmt.Sprintf("fewer of %s start in time than now: %.1f %%, not %.1f %%", l.Name,
				100*l.Share, 100*before.Share))
		}
	}
	return notes
}

// unsure says which lanes meet their objectives by chance.
func (r advice) unsure(last advise.Outcome) (notes []string) {
	for i, l := range last.Lanes {
		for _, o := range r.Again {
			if l.Met && !o.Lanes[i].Met {
				notes = append(notes, fmt.Sprintf("%s is close to its objective: with another seed only %.1f %% of "+
					"its jobs start within %s", l.Name, 100*o.Lanes[i].Share, l.StartWithin))
				break
			}
		}
	}
	return notes
}

// tell shows the advice as tables and sentences.
func (s *adviser) tell(cmd *cobra.Command, r advice) error {
	fmt.Fprintf(s.app.Out, "%s, %s, with seed %d and workers that start in %s; %s\n\n", r.Load,
		say.Plural(r.Jobs, "job"), r.Seed, say.Short(r.cold), say.Plural(r.Played, "simulation"))
	if err := s.table(cmd, r.steps()); err != nil {
		return err
	}
	fmt.Fprintln(s.app.Out)
	for _, more := range []struct {
		n     int
		says  string
		table func() *show.Table
	}{
		{len(r.Budgets), "What a larger budget would do, and pools that are larger with it:", r.budgets},
		{len(r.Promises), "What it would cost to promise more, or less:", r.promises},
	} {
		if more.n == 0 {
			continue
		}
		fmt.Fprintf(s.app.Out, "%s\n\n", more.says)
		if err := s.table(cmd, more.table()); err != nil {
			return err
		}
		fmt.Fprintln(s.app.Out)
	}
	for _, n := range append(r.sum(), r.Notes...) {
		show.Sentence(s.app.Out, "  - ", n)
	}
	switch {
	case r.Written != "":
		fmt.Fprintf(s.app.Out, "\nwrote %s; siren policy check %[1]s checks what you make of it\n", r.Written)
	case len(r.Changes) > 0:
		fmt.Fprint(s.app.Out, "\nIn the policy:\n")
		for _, c := range r.Changes {
			fmt.Fprintf(s.app.Out, "  %s\n", c)
		}
	}
	return nil
}

// month is the hours of one.
const month = 730

// sum says what all steps save, or cost.
func (r advice) sum() []string {
	last, first := r.Outcome(), r.AsItIs
	if len(r.Steps) == 0 || first.CoreHours == 0 {
		return nil
	}
	text := fmt.Sprintf("in all %s: %s core-hours, not %s", percentMore(last.CoreHours, first.CoreHours),
		amount(last.CoreHours), amount(first.CoreHours))
	if r.Price > 0 {
		text += fmt.Sprintf("; a month of such a load costs %s, not %s", amount(r.monthly(last)),
			amount(r.monthly(first)))
	}
	return []string{text}
}

func (r advice) monthly(o advise.Outcome) float64 {
	return o.CoreHours * r.Price / r.lasts.Hours() * month
}

// amount says hours, or money.
func amount(v float64) string {
	if v < 1 {
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// percentMore says how much more or less something is than it was.
func percentMore(is, was float64) string {
	switch change := is/max(was, 1e-9) - 1; {
	case change > 0.0005:
		return fmt.Sprintf("%.1f %% more", 100*change)
	case change < -0.0005:
		return fmt.Sprintf("%.1f %% less", -100*change)
	default:
		return "the same"
	}
}
