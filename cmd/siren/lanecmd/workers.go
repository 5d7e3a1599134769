package lanecmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func NewWorkers(a *app.App) *cobra.Command {
	o := show.Listing{Kind: "worker"}
	var pool string
	c := &cobra.Command{
		Use:     "workers",
		Short:   "Show each worker and what it runs",
		Example: "  siren workers --pool general\n  siren workers -o wide --watch",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.Operate(func(op *app.Operator) error {
				return o.Show(cmd.Context(), a.Out, a.Err, func() (any, *show.Table, error) {
					all, now, err := op.Roster.Workers(cmd.Context())
					if err != nil {
						return nil, nil, err
					}
					e, err := op.InForce(cmd.Context())
					if err != nil && !errors.Is(err, operate.ErrNoPolicy) {
						return nil, nil, err
					}
					all = slices.DeleteFunc(all, func(w fleet.Heartbeat) bool { return pool != "" && w.Pool != pool })
					if pool != "" && len(all) == 0 { // one that left the policy may still have workers
						if err == nil {
							err = operate.RequirePool(e, pool)
						}
						if err != nil {
							return nil, nil, err
						}
					}
					return all, workerTable(all, now, silentAfter(e)), nil
				})
			})
		},
	}
	c.Flags().StringVar(&pool, "pool", "", "only workers of this pool")
	app.CompleteFlag(c, "pool", a.CompletePools)
	app.ListFlags(c, &o)
	return c
}

func workerTable(all []fleet.Heartbeat, now time.Time, silent time.Duration) *show.Table {
	col, num := show.Col, show.Num
	t := show.NewTable(col("WORKER").Least(leastName), col("POOL"), col("STATE"), num("SLOTS"), num("SHOULDER"),
		num("AGE"), col("RUNNING"), num("SEEN").Wide(), num("REVISION").Wide(), num("STARTED").Wide(),
		num("FAILED").Wide(), col("VERSION").Wide())
	t.Spare("REVISION", "VERSION", "SEEN", "AGE", "SHOULDER", "SLOTS", "STARTED", "FAILED", "POOL",
		"WORKER")
	t.Empty = "no workers"
	for _, w := range all {
		shared, jobs := w.OnShared(), []string{}
		for _, r := range w.Running {
			jobs = append(jobs, fmt.Sprintf("%s %s %s", r.Lane, r.Job, say.Age(r.Since, now)))
		}
		var started, failed int64
		for _, l := range w.Lanes {
			started, failed = started+l.Started, failed+l.Failed
		}
		began := "-"
		if !w.Began.IsZero() {
			began = say.Age(w.Began, now)
		}
		state, style := workerState(w, now.Sub(w.At) > silent)
		t.Add(w.Worker, w.Pool, state, fmt.Sprintf("%d/%d", shared, w.Slots),
			fmt.Sprintf("%d/%d", len(w.Running)-shared, w.Shoulder), began,
			strings.Join(jobs, ", "), say.Age(w.At, now), fmt.Sprint(w.Revision), fmt.Sprint(started),
			fmt.Sprint(failed), w.Version)
		t.Paint("STATE", style)
	}
	return t
}

// leastName is how many characters of a worker's name are seen at least.
const leastName = 16

// silentAfter returns how long a worker may say nothing, by the policy in force, or by the defaults when there is none.
func silentAfter(e lanes.Effective) time.Duration {
	e.Policy.Default()
	return e.Policy.Timing.GoneAfter.D()
}

// workerState says what a worker does about new jobs.
func workerState(w fleet.Heartbeat, silent bool) (state string, style show.Style) {
	switch {
	case silent:
		return "silent", show.Red
	case w.Draining:
		return "draining", show.Yellow
	case w.Retired:
		return "retired", show.Dim
	case w.Parked:
		return "parked", show.Dim
	case w.Starting():
		return "starting", show.Dim
	case !w.Subscribed:
		return "no broker", show.Red
	default:
		return "taking", show.Green
	}
}
