package walk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/wait"
	"github.com/polyglot-media/siren/worker"
	"github.com/polyglot-media/siren/worker/media"
)

// expressSamples is how many express jobs one measurement starts.
const expressSamples = 200

// Express measures the time from a producer's call to the start of the handler in a worker with two shared slots and a
// shoulder, while nothing else runs, while jobs that only wait are in every shared slot, and while transcodes there
// take all the CPU they get. Beside it goes a raw message from publish to consumer, by turns.
func Express(ctx context.Context, b *stand.Bench) ([]report.Figure, error) {
	if err := b.MakeClips(ctx); err != nil {
		return nil, err
	}
	transcoder, err := media.New(media.Options{Self: b.Siren, Scratch: filepath.Join(b.Dir, "scratch"), Log: b.Log})
	if err != nil {
		return nil, err
	}
	sleeper := handlerFunc(func(ctx context.Context, _ work.Task) (work.Result, error) {
		<-ctx.Done()
		return work.Result{}, context.Cause(ctx)
	})
	loads := []struct {
		name  string
		lower worker.Handler
		jobs  func() []job.Job // one and a half for each shared slot at least, so that none gets free
	}{
		{"idle", nil, func() []job.Job { return nil }},
		{"lower slots busy", sleeper, func() []job.Job { return stand.Noops(stand.StandardLane, 2*stand.PoolSlots) }},
		{"beside transcodes", transcoder, func() []job.Job {
			return b.Saturating(stand.StandardLane, 2*stand.PoolSlots)
		}},
	}
	var figures []report.Figure
	for _, load := range loads {
		p50 := report.Figure{Name: "express to start, " + load.name + ", p50", Unit: "ms", Against: "raw"}
		p99 := report.Figure{
			Name: "express to start, " + load.name + ", p99", Unit: "ms", Against: "raw",
			Aim: &report.Aim{AtMost: 20},
		}
		for run := range b.Runs {
			b.Say("express to start, %s, run %d of %d", load.name, run+1, b.Runs)
			siren, raw, err := expressBeside(ctx, b, load.lower, load.jobs())
			if err != nil {
				return nil, err
			}
			p50.Siren, p50.Baseline = append(p50.Siren, report.Percentile(siren, 50)),
				append(p50.Baseline, report.Percentile(raw, 50))
			p99.Siren, p99.Baseline = append(p99.Siren, report.Percentile(siren, 99)),
				append(p99.Baseline, report.Percentile(raw, 99))
		}
		figures = append(figures, p50, p99)
	}
	return figures, nil
}

// expressHandler notes when express jobs start and hands the others on.
type expressHandler struct {
	lower   worker.Handler
	running atomic.Int32 // lower jobs
	started chan time.Time
	ended   chan error // a lower job ended, so not every slot is busy
}

func (h *expressHandler) Handle(ctx context.Context, t work.Task) (work.Result, error) {
	now := time.Now()
	if t.Lane == stand.ExpressLane {
		h.started <- now
		return work.Result{}, nil
	}
	h.running.Add(1)
	result, err := h.lower.Handle(ctx, t)
	if ctx.Err() == nil {
		select {
		case h.ended <- errors.Join(fmt.Errorf("a lower %s ended while express jobs were measured", t.Job.Kind), err):
		default: // one is enough
		}
	}
	return result, err
}

// expressBeside measures beside lower jobs, in milliseconds.
func expressBeside(
	ctx context.Context, b *stand.Bench, lower worker.Handler, jobs []job.Job,
) (siren, raw []float64, err error) {
	if err := b.Fill(ctx, jobs); err != nil {
		return nil, nil, err
	}
	h := &expressHandler{lower: lower, started: make(chan time.Time, 1), ended: make(chan error, 1)}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- serve(serving, b, "bench-express", slots{shared: stand.PoolSlots, shoulder: 1}, h) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served, b.Raw.Purge(), b.ClearOutputs())
	}()
	err = wait.Until(ctx, 30*time.Second, "every lower slot to be busy", func() (bool, error) {
		return len(jobs) == 0 || h.running.Load() == stand.PoolSlots, nil
	})
	if err != nil {
		return nil, nil, err
	}
	if err := wait.Pause(ctx, time.Second); err != nil {
		// until the transcodes are past their inspection, and the shoulder is subscribed
		return nil, nil, err
	}
	echo, err := b.Raw.Echo(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, echo.Close()) }()
	for range expressSamples {
		began := time.Now()
		if err := b.Enqueue(ctx, stand.Noops(stand.ExpressLane, 1)); err != nil {
			return nil, nil, err
		}
		at, err := h.start(ctx)
		if err != nil {
			return nil, nil, err
		}
		siren = append(siren, report.Millis(at.Sub(began)))
		if err := wait.Pause(ctx, between()); err != nil {
			return nil, nil, err
		}
		began = time.Now()
		if at, err = echo.Send(ctx, stand.Noops(stand.ExpressLane, 1)); err != nil {
			return nil, nil, err
		}
		raw = append(raw, report.Millis(at.Sub(began)))
		if err := wait.Pause(ctx, between()); err != nil {
			return nil, nil, err
		}
	}
	return siren, raw, nil
}

// start returns when the express job under way started.
func (h *expressHandler) start(ctx context.Context) (time.Time, error) {
	select {
	case at := <-h.started:
		return at, nil
	case err := <-h.ended:
		return time.Time{}, err
	case <-time.After(10 * time.Second):
		return time.Time{}, errors.New("an express job didn't start within 10 s")
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	}
}

// between returns a pause between two samples: long enough that idle slots wait again, and of no rhythm.
func between() time.Duration { return 5*time.Millisecond + rand.N(5*time.Millisecond) }
