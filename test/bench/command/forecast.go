package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/wait"
)

// What one run of forecast enqueues: the burst of `siren demo` twice over, and thumbnails on top, one at a time.
const (
	burstJobs    = 48
	burstExpress = 16
	leastWait    = 2 * time.Second // forecasts of jobs that waited no longer aren't judged
)

// prediction is what `siren explain job` said of a waiting job, and what became of it.
type prediction struct {
	Job       string
	Lane      string
	Told      time.Time     // when the command had said it
	Start     time.Time     // as it was predicted; zero: nobody takes it
	Ahead     int           // jobs before it
	Started   time.Time     // as it was, by the ledger
	Waited    time.Duration // from ready to start
	Remaining time.Duration // from Told to Started
}

// off returns how far the prediction was from the truth.
func (p prediction) off() time.Duration { return p.Start.Sub(p.Started).Abs() }

// near reports whether it was within a quarter of the wait that was left: |predicted − started| ≤ (started − told)/4.
func (p prediction) near() bool { return p.off() <= p.Remaining/4 }

// Forecast measures how good the predicted starts of `siren explain job` are, on a burst of real transcodes and
// thumbnails over three lanes while the fleet grows: it asks for waiting jobs at random times, and compares with the
// ledger's startedAt. In the first run nobody knows yet how long jobs take.
func Forecast(ctx context.Context, b *stand.Bench) (figures []report.Figure, err error) {
	if err := makeDemoClips(ctx, b); err != nil {
		return nil, err
	}
	l, err := openLive(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.stop(), b.ClearOutputs()) }()
	var all []prediction
	for run := range b.Runs {
		b.Say("forecast, run %d of %d", run+1, b.Runs)
		err := wait.Until(ctx, time.Minute, "the fleet to be at its floor", func() (bool, error) {
			snap, err := l.board.Snapshot(ctx)
			return err == nil && snap.Pools[0].Replicas == snap.Pools[0].Min && snap.Pools[1].Replicas == 0, nil
		})
		if err != nil {
			return nil, err
		}
		some, err := forecastBurst(ctx, b)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	if b.Samples != "" {
		text, err := json.MarshalIndent(all, "", " ")
		if err == nil {
			err = os.WriteFile(b.Samples, text, 0o644)
		}
		if err != nil {
			return nil, err
		}
	}
	return summary(all), nil
}

// forecastBurst does one run.
func forecastBurst(ctx context.Context, b *stand.Bench) (told []prediction, err error) {
	jobs := load(b, burstJobs, stand.StandardLane, stand.BulkLane)
	if err := b.Enqueue(ctx, jobs); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("the burst takes far too long"))
	defer cancel()
	open := map[string]bool{} // not started yet, as far as known
	for _, j := range jobs {
		open[j.ID] = true
	}
	for express := 0; len(open) > 0; {
		if express < burstExpress {
			more := load(b, 1, stand.ExpressLane)
			if err := b.Enqueue(ctx, more); err != nil {
				return nil, err
			}
			jobs, open[more[0].ID] = append(jobs, more...), true
			express++
		}
		if err := wait.Pause(ctx, time.Duration(rand.ExpFloat64()*float64(300*time.Millisecond))); err != nil {
			return nil, err
		}
		ids := slices.Collect(maps.Keys(open))
		p, ok, err := predict(ctx, b, ids[rand.IntN(len(ids))], open)
		if err != nil {
			return nil, err
		}
		if ok {
			told = append(told, p)
		}
	}
	return outcomes(ctx, b, told)
}

// predict asks when one of the open jobs starts; false when this one waits no more.
func predict(ctx context.Context, b *stand.Bench, id string, open map[string]bool) (p prediction, ok bool, err error) {
	text, err := said(ctx, b, "explain", "job", id, "-o", "json")
	if err != nil {
		return p, false, err
	}
	var x struct {
		State          job.State
		Ahead          int
		PredictedStart time.Time
	}
	if err := json.Unmarshal(text, &x); err != nil {
		return p, false, fmt.Errorf("siren explain job: %w", err)
	}
	if x.State != job.Queued {
		delete(open, id)
		return p, false, nil
	}
	return prediction{Job: id, Told: time.Now(), Start: x.PredictedStart, Ahead: x.Ahead}, true, nil
}

// outcomes waits until the jobs have ended and notes when they had started. A job that waited for two seconds at most,
// or started while the command ran, is left out.
func outcomes(ctx context.Context, b *stand.Bench, told []prediction) (judged []prediction, err error) {
	for _, p := range told {
		r, err := b.Client.Wait(ctx, p.Job)
		if err == nil && r.State != job.Completed {
			err = fmt.Errorf("job %s is %s: %s %s", p.Job, r.State, r.Reason, r.Error)
		}
		if err != nil {
			return nil, err
		}
		p.Lane, p.Started, p.Waited = r.Lane, r.StartedAt, r.Wait.D()
		if p.Remaining = p.Started.Sub(p.Told); p.Remaining > 0 && p.Waited > leastWait {
			judged = append(judged, p)
		}
	}
	return judged, nil
}

// summary returns the figures of all predictions.
func summary(all []prediction) []report.Figure {
	var off, remaining []float64
	near, far, farNear := 0, 0, 0
	for _, p := range all {
		if p.Start.IsZero() {
			continue // counts as wrong in the shares
		}
		off, remaining = append(off, p.off().Seconds()), append(remaining, p.Remaining.Seconds())
	}
	for _, p := range all {
		hit := !p.Start.IsZero() && p.near()
		if hit {
			near++
		}
		if p.Remaining >= leastWait {
			far++
			if hit {
				farNear++
			}
		}
	}
	if len(off) == 0 {
		return nil
	}
	share := func(n, of int) []float64 { return []float64{100 * float64(n) / float64(max(of, 1))} }
	return []report.Figure{
		{Name: "forecasts of a start", Unit: "of jobs that waited more than 2 s", Siren: []float64{float64(len(all))}},
		{Name: "of them, that nobody takes the job", Unit: "", Siren: []float64{float64(len(all) - len(off))}},
		{Name: "wait that was left, median", Unit: "s", Siren: []float64{report.Median(remaining)}},
		{Name: "forecast off by, median", Unit: "s", Siren: []float64{report.Median(off)}},
		{Name: "forecast off by, p95", Unit: "s", Siren: []float64{report.Percentile(off, 95)}},
		{Name: "forecast within 25 % of the wait left", Unit: "%", Siren: share(near, len(all))},
		{Name: fmt.Sprintf("the same where 2 s or more were left (%d)", far), Unit: "%", Siren: share(farNear, far)},
	}
}
