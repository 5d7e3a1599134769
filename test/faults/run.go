package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/nemesis"
	"github.com/polyglot-media/siren/test/faults/operators"
	"github.com/polyglot-media/siren/test/faults/site"
	"github.com/polyglot-media/siren/test/faults/verdict"
	"github.com/polyglot-media/siren/test/faults/waiters"
	"github.com/polyglot-media/siren/test/faults/witness"
	"github.com/polyglot-media/siren/test/faults/workload"
)

// run does a whole run: start, break, fix, drain, look, judge. It returns an error when the run couldn't be done; what
// it proved is in the report. Nothing that it started is left.
func run(ctx context.Context, o options) (r verdict.Report, err error) {
	s, e, err := open(ctx, o)
	if err != nil {
		return r, err
	}
	defer func() {
		err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		if err == nil && len(r.Violations) == 0 && !o.keep {
			_ = os.RemoveAll(s.Dir)
		} else if err != nil {
			err = fmt.Errorf("%w; everything is kept in %s", err, s.Dir)
		}
	}()
	broker, redis := s.Versions()
	o.log.Info("starting", "seed", o.seed, "duration", o.duration.String(), "rabbitmq", broker, "redis", redis,
		"queues", o.queueType, "dir", s.Dir)
	ffmpeg, siren, err := programVersions(ctx, s.Siren)
	if err != nil {
		return r, err
	}
	h, took, err := play(ctx, o, s, e)
	if err != nil {
		return r, err
	}
	r = verdict.Of(h)
	r.RabbitMQ, r.Redis = strings.TrimPrefix(broker, "RabbitMQ "), strings.TrimPrefix(redis, "Redis ")
	r.FFmpeg, r.Siren = ffmpeg, siren
	r.QueueType, r.Seed, r.Duration, r.Drain = o.queueType, o.seed, o.duration.Seconds(), took.Seconds()
	if len(r.Violations) > 0 || o.keep {
		r.Kept = s.Dir
	}
	return r, nil
}

// open makes the site, and what each recipe must make.
func open(ctx context.Context, o options) (s *site.Site, e workload.Expected, err error) {
	s, err = site.Open(ctx, o.site(), func(s *site.Site) error {
		var group errgroup.Group
		group.Go(func() error { return s.Equip(ctx) })
		group.Go(func() (err error) {
			e, err = workload.Prepare(ctx, s.Siren, s.Path("in"), s.Path("reference"))
			return err
		})
		return group.Wait()
	})
	return s, e, err
}

// placesOf returns where inputs and outputs lie.
func placesOf(s *site.Site) workload.Places {
	return workload.Places{
		Input: "file://" + s.Path("in") + "/", Output: "file://" + s.Path("out") + "/",
		Bucket: "s3://" + site.BucketName + "/",
	}
}

// programVersions asks ffmpeg and siren who they are.
func programVersions(ctx context.Context, path string) (ffmpeg, siren string, err error) {
	out, err := exec.CommandContext(ctx, "ffmpeg", "-version").Output()
	if err != nil {
		return "", "", err
	}
	_, rest, _ := strings.Cut(string(out), "ffmpeg version ")
	ffmpeg, _, _ = strings.Cut(rest, " ")
	out, err = exec.CommandContext(ctx, path, "version").Output()
	return ffmpeg, strings.TrimSpace(string(out)), err
}

// play sends jobs and breaks things, and gathers what came of it. drain is how long that took after the last fault.
func play(
	ctx context.Context, o options, s *site.Site, e workload.Expected,
) (h history.History, drain time.Duration, err error) {
	if err := s.Start(ctx); err != nil {
		return h, 0, err
	}
	w, err := witness.WatchOutputs(ctx, e, s.OutputDirs()...)
	if err != nil {
		return h, 0, err
	}
	p, err := workload.OpenProducers(s, workload.Schedule(o.seed, o.duration, o.rate, o.whole(), placesOf(s)))
	if err != nil {
		return h, 0, err
	}
	defer p.Close()
	n := nemesis.New(s)
	waiting, err := waiters.New(ctx, s)
	if err != nil {
		return h, 0, err
	}
	defer waiting.Close()
	p.Told = waiting.Told

	produced := make(chan struct{})
	stopProducing := beside(ctx, func(ctx context.Context) { defer close(produced); p.Run(ctx) })
	defer stopProducing()
	stopHunting := beside(ctx, func(ctx context.Context) { n.Hunt(ctx, poisonIDs(p.Jobs)) })
	defer stopHunting()

	staff, err := operators.New(s, workload.Kept)
	if err != nil {
		return h, 0, err
	}
	defer staff.Close()
	staff.Pardon = n.Pardon
	stopCounting := beside(ctx, staff.Count)
	defer stopCounting()
	stopOperating := beside(ctx, func(ctx context.Context) {
		if !o.whole() {
			return
		}
		select {
		case <-p.Kept:
			staff.Run(ctx)
		case <-ctx.Done():
		}
	})
	defer stopOperating()

	breaking, fix := context.WithTimeout(ctx, o.duration)
	defer fix()
	if !o.calm {
		n.Run(breaking, nemesis.Schedule(o.seed, o.duration, o.nodes > 1, o.only))
	}
	<-breaking.Done()
	stopOperating()
	if err := errors.Join(n.Err(), ctx.Err()); err != nil {
		return h, 0, err
	}
	o.log.Info("all is fixed; draining", "outputs", w.Count(), "unconfirmed", p.Open.Load())
	began := time.Now()
	if o.whole() {
		if err := staff.Finish(ctx); err != nil {
			return h, 0, err
		}
	}
	h.Unrest = awaitEnds(ctx, s, produced, p.Jobs)
	drain = time.Since(began)
	stopProducing()
	stopHunting()
	if err := witness.AwaitRecords(ctx, s, p.Jobs, n.FailedOver); err != nil {
		return h, 0, err
	}
	if err := waiting.Await(ctx); err != nil {
		return h, 0, err
	}
	stopCounting()
	h.Waits = waiting.Close()
	h.Answers, h.Commands, h.Replayed = staff.Answers, staff.Commands, staff.Replayed()
	h.Staff, h.Most = staff.Headed, site.MostSized
	h.Jobs, h.Windows, h.Lost, h.FailedOver = p.Jobs, n.Windows(), n.Lost, n.FailedOver
	return h, drain, errors.Join(witness.Collect(ctx, s, &h, w), ctx.Err())
}

// beside does something until the returned function is called, which waits for its end; again does no harm.
func beside(ctx context.Context, do func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var doing sync.WaitGroup
	doing.Go(func() { do(ctx) })
	return func() { cancel(); doing.Wait() }
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
