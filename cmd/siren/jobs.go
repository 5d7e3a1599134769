package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

func newJobs(a *app) *cobra.Command {
	return parent("jobs", "Show what became of jobs", newJobsList(a), newJobsGet(a), newJobsWatch(a), newJobsLogs(a),
		newJobsPromote(a), newJobsRetry(a), newJobsCancel(a))
}

// jobFilter is the flags that choose jobs.
type jobFilter struct {
	lane, state, kind, selector string
	since, olderThan            time.Duration
	also                        func(lanes.Record) bool // what else a job has to be; nil: nothing
	limit                       int
	after                       string
}

// choosing adds the flags that choose by what a job is.
func (f *jobFilter) choosing(a *app, c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.lane, "lane", "", "only jobs of this lane")
	completeFlag(c, "lane", a.completeLanes)
	fs.StringVar(&f.kind, "kind", "", "only jobs of this kind")
	completeFlag(c, "kind", a.completeKinds)
	fs.StringVarP(&f.selector, "selector", "l", "", "only jobs whose labels match, as in tier=premium,batch!=true")
	fs.DurationVar(&f.since, "since", 0, "only jobs of so long ago at most")
	fs.DurationVar(&f.olderThan, "older-than", 0, "only jobs of so long ago at least")
	c.PreRunE = choosesBySomething
}

// choosesBySomething refuses a filter without a value, which would choose everything: --tenant "$TENANT" isn't meant so where TENANT isn't set.
func choosesBySomething(c *cobra.Command, _ []string) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "lane", "kind", "selector", "tenant", "died-of", "state":
			if v := f.Value.String(); v == "" || v == "[]" {
				err = exit.With(exit.Usage, fmt.Errorf("--%s has no value: say which, or leave it out for all", f.Name))
			}
		}
	})
	return err
}

// paging adds the flags that say how much of a list is shown.
func (f *jobFilter) paging(c *cobra.Command) {
	c.Flags().IntVar(&f.limit, "limit", 50, "at most so many, the newest first; 0: all")
	c.Flags().StringVar(&f.after, "after", "", "go on where a list ended that had more: it says what to write here")
}

var states = []lanes.State{lanes.Queued, lanes.Running, lanes.Retrying, lanes.Completed, lanes.Dead, lanes.Cancelled, lanes.Missing}

func stateNames() []string {
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = string(s)
	}
	return names
}

// cursorForm is what redis.Page.Next looks like.
var cursorForm = regexp.MustCompile(`^[0-9]+/.+$`)

// list reads the chosen records. next is where a list goes on that has more than the limit.
func (f *jobFilter) list(ctx context.Context, ledger *redis.Ledger) (all []lanes.Record, next string, err error) {
	selector, err := labels.Parse(f.selector)
	if err != nil {
		return nil, "", exit.With(exit.Usage, fmt.Errorf("--selector %q: %w", f.selector, err))
	}
	if f.limit < 0 || f.since < 0 || f.olderThan < 0 {
		return nil, "", exit.With(exit.Usage, errors.New("--limit, --since and --older-than can't be negative"))
	}
	if f.after != "" && !cursorForm.MatchString(f.after) {
		return nil, "", exit.With(exit.Usage, fmt.Errorf("--after %q: write what an earlier list said", f.after))
	}
	q := redis.Filter{Lane: f.lane, State: lanes.State(f.state), Kind: f.kind, After: f.after}
	if f.selector != "" || f.also != nil {
		q.Match = func(r lanes.Record) bool {
			return selector.Matches(labels.Set(r.Labels)) && (f.also == nil || f.also(r))
		}
	}
	now := time.Now()
	if f.since > 0 {
		q.Since = now.Add(-f.since)
	}
	if f.olderThan > 0 {
		q.Until = now.Add(-f.olderThan)
	}
	for {
		if f.limit > 0 {
			q.Limit = f.limit - len(all)
		}
		page, err := ledger.List(ctx, q)
		if err != nil {
			return nil, "", reach.Unreachable(err)
		}
		all = append(all, page.Records...)
		q.After = page.Next
		if page.Next == "" || f.limit > 0 && len(all) >= f.limit {
			return all, page.Next, nil
		}
	}
}

func newJobsList(a *app) *cobra.Command {
	var f jobFilter
	o := show.Listing{Kind: "job"}
	c := &cobra.Command{
		Use:     "list",
		Short:   "List jobs, the newest first",
		Example: "  siren jobs list --lane express --since 1h\n  siren jobs list --state running -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.operate(func(op *operator) error {
				return o.Show(cmd.Context(), a.out, a.err, func() (any, *show.Table, error) {
					records, next, err := f.list(cmd.Context(), op.ledger)
					t := jobTable(a.out, records)
					t.Empty += op.strange(cmd.Context(), f.lane, len(records) == 0)
					goesOn(t, next)
					return records, t, err
				})
			})
		},
	}
	f.choosing(a, c)
	oneOf(c, &f.state, "state", "", "only jobs in this `STATE`", stateNames()...)
	f.paging(c)
	listFlags(c, &o)
	return c
}

// goesOn says where a list goes on that was cut; next is "" at its end.
func goesOn(t *show.Table, next string) {
	if next != "" {
		t.Warn("there may be more; go on with --after %s", next)
	}
}

func jobTable(colours io.Writer, records []lanes.Record) *show.Table {
	col, num := show.Col, show.Num
	t := show.NewTable(col("ID"), col("STATE"), col("LANE"), col("KIND"), num("AGE"), num("WAIT"), num("RAN"), num("ATTEMPTS"), col("PROGRESS"),
		num("PRIORITY").Wide(), col("WORKER").Wide(), col("LABELS").Wide(), col("OUTPUT").Wide(), col("DETAIL").Clipped(80))
	t.Empty = "no jobs"
	now := time.Now()
	for _, r := range records {
		wait := "-"
		if !r.StartedAt.IsZero() {
			wait = show.Short(r.Wait.D())
		}
		t.Add(r.ID, colourState(colours, r.State), r.Lane, r.Kind, show.Age(r.EnqueuedAt, now), wait, ran(r, now), fmt.Sprint(r.Attempts), progressOf(r),
			fmt.Sprint(r.Priority), cmp.Or(r.Worker, "-"), cmp.Or(labels.FormatLabels(r.Labels), "-"), cmp.Or(r.Output, "-"), detail(r))
	}
	return t
}

func colourState(w io.Writer, s lanes.State) string {
	code := map[lanes.State]string{lanes.Completed: show.Green, lanes.Dead: show.Red, lanes.Retrying: show.Yellow, lanes.Running: show.Cyan}[s]
	if code == "" {
		return string(s)
	}
	return show.Colour(w, code, string(s))
}

// ran is how long it took from the first start to the end, or to now.
func ran(r lanes.Record, now time.Time) string {
	switch {
	case r.StartedAt.IsZero():
		return "-"
	case r.EndedAt.IsZero():
		return show.Short(max(0, now.Sub(r.StartedAt)))
	default:
		return show.Short(max(0, r.EndedAt.Sub(r.StartedAt)))
	}
}

func progressOf(r lanes.Record) string {
	switch r.State {
	case lanes.Completed:
		return "100%"
	case lanes.Running:
		return fmt.Sprintf("%.0f%%", 100*r.Progress.Fraction)
	default:
		return "-"
	}
}

// detail is what is most worth knowing of a job in one line.
func detail(r lanes.Record) string {
	switch {
	case r.State == lanes.Dead:
		return r.Reason + ": " + r.Error
	case r.State == lanes.Retrying:
		return r.Error
	case r.State == lanes.Missing:
		return "its message is gone from the broker: siren jobs retry " + r.ID
	case r.State == lanes.Running && !r.LeaseUntil.IsZero() && time.Since(r.LeaseUntil) > time.Minute:
		return "its worker vanished " + show.Age(r.LeaseUntil, time.Now()) + " ago; it runs again when its message comes up, unless only its end went unrecorded"
	case len(r.Outputs) > 0:
		return r.Outputs[0].URL
	case r.State == lanes.Running && r.Progress.Note != "":
		return r.Progress.Note
	default:
		return r.Output
	}
}

func newJobsGet(a *app) *cobra.Command {
	var o show.Output
	c := &cobra.Command{
		Use:               "get ID …",
		Short:             "Show everything known of jobs",
		Example:           "  siren jobs get 06ezy…\n  siren jobs get 06ezy… -o json",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeJobs(),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.withLedger(func(ledger *redis.Ledger) error {
				var records []lanes.Record
				var missing error
				for _, id := range ids {
					r, err := ledger.Get(cmd.Context(), id)
					if redisNotFound(err) {
						missing = errors.Join(missing, noJob(id))
						continue
					}
					if err != nil {
						return reach.Unreachable(err)
					}
					records = append(records, r)
				}
				var err error
				switch {
				case len(ids) == 1 && len(records) == 1:
					err = o.Print(a.out, records[0])
				case len(records) > 0:
					err = o.Print(a.out, records)
				}
				if err == nil && missing != nil {
					err = exit.With(exit.NotFound, missing)
				}
				return err
			})
		},
	}
	formFlag(c, &o, "yaml", "json")
	return c
}

func newJobsWatch(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "watch ID …",
		Short: "Follow jobs until they end",
		Long: `Print a line for each change of the jobs' state, until all have ended. The exit code is
4 when one of them is dead, cancelled or missing.`,
		Example:           "  siren jobs watch 06ezy…",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeJobs(lanes.Queued, lanes.Running, lanes.Retrying),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.withLedger(func(ledger *redis.Ledger) error { return follow(cmd.Context(), a, ledger, ids) })
		},
	}
}

// follow prints the jobs' changes of state until all have ended.
func follow(ctx context.Context, a *app, ledger *redis.Ledger, ids []string) error {
	said := map[string]lanes.State{}
	var failed, missing int
	for r, err := range ledger.Watch(ctx, ids...) {
		switch {
		case redisNotFound(err):
			fmt.Fprintf(a.err, "no job %q\n", r.ID)
			missing++
			continue
		case errors.Is(err, lanes.ErrAway):
			fmt.Fprintln(a.err, "Redis is away; watching on")
			continue
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return reach.Unreachable(err)
		}
		if said[r.ID] == r.State {
			continue
		}
		said[r.ID] = r.State
		fmt.Fprintf(a.out, "%s  %-9s  %s\n", r.ID, r.State, detail(r))
		if r.State.Final() && r.State != lanes.Completed {
			failed++
		}
	}
	switch {
	case failed > 0:
		return exit.With(exit.JobFailed, fmt.Errorf("%d of %d jobs failed", failed, len(ids)))
	case missing > 0:
		return exit.With(exit.NotFound, fmt.Errorf("%d of %d jobs are not known", missing, len(ids)))
	default:
		return nil
	}
}
