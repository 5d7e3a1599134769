package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/lanes"
)

// explanation is why something is as it is: what was seen, in numbers and in sentences. Nothing in it is a guess but the predicted start,
// which says what it is made of.
type explanation struct {
	Kind  string `json:"kind"` // lane, pool or job
	Name  string `json:"name"`
	State string `json:"state,omitempty"` // a job's
	// Says is the sentences, most important first.
	Says []string `json:"says"`
	// Ahead is how many jobs of its lane are before a waiting job; Starts when it, or a job that came into the lane now, is predicted to start.
	Ahead  *int         `json:"ahead,omitempty"`
	Starts *time.Time   `json:"predictedStart,omitempty"`
	Limits []string     `json:"limits,omitempty"` // what keeps the fleet from doing more
	Plans  []lanes.Plan `json:"plans,omitempty"`  // the latest, newest first
}

func (x *explanation) say(format string, args ...any) {
	x.Says = append(x.Says, fmt.Sprintf(format, args...))
}

const plansShown = 5

func newExplain(a *app) *cobra.Command {
	lane := newExplainer(a, "lane NAME", "Explain how a lane fares, and what limits it", "  siren explain lane express", upTo(1, a.completeLanes), (*sight).lane)
	pool := newExplainer(a, "pool NAME", "Explain why a pool has as many workers as it has", "  siren explain pool general", upTo(1, a.completePools), (*sight).pool)
	job := newExplainer(a, "job ID", "Explain where a job is, why it waits, and when it starts", "  siren explain job 06ezy…", upTo(1, a.completeJobs()), (*sight).job)
	c := &cobra.Command{
		Use:     "explain",
		Short:   "Explain a lane, a pool or a job",
		Long:    "Explain in sentences and numbers why a lane, a pool or a job is as it is, from what the scaler saw and what the ledger knows.",
		Example: lane.Example + "\n" + pool.Example + "\n" + job.Example,
		Args:    noSuchVerb,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, noun := range []*cobra.Command{lane, pool, job} { // lane/express, as -o name prints it
		takePrefixed(noun.Name()+"/", []*cobra.Command{noun})
		c.AddCommand(noun)
	}
	return c
}

func newExplainer(
	a *app, use, short, example string, complete cobra.CompletionFunc,
	explain func(*sight, context.Context, string) (explanation, error),
) *cobra.Command {
	var o show.Output
	c := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ExactArgs(1), ValidArgsFunction: complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.operate(func(op *operator) error {
				s, err := op.look(cmd.Context())
				if err != nil {
					return err
				}
				x, err := explain(s, cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if o.Format == "table" {
					return x.print(a.out)
				}
				return o.Print(a.out, x)
			})
		},
	}
	formFlag(c, &o, "table", "json", "yaml")
	return c
}

func (x explanation) print(w io.Writer) error {
	for _, s := range x.Says {
		fmt.Fprintln(w, show.Harmless(s))
	}
	if len(x.Limits) > 0 {
		fmt.Fprintln(w, "\nWhat limits it:")
		for _, l := range x.Limits {
			fmt.Fprintln(w, "  - "+show.Harmless(l))
		}
	}
	if len(x.Plans) > 0 {
		fmt.Fprintln(w, "\nThe last plans:")
		for _, p := range x.Plans {
			fmt.Fprintf(w, "  %s  %s  %s: %s\n", stamp(p.At), p.Pool, p.Reason, show.Harmless(p.Why))
		}
	}
	return nil
}

// sight is all that explaining needs, seen at one moment.
type sight struct {
	*operator
	policy  lanes.Effective
	snap    lanes.Snapshot
	workers []lanes.Heartbeat
	tuned   []lanes.Tuning
	now     time.Time // by Redis' clock, as the snapshot's
}

func (o *operator) look(ctx context.Context) (*sight, error) {
	s := &sight{operator: o}
	var err error
	if s.policy, err = o.inForce(ctx); err != nil {
		return nil, err
	}
	if s.snap, err = latest(ctx, o.board); err != nil {
		return nil, err
	}
	if s.workers, s.now, err = o.roster.Workers(ctx); err != nil {
		return nil, reach.Unreachable(err)
	}
	t, _, err := o.tunings.Now(ctx)
	s.tuned = t.All
	return s, reach.Unreachable(err)
}

func (s *sight) laneStatus(name string) (lanes.LaneStatus, bool) {
	i := slices.IndexFunc(s.snap.Lanes, func(l lanes.LaneStatus) bool { return l.Name == name })
	if i < 0 {
		return lanes.LaneStatus{Name: name}, false
	}
	return s.snap.Lanes[i], true
}

func (s *sight) poolStatus(name string) (lanes.PoolStatus, bool) {
	i := slices.IndexFunc(s.snap.Pools, func(p lanes.PoolStatus) bool { return p.Name == name })
	if i < 0 {
		return lanes.PoolStatus{Name: name}, false
	}
	return s.snap.Pools[i], true
}

// serving is the pools that take jobs of the lane, its home first.
func (s *sight) serving(lane string) (names []string) {
	home, ok := s.policy.Policy.Home(lane)
	if !ok { // a lane that left the policy
		home, _ = s.policy.Policy.Home(s.policy.Policy.DefaultLane())
	}
	names = []string{home.Name}
	for _, q := range s.policy.Policy.Pools {
		if slices.Contains(q.Guests, lane) {
			names = append(names, q.Name)
		}
	}
	return names
}

// start predicts when a job with so many others of its lane before it starts.
func (s *sight) start(ctx context.Context, lane string, ahead int) (at time.Time, ok bool) {
	wait, ok := lanes.Forecast{Effective: &s.policy, Snapshot: s.snap, Workers: s.workers, Left: s.left(ctx)}.Start(lane, ahead)
	at = s.snap.At.Add(wait)
	if at.Before(s.now) {
		at = s.now
	}
	return at, ok
}

// left is how much longer the running jobs go on that say how far they are.
func (s *sight) left(ctx context.Context) map[string]time.Duration {
	left := map[string]time.Duration{}
	for _, w := range s.workers {
		for _, run := range w.Running {
			r, err := s.ledger.Get(ctx, run.Job)
			if f := r.Progress.Fraction; err == nil && f > 0.02 && f < 1 && !r.LeaseUntil.IsZero() {
				told := r.LeaseUntil.Add(-s.policy.Policy.Timing.Lease.D()) // with its last renewal it said how far it was
				ran := told.Sub(run.Since)
				left[run.Job] = max(0, time.Duration(float64(ran)*(1-f)/f)-s.now.Sub(told))
			}
		}
	}
	return left
}

// plans is the last plans of the pools, the newest first.
func (s *sight) plans(ctx context.Context, pools ...string) (all []lanes.Plan, err error) {
	for _, q := range pools {
		plans, err := s.board.Plans(ctx, q, s.now.Add(-24*time.Hour), plansShown)
		if err != nil {
			return nil, reach.Unreachable(err)
		}
		all = append(all, plans...)
	}
	slices.SortStableFunc(all, func(x, y lanes.Plan) int { return y.At.Compare(x.At) })
	return all[:min(len(all), plansShown)], nil
}
