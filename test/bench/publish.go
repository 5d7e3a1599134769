package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes/job"
)

// One run publishes some lots by turns with the raw ones, so that both meet the same weather on a shared machine. Its
// rate is that of the median lot.
const (
	lots    = 9
	lotSize = 1500
)

// publish measures jobs a second until all are confirmed: Siren's publisher, and its client, which also makes a record
// of each job, beside raw deferred confirms with the same window. Raw messages are like Siren's to the byte, and then
// without its headers: the first tells what the publisher costs, the second what publishing through Siren does.
func (b *bench) publish(ctx context.Context) ([]figure, error) {
	var figures []figure
	for _, window := range []int{64, 512} {
		conn, err := b.connect("publish")
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		publisher := confirms.NewPublisher(conn, window)
		f, err := b.publishBeside(ctx, fmt.Sprintf("publish, window %d", window), window, func(jobs []job.Job) error {
			entries := make([]wire.Entry, len(jobs))
			for i, j := range jobs {
				entries[i] = wire.Entry{Lane: standardLane, Job: j}
			}
			for _, err := range rabbit.Enqueue(ctx, publisher, entries) {
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for i := range f {
			f[i].Aim = &aim{OfRatio: true, AtLeast: 0.9}
		}
		figures = append(figures, f...)
	}
	const clientWindow = 256
	f, err := b.publishBeside(ctx, "enqueue with records, window 256", clientWindow, func(jobs []job.Job) error {
		return b.enqueue(ctx, jobs)
	})
	return append(figures, f...), err
}

func (b *bench) publishBeside(
	ctx context.Context, name string, window int, send func([]job.Job) error,
) (f []figure, err error) {
	same, plain := figure{Name: name, Unit: "jobs/s", Against: "raw"},
		figure{Name: name, Unit: "jobs/s", Against: "raw, no headers"}
	outlet, err := b.raw.outlet(jobsExchange, standardLane)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, outlet.Close()) }()
	warmUp := noops(standardLane, window)
	if err := send(warmUp); err != nil {
		return f, err
	}
	if err := outlet.publish(ctx, publishings(warmUp), window); err != nil {
		return f, err
	}
	for run := range b.runs {
		b.say("%s, run %d of %d", name, run+1, b.runs)
		var siren, raw, headless []float64
		for lot := range lots {
			err := alternately(lot,
				func() error {
					jobs := noops(standardLane, lotSize)
					return b.clock(&siren, func() error { return send(jobs) })
				},
				func() error {
					messages := publishings(noops(standardLane, lotSize))
					return b.clock(&raw, func() error { return outlet.publish(ctx, messages, window) })
				},
				func() error {
					messages := bare(noops(standardLane, lotSize))
					return b.clock(&headless, func() error { return outlet.publish(ctx, messages, window) })
				})
			if err != nil {
				return f, err
			}
		}
		same.Siren, same.Baseline = append(same.Siren, median(siren)), append(same.Baseline, median(raw))
		plain.Siren, plain.Baseline = append(plain.Siren, median(siren)), append(plain.Baseline, median(headless))
	}
	return []figure{same, plain}, nil
}

// clock adds the rate of publishing a lot, into an empty queue.
func (b *bench) clock(rates *[]float64, publish func() error) error {
	if err := b.raw.purge(); err != nil {
		return err
	}
	runtime.GC()
	began := time.Now()
	if err := publish(); err != nil {
		return err
	}
	*rates = append(*rates, lotSize/time.Since(began).Seconds())
	n, err := b.raw.ready(laneQueue(standardLane))
	if err == nil && n != lotSize {
		err = fmt.Errorf("%d jobs were confirmed and %d are in the queue", lotSize, n)
	}
	return err
}
