package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/lanes"
)

func newWorkers(a *app) *cobra.Command {
	o := listing{kind: "worker"}
	var pool string
	c := &cobra.Command{
		Use:     "workers",
		Short:   "Show each worker and what it runs",
		Example: "  siren workers --pool general\n  siren workers -o wide --watch",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.operate(func(op *operator) error {
				return o.show(cmd.Context(), a.streams, func() (any, *table, error) {
					all, now, err := op.roster.Workers(cmd.Context())
					if err != nil {
						return nil, nil, unreachable(err)
					}
					all = slices.DeleteFunc(all, func(w lanes.Heartbeat) bool { return pool != "" && w.Pool != pool })
					if pool != "" && len(all) == 0 { // one that left the policy may still have workers
						e, err := op.inForce(cmd.Context())
						if err == nil {
							err = knownPool(e, pool)
						}
						if err != nil {
							return nil, nil, err
						}
					}
					return all, workerTable(a.out, all, now), nil
				})
			})
		},
	}
	c.Flags().StringVar(&pool, "pool", "", "only workers of this pool")
	completeFlag(c, "pool", a.completePools)
	o.flags(c)
	return c
}

func workerTable(colours io.Writer, all []lanes.Heartbeat, now time.Time) *table {
	t := newTable(col("WORKER"), col("POOL"), col("STATE"), num("SLOTS"), num("SHOULDER"), num("AGE"), col("RUNNING"),
		num("SEEN").wide(), num("REVISION").wide(), num("STARTED").wide(), num("FAILED").wide(), col("VERSION").wide())
	t.empty = "no workers"
	for _, w := range all {
		shared, aside, jobs := 0, 0, []string{}
		for _, r := range w.Running {
			if r.Shoulder {
				aside++
			} else {
				shared++
			}
			jobs = append(jobs, fmt.Sprintf("%s %s %s", r.Lane, r.Job, age(r.Since, now)))
		}
		var started, failed int64
		for _, l := range w.Lanes {
			started, failed = started+l.Started, failed+l.Failed
		}
		began := "-"
		if !w.Began.IsZero() {
			began = age(w.Began, now)
		}
		t.add(w.Worker, w.Pool, workerState(colours, w, now), fmt.Sprintf("%d/%d", shared, w.Slots), fmt.Sprintf("%d/%d", aside, w.Shoulder), began,
			strings.Join(jobs, ", "), age(w.At, now), fmt.Sprint(w.Revision), fmt.Sprint(started), fmt.Sprint(failed), w.Version)
	}
	return t
}

// workerState is what a worker does about new jobs.
func workerState(colours io.Writer, w lanes.Heartbeat, now time.Time) string {
	switch {
	case now.Sub(w.At) > freshFor:
		return colour(colours, red, "silent")
	case w.Draining:
		return colour(colours, yellow, "draining")
	case w.Retired:
		return colour(colours, dim, "retired")
	case w.Parked:
		return colour(colours, dim, "parked")
	case !w.Subscribed:
		return colour(colours, red, "no broker")
	default:
		return colour(colours, green, "taking")
	}
}
