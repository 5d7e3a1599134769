package walk

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/bench/yardstick"
	"github.com/polyglot-media/siren/worker"
)

// takenPerSlot is how many jobs of one measurement each slot gets, about.
const takenPerSlot = 1000

// Take measures no-op jobs of the standard lane from take to settle. A slot of the pool looks into the express lane
// first, so each job costs two basic.gets, a claim, a close and an ack; a raw one costs a basic.get and an ack.
func Take(ctx context.Context, b *stand.Bench) ([]report.Figure, error) {
	var figures []report.Figure
	for _, n := range []int{1, 4} {
		f, err := takeWith(ctx, b, n)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f...)
	}
	return figures, nil
}

func takeWith(ctx context.Context, b *stand.Bench, slots int) ([]report.Figure, error) {
	var siren, get, push, sirenJob, getJob []float64
	n := takenPerSlot * slots
	for run := range b.Runs {
		b.Say("take with %d slots, run %d of %d", slots, run+1, b.Runs)
		err := alternately(run,
			func() error {
				came, err := takeNoops(ctx, b, n, slots)
				if err == nil {
					siren, sirenJob = append(siren, yardstick.PerSecond(came)), append(sirenJob, yardstick.PerJob(came))
				}
				return err
			},
			func() error {
				came, err := takeRaw(ctx, b, n, func() ([]yardstick.Arrivals, error) {
					return b.Raw.Get(yardstick.LaneQueue(stand.StandardLane), n, slots)
				})
				if err == nil {
					get, getJob = append(get, yardstick.PerSecond(came)), append(getJob, yardstick.PerJob(came))
				}
				return err
			},
			func() error {
				came, err := takeRaw(ctx, b, n, func() ([]yardstick.Arrivals, error) {
					return b.Raw.Push(ctx, yardstick.LaneQueue(stand.StandardLane), n, slots)
				})
				if err == nil {
					push = append(push, yardstick.PerSecond(came))
				}
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	of := fmt.Sprintf("%d slots", slots)
	if slots == 1 {
		of = "1 slot"
	}
	return []report.Figure{
		{Name: "no-op jobs, " + of, Unit: "jobs/s", Siren: siren, Baseline: get, Against: "raw get"},
		{Name: "no-op jobs, " + of, Unit: "jobs/s", Siren: siren, Baseline: push, Against: "raw push"},
		{Name: "time of a slot per job, p50, " + of, Unit: "ms", Siren: sirenJob, Baseline: getJob, Against: "raw get"},
		{
			Name: "added to raw get per job, p50, " + of, Unit: "ms",
			Siren: report.Pairwise(sirenJob, getJob, report.Minus),
			Aim:   &report.Aim{AtMost: 2},
		},
	}, nil
}

// takeRaw fills the lane and empties it.
func takeRaw(
	ctx context.Context, b *stand.Bench, n int, take func() ([]yardstick.Arrivals, error),
) ([]yardstick.Arrivals, error) {
	if err := b.Fill(ctx, stand.Noops(stand.StandardLane, n)); err != nil {
		return nil, err
	}
	return take()
}

// noticing is a source that notes when its slot's jobs come.
type noticing struct {
	worker.Source
	came yardstick.Arrivals
}

func (s *noticing) Next(ctx context.Context) (work.Delivery, error) {
	d, err := s.Source.Next(ctx)
	if err == nil {
		s.came = append(s.came, time.Now())
	}
	return d, err
}

// takeNoops takes n jobs with a worker's slots, and makes sure that each was completed.
func takeNoops(ctx context.Context, b *stand.Bench, n, shared int) ([]yardstick.Arrivals, error) {
	jobs := stand.Noops(stand.StandardLane, n)
	if err := b.Fill(ctx, jobs); err != nil {
		return nil, err
	}
	taking, stop := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("it takes far too long"))
	defer stop()
	var handled atomic.Int64
	var sources []*noticing
	err := serve(taking, b, fmt.Sprintf("bench-take-%d", shared),
		slots{shared: shared, wrap: func(s worker.Source) worker.Source {
			sources = append(sources, &noticing{Source: s})
			return sources[len(sources)-1]
		}}, handlerFunc(func(context.Context, work.Task) (work.Result, error) {
			if handled.Add(1) == int64(n) {
				stop()
			}
			return work.Result{}, nil
		}))
	if err != nil {
		return nil, err
	}
	if got := handled.Load(); got != int64(n) {
		return nil, fmt.Errorf("%d of %d jobs ran", got, n)
	}
	came := make([]yardstick.Arrivals, len(sources))
	for i, s := range sources {
		came[i] = s.came
	}
	return came, settled(ctx, b, jobs)
}

// settled returns an error unless all jobs are completed and off the queues.
func settled(ctx context.Context, b *stand.Bench, jobs []job.Job) error {
	for _, queue := range []string{yardstick.LaneQueue(stand.StandardLane), yardstick.DeadQueue} {
		if left, err := b.Raw.Ready(queue); err != nil || left > 0 {
			return errors.Join(err, fmt.Errorf("%d jobs are left in %s", left, queue))
		}
	}
	for _, j := range jobs {
		r, err := b.Ledger.Get(ctx, j.ID)
		if err != nil {
			return err
		}
		if r.State != job.Completed {
			return fmt.Errorf("job %s is %s after it ran", j.ID, r.State)
		}
	}
	return nil
}
