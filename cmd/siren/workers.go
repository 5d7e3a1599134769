package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/lanes"
)

func newWorkers(a *app) *cobra.Command {
	o := show.Listing{Kind: "worker"}
	var pool string
	c := &cobra.Command{
		Use:     "workers",
		Short:   "Show each worker and what it runs",
		Example: "  siren workers --pool general\n  siren workers -o wide --watch",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.operate(func(op *operator) error {
				return o.Show(cmd.Context(), a.out, a.err, func() (any, *show.Table, error) {
					all, now, err := op.roster.Workers(cmd.Context())
					if err != nil {
						return nil, nil, reach.Unreachable(err)
					}
					e, err := op.inForce(cmd.Context())
					if err != nil && !errors.Is(err, errNoPolicy) {
						return nil, nil, err
					}
					all = slices.DeleteFunc(all, func(w lanes.Heartbeat) bool { return pool != "" && w.Pool != pool })
					if pool != "" && len(all) == 0 { // one that left the policy may still have workers
						if err == nil {
							err = knownPool(e, pool)
						}
						if err != nil {
							return nil, nil, err
						}
					}
					return all, workerTable(a.out, all, now, silentAfter(e)), nil
				})
			})
		},
	}
	c.Flags().StringVar(&pool, "pool", "", "only workers of this pool")
	completeFlag(c, "pool", a.completePools)
	listFlags(c, &o)
	return c
}

func workerTable(colours io.Writer, all []lanes.Heartbeat, now time.Time, silent time.Duration) *show.Table {
	col, num := show.Col, show.Num
	t := show.NewTable(col("WORKER"), col("POOL"), col("STATE"), num("SLOTS"), num("SHOULDER"), num("AGE"), col("RUNNING"),
		num("SEEN").Wide(), num("REVISION").Wide(), num("STARTED").Wide(), num("FAILED").Wide(), col("VERSION").Wide())
	t.Empty = "no workers"
	for _, w := range all {
		shared, aside, jobs := 0, 0, []string{}
		for _, r := range w.Running {
			if r.Shoulder {
				aside++
			} else {
				shared++
			}
			jobs = append(jobs, fmt.Sprintf("%s %s %s", r.Lane, r.Job, show.Age(r.Since, now)))
		}
		var started, failed int64
		for _, l := range w.Lanes {
			started, failed = started+l.Started, failed+l.Failed
		}
		began := "-"
		if !w.Began.IsZero() {
			began = show.Age(w.Began, now)
		}
		t.Add(w.Worker, w.Pool, workerState(colours, w, now.Sub(w.At) > silent), fmt.Sprintf("%d/%d", shared, w.Slots), fmt.Sprintf("%d/%d", aside, w.Shoulder), began,
			strings.Join(jobs, ", "), show.Age(w.At, now), fmt.Sprint(w.Revision), fmt.Sprint(started), fmt.Sprint(failed), w.Version)
	}
	return t
}

// silentAfter is how long a worker may say nothing, by the policy in force; by the defaults when there is none.
func silentAfter(e lanes.Effective) time.Duration {
	e.Policy.Default()
	return e.Policy.Timing.GoneAfter.D()
}

// workerState is what a worker does about new jobs.
func workerState(colours io.Writer, w lanes.Heartbeat, silent bool) string {
	switch {
	case silent:
		return show.Colour(colours, show.Red, "silent")
	case w.Draining:
		return show.Colour(colours, show.Yellow, "draining")
	case w.Retired:
		return show.Colour(colours, show.Dim, "retired")
	case w.Parked:
		return show.Colour(colours, show.Dim, "parked")
	case !w.Subscribed:
		return show.Colour(colours, show.Red, "no broker")
	default:
		return show.Colour(colours, show.Green, "taking")
	}
}
