package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/test/wait"
)

// stopTime is how long a process may take to stop when nothing is left.
const stopTime = 20 * time.Second

// run does a whole run: start, break, fix, drain, look, judge. It returns an error when the run couldn't be done; what
// it proved is in the report. Nothing that it started is left.
func run(ctx context.Context, o options) (r report, err error) {
	s, err := openSite(ctx, o, func(s *site) error { return s.open(ctx, o) })
	if err != nil {
		return r, err
	}
	defer func() {
		err = errors.Join(err, s.close(context.WithoutCancel(ctx)))
		if err == nil && len(r.Violations) == 0 && !o.keep {
			_ = os.RemoveAll(s.dir)
		} else if err != nil {
			err = fmt.Errorf("%w; everything is kept in %s", err, s.dir)
		}
	}()
	o.log.Info("starting", "seed", o.seed, "duration", o.duration.String(), "rabbitmq", s.brokerVersion, "redis",
		s.redisVersion, "queues", o.queueType, "dir", s.dir)
	h, took, err := s.play(ctx, o)
	if err != nil {
		return r, err
	}
	r = newReport(h)
	r.RabbitMQ, r.Redis, r.FFmpeg, r.Siren = s.brokerVersion, s.redisVersion, s.ffmpegVersion, s.sirenVersion
	r.QueueType, r.Seed, r.Duration, r.Drain = o.queueType, o.seed, o.duration.Seconds(), took.Seconds()
	if len(r.Violations) > 0 || o.keep {
		r.Kept = s.dir
	}
	return r, nil
}

// play sends jobs and breaks things, and gathers what came of it. drain is how long that took after the last fault.
func (s *site) play(ctx context.Context, o options) (h history, drain time.Duration, err error) {
	if err := s.start(ctx); err != nil {
		return h, 0, err
	}
	w, err := watchOutputs(ctx, s.expected, s.out(), s.bucket.dir)
	if err != nil {
		return h, 0, err
	}
	p, err := s.openProducers(jobSchedule(o.seed, o.duration, o.rate, !o.calm && len(o.only) == 0, s.places()))
	if err != nil {
		return h, 0, err
	}
	defer p.close()
	n := newNemesis(s)

	producing, stopProducing := context.WithCancel(ctx)
	defer stopProducing()
	produced := make(chan struct{})
	go func() { defer close(produced); p.run(producing) }()
	hunting, stopHunting := context.WithCancel(ctx)
	defer stopHunting()
	hunted := make(chan struct{})
	go func() { defer close(hunted); n.hunt(hunting, poisonIDs(p.jobs)) }()
	defer func() { stopHunting(); <-hunted; stopProducing(); <-produced }()

	breaking, fix := context.WithTimeout(ctx, o.duration)
	defer fix()
	if o.calm {
		<-breaking.Done()
	} else {
		n.run(breaking, faultSchedule(o.seed, o.duration, o.only))
		<-breaking.Done()
	}
	if err := errors.Join(n.err(), ctx.Err()); err != nil {
		return h, 0, err
	}
	o.log.Info("all is fixed; draining", "outputs", w.count(), "unconfirmed", p.open.Load())
	began := time.Now()
	h.drained = s.drain(ctx, produced, p.jobs)
	drain = time.Since(began)
	stopProducing()
	<-produced
	stopHunting()
	<-hunted
	h.jobs, h.windows, h.lost = p.jobs, n.windows(), n.lost
	return h, drain, errors.Join(s.collect(ctx, &h, w), ctx.Err())
}

func poisonIDs(jobs []*attempts) map[string]bool {
	ids := map[string]bool{}
	for _, j := range jobs {
		if j.fate == poisonous {
			ids[j.job.ID] = true
		}
	}
	return ids
}

// lead starts the scalers.
func (s *site) lead() error {
	for _, name := range scalerNames {
		p, err := s.launch(name, "scaler", "--policy", s.policy(), "--data", filepath.Join(s.dir, "scratch", name))
		if err != nil {
			return err
		}
		s.scalers = append(s.scalers, p)
	}
	return nil
}

// start starts scalers and workers, and returns when all workers take jobs.
func (s *site) start(ctx context.Context) error {
	if err := s.lead(); err != nil {
		return err
	}
	for _, name := range workerNames {
		pool := "general"
		if name == workerNames[len(workerNames)-1] {
			pool = "batch"
		}
		p, err := s.launch(name, "worker", "--pool", pool, "--name", "@NAME@", "--threads", "1", "--drain-timeout",
			"5s",
			"--scratch", filepath.Join(s.dir, "scratch", name))
		if err != nil {
			return err
		}
		s.workers = append(s.workers, p)
	}
	var last error
	err := wait.Until(ctx, time.Minute, "all workers to take jobs", func() (bool, error) {
		last = s.staffed(ctx)
		return last == nil, nil
	})
	if err != nil {
		err = fmt.Errorf("the fleet doesn't start: %w: %w; its logs are in %s", err, last, filepath.Join(s.dir, "log"))
	}
	return err
}

// staffed returns nil once all workers take jobs.
func (s *site) staffed(ctx context.Context) (err error) {
	if s.queues, err = s.queueNames(ctx); err != nil {
		return err
	}
	return s.direct(func(ch *amqp.Channel) error {
		for lane, want := range map[string]int{"express": 2 * (len(workerNames) - 1), "bulk": len(workerNames)} {
			// a shared slot and one of the shoulder, but for the last worker
			q, err := ch.QueueDeclarePassive(queueOf(s.queues, lane), true, false, false, false, nil)
			if err != nil {
				return err
			}
			if q.Consumers < want {
				return fmt.Errorf("%d consumers of lane %s, want %d", q.Consumers, lane, want)
			}
		}
		return nil
	})
}

// collect stops the fleet in order and gathers what there is.
func (s *site) collect(ctx context.Context, h *history, w *watch) (err error) {
	h.programs = s.programs()
	for _, p := range append(append([]*process{}, s.workers...), s.scalers...) {
		if err := p.stop(stopTime); err != nil {
			h.broken = append(h.broken, err.Error())
		}
		for _, l := range p.history() {
			if l.unexpected != "" {
				h.broken = append(h.broken, fmt.Sprintf("%s ended by itself at %s: %s", l.name, clock(l.to),
					l.unexpected))
			}
		}
	}
	h.scratch = s.scratch()
	queues, err := s.ready(s.queues)
	if err != nil {
		return err
	}
	h.left = waiting(queues)
	if h.letters, err = s.letters(); err != nil {
		return err
	}
	if h.records, err = s.records(ctx, h.jobs); err != nil {
		return err
	}
	if h.events, err = s.events(); err != nil {
		return err
	}
	if h.seen, err = w.close(); err != nil {
		return err
	}
	h.outputs, err = s.outputs(ctx)
	return err
}
