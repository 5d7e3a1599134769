package jobcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/choose"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate/jobs"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
)

const bulkHelp = `With a filter it asks first, and says how many jobs there are; --yes answers, --dry-run only
counts. Jobs that come in after it has begun are left alone. It may be interrupted or killed at any
moment: no job is lost, none is done twice, and the same command goes on with what is left.`

// JobVerb is a command that does something to jobs: to those named, or to those that a filter chooses.
type JobVerb struct {
	choose.Jobs
	Verb, Past string      // cancel, cancelled
	to         string      // the lane that they come into; "": their own
	may        []job.State // that a filter may choose
	reason     string
	yes        bool
	dryRun     bool
	end        func(context.Context, *app.Operator) error // once all is done; nil: nothing

	named   bool // the jobs were named, and each is told of
	Fates   map[jobs.Fate]int
	running []string // called off while they ran
	errs    []error
	Code    int
	more    int // errors that aren't told
}

func (v *JobVerb) flags(a *app.App, c *cobra.Command) {
	v.Choosing(a, c)
	f := c.Flags()
	app.OneOf(c, &v.State, "state", "", "only jobs in this `STATE`", choose.StateNames(v.may)...)
	f.StringVar(&v.reason, "reason", "", "why, for the audit log")
	f.BoolVarP(&v.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&v.dryRun, "dry-run", false, "count the jobs, and change nothing")
}

// target returns the lane that --to says. With ids there is nothing to choose, and --lane says it as well.
func (v *JobVerb) target(to string, ids []string) (string, error) {
	if len(ids) == 0 || v.Lane == "" {
		return to, nil
	}
	if to != "" {
		return "", exit.With(exit.Usage, errors.New("--lane chooses jobs, and these are named: leave it out"))
	}
	to, v.Lane = v.Lane, ""
	return to, nil
}

// run does the work to the jobs.
func (v *JobVerb) run(
	ctx context.Context, a *app.App, ids []string, work func(*app.Operator) (*jobs.Work, error),
) error {
	filter := v.String()
	switch {
	case len(ids) == 0 && filter == "":
		return exit.With(exit.Usage, errors.New("say which: ids, or a filter such as --lane or -l"))
	case len(ids) > 0 && filter != "":
		return exit.With(exit.Usage, fmt.Errorf("say ids, or a filter (%s): not both", filter))
	case len(ids) > 0 && v.dryRun:
		return exit.With(exit.Usage, errors.New("--dry-run counts what a filter chooses; these are named"))
	}
	return a.Operate(func(o *app.Operator) error {
		if err := o.Desk().MayNote(ctx); err != nil {
			return err
		}
		w, err := work(o)
		if err != nil {
			return err
		}
		v.named, v.Fates, v.Code = len(ids) > 0, map[jobs.Fate]int{}, exit.Failed
		w.Reason, w.Filter = v.reason, filter
		if v.named {
			return v.CarryOut(ctx, o, w, jobs.Named(ctx, o.Desk(), ids), 0)
		}
		q, err := v.Query(o.Now())
		if err != nil {
			return err
		}
		return v.choose(ctx, o, w, w.Narrow(q, o.Now()))
	})
}

// choose asks, unless it mustn't, and does it to the jobs that the filter chooses.
func (v *JobVerb) choose(ctx context.Context, o *app.Operator, w *jobs.Work, q jobrecord.Filter) error {
	expect := 0
	if v.dryRun || !v.yes {
		count, err := census(o.Ledger.Each(ctx, q))
		if err != nil {
			return err
		}
		for _, n := range count {
			expect += n
		}
		switch {
		case expect == 0:
			fmt.Fprintf(o.Err, "there is no job to %s%s\n", v.Verb, o.OrNoSuchLane(ctx, v.Lane, true))
			return nil
		case v.dryRun:
			return v.would(o, count, expect)
		}
		if err := o.AskFirst(fmt.Sprintf("%s %s of %s (%s)?", strings.ToUpper(v.Verb[:1])+v.Verb[1:],
			say.Plural(expect, "job"), v.String(), byState(count))); err != nil {
			return err
		}
	}
	return v.CarryOut(ctx, o, w, o.Ledger.Each(ctx, q), expect)
}

// census counts how many jobs there are, by lane and state.
func census(records iter.Seq2[job.Record, error]) (map[[2]string]int, error) {
	count := map[[2]string]int{}
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		count[[2]string{r.Lane, string(r.State)}]++
	}
	return count, nil
}

// byState says such a count in words, the most first.
func byState(count map[[2]string]int) string {
	states := map[string]int{}
	for key, n := range count {
		states[key[1]] += n
	}
	words := slices.SortedFunc(maps.Keys(states), func(x, y string) int {
		return cmp.Or(states[y]-states[x], strings.Compare(x, y))
	})
	for i, s := range words {
		words[i] = fmt.Sprint(states[s], " ", s)
	}
	return strings.Join(words, ", ")
}

// would prints what would be done.
func (v *JobVerb) would(o *app.Operator, count map[[2]string]int, n int) error {
	t := show.NewTable(show.Col("LANE"), show.Col("STATE"), show.Num("JOBS"))
	for _, key := range slices.SortedFunc(maps.Keys(count), func(x, y [2]string) int {
		return slices.Compare(x[:], y[:])
	}) {
		t.Add(key[0], key[1], fmt.Sprint(count[key]))
	}
	if err := t.Print(o.Out); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "%s would be %s; nothing was changed (--dry-run)\n", say.Plural(n, "job"), v.Past)
	return nil
}

// CarryOut does it, and says what was done.
func (v *JobVerb) CarryOut(
	ctx context.Context, o *app.Operator, w *jobs.Work, records iter.Seq2[job.Record, error], expect int,
) error {
	w.Heard = func(results []jobs.Result) {
		for _, r := range results {
			v.hear(o, r)
		}
		if !v.named {
			show.Progress(o.Err, v.progress(w.Done.Jobs, expect))
		}
	}
	err := w.Run(ctx, records)
	show.Progress(o.Err, "")
	if v.named {
		if err == nil && v.end != nil {
			err = v.end(ctx, o)
		}
		if err != nil {
			v.fail(app.BrokenOff(ctx, err))
		}
		return exit.With(v.Code, errors.Join(v.errs...))
	}
	return v.report(ctx, o, w.Done.Jobs, err)
}
