// Package walk measures what a job's walk costs, from publish to settle, and what the worker costs that it goes
// through.
package walk

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
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/bench/yardstick"
)

// One run publishes some lots by turns with the raw ones, so that both meet the same weather on a shared machine. Its
// rate is that of the median lot.
const (
	lots    = 9
	lotSize = 1500
)

// Publish measures jobs a second until all are confirmed: Siren's publisher, and its client, which also makes a record
// of each job, beside raw deferred confirms with the same window. Raw messages are like Siren's to the byte, and then
// without its headers: the first tells what the publisher costs, the second what publishing through Siren does.
func Publish(ctx context.Context, b *stand.Bench) ([]report.Figure, error) {
	var figures []report.Figure
	for _, window := range []int{64, 512} {
		conn, err := b.Connect("publish")
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		publisher := confirms.NewPublisher(conn, window)
		f, err := publishBeside(ctx, b, fmt.Sprintf("publish, window %d", window), window, func(jobs []job.Job) error {
			entries := make([]wire.Entry, len(jobs))
			for i, j := range jobs {
				entries[i] = wire.Entry{Lane: stand.StandardLane, Job: j}
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
			f[i].Aim = &report.Aim{OfRatio: true, AtLeast: 0.9}
		}
		figures = append(figures, f...)
	}
	const clientWindow = 256
	f, err := publishBeside(ctx, b, "enqueue with records, window 256", clientWindow, func(jobs []job.Job) error {
		return b.Enqueue(ctx, jobs)
	})
	return append(figures, f...), err
}

func publishBeside(
	ctx context.Context, b *stand.Bench, name string, window int, send func([]job.Job) error,
) (f []report.Figure, err error) {
	same, plain := report.Figure{Name: name, Unit: "jobs/s", Against: "raw"},
		report.Figure{Name: name, Unit: "jobs/s", Against: "raw, no headers"}
	out, err := b.Raw.Outlet(yardstick.JobsExchange, stand.StandardLane)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	warmUp := stand.Noops(stand.StandardLane, window)
	if err := send(warmUp); err != nil {
		return f, err
	}
	if err := out.Publish(ctx, yardstick.Publishings(warmUp), window); err != nil {
		return f, err
	}
	for run := range b.Runs {
		b.Say("%s, run %d of %d", name, run+1, b.Runs)
		var siren, raw, headless []float64
		for lot := range lots {
			err := alternately(lot,
				func() error {
					jobs := stand.Noops(stand.StandardLane, lotSize)
					return clock(b, &siren, func() error { return send(jobs) })
				},
				func() error {
					messages := yardstick.Publishings(stand.Noops(stand.StandardLane, lotSize))
					return clock(b, &raw, func() error { return out.Publish(ctx, messages, window) })
				},
				func() error {
					messages := yardstick.Bare(stand.Noops(stand.StandardLane, lotSize))
					return clock(b, &headless, func() error { return out.Publish(ctx, messages, window) })
				})
			if err != nil {
				return f, err
			}
		}
		same.Siren, same.Baseline = append(same.Siren, report.Median(siren)), append(same.Baseline, report.Median(raw))
		plain.Siren, plain.Baseline = append(plain.Siren, report.Median(siren)),
			append(plain.Baseline, report.Median(headless))
	}
	return []report.Figure{same, plain}, nil
}

// clock adds the rate of publishing a lot, into an empty queue.
func clock(b *stand.Bench, rates *[]float64, publish func() error) error {
	if err := b.Raw.Purge(); err != nil {
		return err
	}
	runtime.GC()
	began := time.Now()
	if err := publish(); err != nil {
		return err
	}
	*rates = append(*rates, lotSize/time.Since(began).Seconds())
	n, err := b.Raw.Ready(yardstick.LaneQueue(stand.StandardLane))
	if err == nil && n != lotSize {
		err = fmt.Errorf("%d jobs were confirmed and %d are in the queue", lotSize, n)
	}
	return err
}
