package walk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/wait"
)

// thumbnails is how many express thumbnails one measurement runs, one after the other.
const thumbnails = 5

// Nice measures how long express jobs run in a real worker process beside transcodes that take all the CPU they get, in
// seconds by the ledger: from the claim to the closing of the record.
func Nice(ctx context.Context, b *stand.Bench) ([]report.Figure, error) {
	if err := b.MakeClips(ctx); err != nil {
		return nil, err
	}
	beside := []struct {
		name  string
		lane  string // of the transcodes; "": there are none
		flags []string
		aim   *report.Aim
	}{
		{name: "alone"},
		{name: "beside bulk", lane: stand.BulkLane, aim: &report.Aim{OfRatio: true, AtMost: 1.15}},
		{name: "beside standard", lane: stand.StandardLane},
		{name: "beside bulk, nice off", lane: stand.BulkLane, flags: []string{"--no-nice"}},
	}
	thumbs, transcodes := make([][]float64, len(beside)), make([][]float64, len(beside))
	for run := range b.Runs {
		var measure []func() error
		for i, m := range beside {
			measure = append(measure, func() error {
				b.Say("express jobs %s, run %d of %d", m.name, run+1, b.Runs)
				thumb, transcode, err := expressRuns(ctx, b, m.lane, m.flags)
				thumbs[i], transcodes[i] = append(thumbs[i], thumb), append(transcodes[i], transcode)
				return err
			})
		}
		if err := alternately(run, measure...); err != nil {
			return nil, err
		}
	}
	var figures []report.Figure
	for i, m := range beside[1:] {
		figures = append(figures,
			report.Figure{
				Name: "express thumbnail " + m.name, Unit: "s", Siren: thumbs[i+1], Baseline: thumbs[0],
				Against: "alone", Aim: m.aim,
			},
			report.Figure{
				Name: "express transcode " + m.name, Unit: "s", Siren: transcodes[i+1], Baseline: transcodes[0],
				Against: "alone", Aim: m.aim,
			})
	}
	return figures, nil
}

// expressRuns returns how long a thumbnail (the median of some) and a transcode run, beside transcodes of a lane in
// every shared slot.
func expressRuns(
	ctx context.Context, b *stand.Bench, lane string, flags []string,
) (thumb, transcode float64, err error) {
	p, err := workerProcess(ctx, b, flags...)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, p.stop(), b.Raw.Purge(), b.ClearOutputs()) }()
	var lower []job.Job
	if lane != "" {
		lower = b.Saturating(lane, stand.PoolSlots)
	}
	if err := b.Enqueue(ctx, lower); err != nil {
		return 0, 0, err
	}
	err = wait.Until(ctx, time.Minute, "the lower transcodes to be under way", func() (bool, error) {
		return all(ctx, b, lower, func(r job.Record) bool { return r.State == job.Running && r.Progress.Fraction > 0 })
	})
	if err != nil {
		return 0, 0, err
	}
	var took []float64
	for range thumbnails {
		t, err := runTime(ctx, b, b.Thumbnail())
		if err != nil {
			return 0, 0, err
		}
		took = append(took, t)
	}
	if transcode, err = runTime(ctx, b, b.Transcode()); err != nil {
		return 0, 0, err
	}
	still, err := all(ctx, b, lower, func(r job.Record) bool { return r.State == job.Running })
	if err == nil && !still {
		err = errors.New("a lower transcode ended before the express jobs did")
	}
	return report.Median(took), transcode, err
}

// all reports whether it is true of the records of all jobs.
func all(ctx context.Context, b *stand.Bench, jobs []job.Job, is func(job.Record) bool) (bool, error) {
	for _, j := range jobs {
		if r, err := b.Ledger.Get(ctx, j.ID); err != nil || !is(r) {
			return false, err
		}
	}
	return true, nil
}

// runTime runs one job to its end.
func runTime(ctx context.Context, b *stand.Bench, j job.Job) (float64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("it takes far too long"))
	defer cancel()
	if err := b.Enqueue(ctx, []job.Job{j}); err != nil {
		return 0, err
	}
	r, err := b.Client.Wait(ctx, j.ID)
	if err == nil && r.State != job.Completed {
		err = fmt.Errorf("the express %s is %s: %s %s", j.Kind, r.State, r.Reason, r.Error)
	}
	return r.EndedAt.Sub(r.StartedAt).Seconds(), err
}
