package explain

import (
	"context"
	"time"

	"github.com/polyglot-media/siren/lanes/effort"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

// Efforts has what is known of how much jobs compute: redis.Efforts.
type Efforts interface {
	Book(ctx context.Context) (effort.Book, error)
}

// looked is how many of a lane's waiting jobs are looked at. Those behind them are taken to be like them.
const looked = 100

// start predicts when a job with so many others of its lane before it starts. foreseen is what the lane's next jobs are
// taken to be for that; nil: like the lane's jobs until now.
func (s *Sight) start(ctx context.Context, lane string, ahead int) (at time.Time, foreseen []fleet.Load, ok bool) {
	book, err := s.Efforts.Book(ctx)
	if err != nil {
		book = nil // all jobs count as their lanes' mean
	}
	loads := s.loads(ctx, book)
	wait, ok := fleet.Forecast{
		Effective: &s.policy, Snapshot: s.snap, Workers: s.workers, Left: s.left(ctx, book), Waiting: loads,
	}.Start(lane, ahead)
	at = s.snap.At.Add(wait)
	if at.Before(s.now) {
		at = s.now
	}
	return at, loads[lane], ok
}

// loads returns what each lane's next jobs take, by their classes; one of a class that nobody knows as much as the
// lane's jobs do on average.
func (s *Sight) loads(ctx context.Context, book effort.Book) map[string][]fleet.Load {
	loads := map[string][]fleet.Load{}
	for _, l := range s.snap.Lanes {
		if l.Ready == 0 || len(book) == 0 {
			continue
		}
		jobs, err := s.Ledger.Next(ctx, l.Name, looked)
		if err != nil {
			continue
		}
		for _, j := range jobs {
			load := fleet.Load{Alone: l.Service.D()}
			if m := book[effort.Class(j)]; m.Jobs > 0 {
				load = fleet.Load{Alone: m.Alone(0), Cores: m.Cores}
			} else if load.Alone == 0 {
				load.Alone = s.policy.Policy.Timing.ServiceTime.D()
			}
			loads[l.Name] = append(loads[l.Name], load)
		}
	}
	return loads
}

// left returns what is left of the running jobs of which something is known.
func (s *Sight) left(ctx context.Context, book effort.Book) map[string]fleet.Load {
	var ids []string
	since := map[string]time.Time{}
	for _, w := range s.workers {
		for _, run := range w.Running {
			ids = append(ids, run.Job)
			since[run.Job] = run.Since
		}
	}
	left := map[string]fleet.Load{}
	records, err := s.Ledger.GetAll(ctx, ids)
	if err != nil {
		return left
	}
	for id, r := range records {
		if r.LeaseUntil.IsZero() {
			continue
		}
		// With its last renewal it said how far it was.
		told := r.LeaseUntil.Add(-s.policy.Policy.Timing.Lease.D())
		if l, ok := remaining(r, book[effort.Class(r.Job())], told.Sub(since[id]), s.snap.At.Sub(told)); ok {
			left[id] = l
		}
	}
	return left
}

// remaining returns what is left of a running job that has run for so long when it last said how far it was, and how
// long ago that is.
func remaining(r job.Record, m effort.Model, ran, ago time.Duration) (fleet.Load, bool) {
	p := r.Progress
	work := p.Work.D()
	if work == 0 {
		work = m.Computing(0) // it hasn't said anything yet
	}
	switch {
	case work > 0 && m.Cores > 0:
		rest := work - p.Computed.D()
		if ran > 0 { // it went on as it did
			rest -= time.Duration(float64(ago) * float64(p.Computed) / float64(ran))
		}
		return fleet.Load{Alone: time.Duration(float64(max(rest, work/20)) / m.Cores), Cores: m.Cores}, true
	case p.Fraction > 0.02 && p.Fraction < 1:
		return fleet.Load{Alone: max(0, time.Duration(float64(ran)*(1-p.Fraction)/p.Fraction)-ago)}, true
	}
	return fleet.Load{}, false
}

// ends predicts when a running job ends: by how far its programs are if they have computed, else by what was predicted.
// False: nothing was.
func (s *Sight) ends(r job.Record) (at time.Time, ok bool) {
	p, began := r.Progress, r.StartedAt
	for _, w := range s.workers {
		for _, run := range w.Running {
			if run.Job == r.ID {
				began = run.Since // of this attempt
			}
		}
	}
	if p.Predicted <= 0 || began.IsZero() {
		return time.Time{}, false
	}
	ran := s.now.Sub(began)
	left := p.Predicted.D() - ran
	if p.Computed > 0 && p.Work > 0 {
		left = time.Duration(float64(ran) * float64(p.Work-p.Computed) / float64(p.Computed))
	}
	return s.now.Add(max(left, 0)), true
}
