package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker"
	"github.com/polyglot-media/siren/worker/media"
)

// expressSamples is how many express jobs one measurement starts.
const expressSamples = 200

// express measures the time from a producer's call to the start of the handler in a worker with two shared slots and a
// shoulder, while nothing else runs, while jobs that only wait are in every shared slot, and while transcodes there
// take all the CPU they get. Beside it goes a raw message from publish to consumer, by turns.
func (b *bench) express(ctx context.Context) ([]figure, error) {
	if err := b.makeClips(ctx); err != nil {
		return nil, err
	}
	transcoder, err := media.New(media.Options{Self: b.siren, Scratch: filepath.Join(b.dir, "scratch"), Log: b.log})
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
		{"lower slots busy", sleeper, func() []job.Job { return noops(standardLane, 2*poolSlots) }},
		{"beside transcodes", transcoder, func() []job.Job { return b.saturating(standardLane, 2*poolSlots) }},
	}
	var figures []figure
	for _, load := range loads {
		p50 := figure{Name: "express to start, " + load.name + ", p50", Unit: "ms", Against: "raw"}
		p99 := figure{
			Name: "express to start, " + load.name + ", p99", Unit: "ms", Against: "raw",
			Aim: &aim{AtMost: 20},
		}
		for run := range b.runs {
			b.say("express to start, %s, run %d of %d", load.name, run+1, b.runs)
			siren, raw, err := b.expressBeside(ctx, load.lower, load.jobs())
			if err != nil {
				return nil, err
			}
			p50.Siren, p50.Baseline = append(p50.Siren, percentile(siren, 50)),
				append(p50.Baseline, percentile(raw, 50))
			p99.Siren, p99.Baseline = append(p99.Siren, percentile(siren, 99)),
				append(p99.Baseline, percentile(raw, 99))
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
	if t.Lane == expressLane {
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
func (b *bench) expressBeside(
	ctx context.Context, lower worker.Handler, jobs []job.Job,
) (siren, raw []float64, err error) {
	if err := b.fill(ctx, jobs); err != nil {
		return nil, nil, err
	}
	h := &expressHandler{lower: lower, started: make(chan time.Time, 1), ended: make(chan error, 1)}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- b.serve(serving, "bench-express", slots{shared: poolSlots, shoulder: 1}, h) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served, b.raw.purge(), b.clearOutputs())
	}()
	err = await(ctx, 30*time.Second, "every lower slot to be busy", func() (bool, error) {
		return len(jobs) == 0 || h.running.Load() == poolSlots, nil
	})
	if err != nil {
		return nil, nil, err
	}
	if err := pause(ctx, time.Second); err != nil {
		// until the transcodes are past their inspection, and the shoulder is subscribed
		return nil, nil, err
	}
	echo, err := b.raw.echo(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, echo.close()) }()
	for range expressSamples {
		began := time.Now()
		if err := b.enqueue(ctx, noops(expressLane, 1)); err != nil {
			return nil, nil, err
		}
		at, err := h.start(ctx)
		if err != nil {
			return nil, nil, err
		}
		siren = append(siren, millis(at.Sub(began)))
		if err := pause(ctx, between()); err != nil {
			return nil, nil, err
		}
		began = time.Now()
		if at, err = echo.send(ctx); err != nil {
			return nil, nil, err
		}
		raw = append(raw, millis(at.Sub(began)))
		if err := pause(ctx, between()); err != nil {
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

// echo is a raw producer and a raw consumer of one queue.
type echo struct {
	*outlet
	consumer *amqp.Channel
	came     <-chan amqp.Delivery
}

func (r *raw) echo(ctx context.Context) (*echo, error) {
	const queue = "bench.echo"
	ch, err := r.consumer.Channel()
	if err != nil {
		return nil, err
	}
	if _, err := ch.QueueDeclare(queue, true, false, false, false,
		amqp.Table{"x-queue-type": lanes.Classic}); err != nil {
		return nil, err
	}
	if err := ch.Qos(1, 0, false); err != nil {
		return nil, err
	}
	e := &echo{consumer: ch}
	if e.came, err = ch.ConsumeWithContext(ctx, queue, "", false, false, false, false, nil); err != nil {
		return nil, err
	}
	e.outlet, err = r.outlet("", queue)
	return e, err
}

// send publishes a message and returns when the consumer has it.
func (e *echo) send(ctx context.Context) (time.Time, error) {
	at := make(chan time.Time, 1)
	go func() {
		if d, ok := <-e.came; ok {
			at <- time.Now()
			_ = d.Ack(false)
		}
	}()
	if err := e.publish(ctx, publishings(noops(expressLane, 1)), 1); err != nil {
		return time.Time{}, err
	}
	select {
	case t := <-at:
		return t, nil
	case <-time.After(10 * time.Second):
		return time.Time{}, errors.New("a raw message didn't come within 10 s")
	}
}

func (e *echo) close() error { return errors.Join(e.Close(), e.consumer.Close()) }
