package jobcmd

import (
	"context"
	"errors"
	"fmt"
	"iter"
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

	Fates   map[jobs.Fate]int
	running []string // called off while they ran
	refused app.Refusals
}

func (v *JobVerb) flags(a *app.App, c *cobra.Command) {
	v.Choosing(a, c)
	f := c.Flags()
	v.ByState(c, v.may...)
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
		v.refused.Named, v.Fates = len(ids) > 0, map[jobs.Fate]int{}
		w.Reason, w.Filter = v.reason, filter
		if v.refused.Named {
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
		states, of := count.By(1)
		for i, s := range states {
			states[i] = fmt.Sprint(of[s], " ", s)
		}
		switch {
		case expect == 0:
			if err := o.NothingOf(ctx, v.Lane); err != nil {
				return err
			}
			fmt.Fprintf(o.Err, "there is no job to %s\n", v.Verb)
			return nil
		case v.dryRun:
			err = count.Table("STATE").Print(o.Out)
			fmt.Fprintf(o.Out, "%s would be %s; nothing was changed (--dry-run)\n", say.Plural(expect, "job"), v.Past)
			return err
		}
		which := strings.TrimSpace(say.Plural(expect, "job") + " " + v.phrase())
		if err := o.AskFirst(fmt.Sprintf("%s %s (%s)?", strings.ToUpper(v.Verb[:1])+v.Verb[1:], which,
			strings.Join(states, ", "))); err != nil {
			return err
		}
	}
	return v.CarryOut(ctx, o, w, o.Ledger.Each(ctx, q), expect)
}

// phrase says which jobs the filter chooses, whatever their states.
func (v *JobVerb) phrase() string {
	if v.State == string(job.Dead) {
		return v.Phrase("died")
	}
	return v.Phrase("were enqueued")
}

// census counts how many jobs there are, by lane and state.
func census(records iter.Seq2[job.Record, error]) (app.Count, error) {
	count := app.Count{}
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		count[[2]string{r.Lane, string(r.State)}]++
	}
	return count, nil
}

// CarryOut does it, and says what was done.
func (v *JobVerb) CarryOut(
	ctx context.Context, o *app.Operator, w *jobs.Work, records iter.Seq2[job.Record, error], expect int,
) error {
	w.Heard = func(results []jobs.Result) {
		for _, r := range results {
			v.hear(o, r)
		}
		if !v.refused.Named {
			show.Progress(o.Err, v.progress(w.Done.Jobs, expect))
		}
	}
	err := w.Run(ctx, records)
	show.Progress(o.Err, "")
	if v.refused.Named {
		if err == nil && v.end != nil {
			err = v.end(ctx, o)
		}
		if err != nil {
			v.refused.Add(app.BrokenOff(ctx, err))
		}
		return v.refused.Err()
	}
	return v.report(ctx, o, w.Done.Jobs, err)
}
