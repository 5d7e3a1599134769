package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/verdict"
)

// stopTime is how long a process may take to stop when nothing is left.
const stopTime = 20 * time.Second

// run does a whole run: start, break, fix, drain, look, judge. It returns an error when the run couldn't be done; what
// it proved is in the report. Nothing that it started is left.
func run(ctx context.Context, o options) (r verdict.Report, err error) {
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
	r = verdict.Of(h)
	r.RabbitMQ, r.Redis, r.FFmpeg, r.Siren = s.brokerVersion, s.redisVersion, s.ffmpegVersion, s.sirenVersion
	r.QueueType, r.Seed, r.Duration, r.Drain = o.queueType, o.seed, o.duration.Seconds(), took.Seconds()
	if len(r.Violations) > 0 || o.keep {
		r.Kept = s.dir
	}
	return r, nil
}

// play sends jobs and breaks things, and gathers what came of it. drain is how long that took after the last fault.
func (s *site) play(ctx context.Context, o options) (h history.History, drain time.Duration, err error) {
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
	h.Drained = s.drain(ctx, produced, p.jobs)
	drain = time.Since(began)
	stopProducing()
	<-produced
	stopHunting()
	<-hunted
	h.Jobs, h.Windows, h.Lost = p.jobs, n.windows(), n.lost
	return h, drain, errors.Join(s.collect(ctx, &h, w), ctx.Err())
}

func poisonIDs(jobs []*history.Attempts) map[string]bool {
	ids := map[string]bool{}
	for _, j := range jobs {
		if j.Fate == history.Poisonous {
			ids[j.Job.ID] = true
		}
	}
	return ids
}

// collect stops the fleet in order and gathers what there is.
func (s *site) collect(ctx context.Context, h *history.History, w *watch) (err error) {
	h.Programs = s.programs()
	for _, p := range append(append([]*process{}, s.workers...), s.scalers...) {
		if err := p.stop(stopTime); err != nil {
			h.Broken = append(h.Broken, err.Error())
		}
		for _, l := range p.history() {
			if l.unexpected != "" {
				h.Broken = append(h.Broken, fmt.Sprintf("%s ended by itself at %s: %s", l.name, l.to.Format(history.Clock),
					l.unexpected))
			}
		}
	}
	h.Scratch = s.scratch()
	queues, err := s.ready(s.queues)
	if err != nil {
		return err
	}
	h.Left = waiting(queues)
	if h.Letters, err = s.letters(); err != nil {
		return err
	}
	if h.Records, err = s.records(ctx, h.Jobs); err != nil {
		return err
	}
	if h.Events, err = s.events(); err != nil {
		return err
	}
	if h.Seen, err = w.close(); err != nil {
		return err
	}
	h.Outputs, err = s.outputs(ctx)
	return err
}
