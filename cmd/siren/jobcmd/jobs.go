package jobcmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/choose"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
)

func NewJobs(a *app.App) *cobra.Command {
	return app.Parent("jobs", "Show what became of jobs", newJobsList(a), newJobsGet(a), newJobsWatch(a),
		newJobsLogs(a),
		newJobsMove(a), newJobsRetry(a), newJobsCancel(a))
}

func newJobsList(a *app.App) *cobra.Command {
	var f choose.Jobs
	o := show.Listing{Kind: "job"}
	c := &cobra.Command{
		Use:     "list",
		Short:   "List jobs, the newest first",
		Long:    "List jobs, the newest first; with --watch the running ones come first.",
		Example: "  siren jobs list --lane express --since 1h\n  siren jobs list --state running -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.Operate(func(op *app.Operator) error {
				return o.Show(cmd.Context(), a.Out, a.Err, func() (any, *show.Table, error) {
					list := f.List
					if o.Watching {
						list = runningFirst(f)
					}
					records, next, err := list(cmd.Context(), op.Ledger, op.Now())
					if err == nil && len(records) == 0 {
						err = op.NothingOf(cmd.Context(), f.Lane)
					}
					t := jobTable(records, a.Now())
					choose.GoesOn(t, next)
					return records, t, err
				})
			})
		},
	}
	f.Choosing(a, c)
	f.ByState(c, job.Queued, job.Running, job.Retrying, job.Completed, job.Dead, job.Cancelled, job.Missing)
	f.Paging(c)
	app.ListFlags(c, &o)
	return c
}

// runningFirst returns what lists the chosen jobs with those that run before the others, within the limit.
func runningFirst(f choose.Jobs) func(
	context.Context, *jobledger.Ledger, time.Time,
) (all []job.Record, next string, err error) {
	return func(ctx context.Context, ledger *jobledger.Ledger, now time.Time) ([]job.Record, string, error) {
		all, next, err := f.List(ctx, ledger, now)
		if err != nil || f.State != "" || f.After != "" {
			return all, next, err
		}
		running := f
		running.State = string(job.Running)
		first, _, err := running.List(ctx, ledger, now)
		for _, r := range all {
			if !slices.ContainsFunc(first, func(x job.Record) bool { return x.ID == r.ID }) {
				first = append(first, r)
			}
		}
		if f.Limit > 0 {
			first = first[:min(len(first), f.Limit)]
		}
		return first, next, err
	}
}

func jobTable(records []job.Record, now time.Time) *show.Table {
	col, num := show.Col, show.Num
	t := show.NewTable(show.ID(), col("STATE"), col("LANE"), col("KIND"), num("AGE"), num("WAIT"), num("RAN"),
		num("ATTEMPTS"), col("PROGRESS"), col("PRESET").Wide(), num("PRIORITY").Wide(), col("WORKER").Wide(),
		col("LABELS").Wide(), col("OUTPUT").Wide(), col("DETAIL").Clipped(80))
	t.Spare("OUTPUT", "LABELS", "PRIORITY", "PRESET", "WORKER", "ATTEMPTS", "AGE", "KIND", "WAIT", "RAN",
		"DETAIL", "ID", "LANE", "PROGRESS")
	t.Empty = "no jobs"
	for _, r := range records {
		wait := "-"
		if !r.StartedAt.IsZero() {
			wait = say.Short(r.Wait.D())
		}
		t.Add(r.ID, string(r.State), r.Lane, cmp.Or(r.Kind, "-"), say.Age(r.EnqueuedAt, now), wait, say.Ran(r, now),
			fmt.Sprint(r.Attempts), progressOf(r),
			cmp.Or(r.Preset, "-"), fmt.Sprint(r.Priority), cmp.Or(r.Worker, "-"),
			cmp.Or(labels.FormatLabels(r.Labels), "-"),
			cmp.Or(r.Output, "-"), Detail(r, now))
		t.Paint("STATE", stateStyles[r.State])
	}
	return t
}

var stateStyles = map[job.State]show.Style{
	job.Completed: show.Green, job.Dead: show.Red, job.Retrying: show.Yellow,
	job.Running: show.Cyan,
}

// progressOf returns how far a job is; "-" for one that is neither running nor completed.
func progressOf(r job.Record) string {
	switch r.State {
	case job.Completed:
		return "100%"
	case job.Running:
		return fmt.Sprintf("%.0f%%", 100*r.Progress.Fraction)
	default:
		return "-"
	}
}

// Detail returns what is most worth knowing of a job, in one line.
func Detail(r job.Record, now time.Time) string {
	switch {
	case r.State == job.Dead:
		return r.Reason + ": " + r.Error
	case r.State == job.Retrying:
		return r.Error
	case r.State == job.Missing:
		return "its message is gone from the broker: siren jobs retry " + r.ID
	case r.State == job.Running && !r.LeaseUntil.IsZero() && now.Sub(r.LeaseUntil) > time.Minute:
		return "its worker vanished " + say.Age(r.LeaseUntil, now) +
			" ago; the leading scaler puts it into its lane again"
	case len(r.Outputs) > 0:
		if n := len(r.Warnings); n > 0 {
			return fmt.Sprintf("%s, with %s: %s", r.Outputs[0].URL, say.Plural(n, "warning"), r.Warnings[0])
		}
		return r.Outputs[0].URL
	case r.State == job.Running && r.Progress.Note != "":
		return r.Progress.Note
	default:
		return r.Output
	}
}
