package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// ledger keeps records in memory, by the rules of the real one: a token for each claim, a lease, an outcome.
type ledger struct {
	*journal
	mu       sync.Mutex
	lease    time.Duration
	records  map[string]*record
	renewals []renewal
	away     bool  // Claim grants nothing, Renew fails, Close is kept for later
	hang     bool  // Renew doesn't answer
	claimErr error // what Claim says
	odd      work.ClaimState
}

type record struct {
	state    job.State
	token    int64
	attempts int
	started  bool // ever
	crashes  int
	number   int
	worker   string
	until    time.Time
	progress job.Progress
	outcome  work.Outcome // the latest
}

type renewal struct {
	job      string
	at       time.Time
	progress job.Progress
	failed   bool
}

func newLedger(j *journal) *ledger {
	return &ledger{journal: j, lease: 15 * time.Second, records: map[string]*record{}}
}

func (l *ledger) Claim(_ context.Context, d work.Delivery, worker string, maxCrashes int) (work.Claim, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := work.Claim{JobID: d.Job.ID}
	if l.claimErr != nil {
		return c, l.claimErr
	}
	if r := l.records[d.Job.ID]; l.away || l.odd == work.Unclaimed {
		c.First = d.Attempt <= 1
	} else {
		c.First = r == nil || !r.started
	}
	c.State = l.odd
	if c.State == "" {
		c.State = l.claim(d, worker, maxCrashes)
	}
	if r := l.records[d.Job.ID]; r != nil {
		c.Token, c.Attempts, c.Crashes = r.token, r.attempts, r.crashes
	}
	l.add("claim %s %s", d.Job.ID, c.State)
	return c, nil
}

func (l *ledger) claim(d work.Delivery, worker string, maxCrashes int) work.ClaimState {
	if l.away {
		return work.Unclaimed
	}
	r := l.records[d.Job.ID]
	if r == nil {
		r = &record{state: job.Queued, token: 100}
		l.records[d.Job.ID] = r
	}
	switch r.state {
	case job.Queued, job.Retrying:
	case job.Running:
		if r.until.After(time.Now()) {
			return work.HeldByLive
		}
		if r.crashes++; r.crashes >= maxCrashes {
			return work.Poison
		}
	case job.Dead:
		if d.Copy <= r.number {
			return work.Buried
		}
	default:
		return work.Settled
	}
	r.state, r.worker, r.until = job.Running, worker, time.Now().Add(l.lease)
	r.token++
	r.attempts++
	r.started = true
	return work.Granted
}

func (l *ledger) Renew(ctx context.Context, c work.Claim, p job.Progress) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := renewal{c.JobID, time.Now(), p, l.away || l.hang}
	l.renewals = append(l.renewals, n)
	switch {
	case l.hang:
		l.mu.Unlock()
		<-ctx.Done()
		l.mu.Lock()
		return fmt.Errorf("renew: %w", ctx.Err())
	case l.away:
		return fmt.Errorf("renew: %w", lanes.ErrAway)
	}
	r, err := l.held(c)
	if err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	r.until, r.progress = time.Now().Add(l.lease), p
	return nil
}

// held returns the record of a claim that still holds.
func (l *ledger) held(c work.Claim) (*record, error) {
	r := l.records[c.JobID]
	switch {
	case r == nil, c.Token != r.token:
		return nil, work.ErrLost
	case r.state == job.Cancelled:
		return nil, work.ErrCancelled
	case r.state != job.Running:
		return nil, work.ErrLost
	}
	return r, nil
}

func (l *ledger) Close(ctx context.Context, c work.Claim, o work.Outcome) error {
	if ctx.Err() != nil {
		return fmt.Errorf("closed with a context that has ended: %w", ctx.Err())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add("close %s %s", c.JobID, o.State)
	if l.away || c.State == work.Unclaimed { // into the buffer
		l.records[c.JobID] = &record{state: o.State, outcome: o, attempts: c.Attempts}
		return nil
	}
	r, err := l.held(c)
	if errors.Is(err, work.ErrCancelled) && (o.State == job.Cancelled || o.State == job.Completed) {
		r, err = l.records[c.JobID], nil
	}
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	r.state, r.outcome, r.until = o.State, o, time.Time{}
	if o.State == job.Queued {
		r.attempts--
	}
	return nil
}

// record returns a copy of what is known of a job; the zero record when nothing is.
func (l *ledger) record(id string) record {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.records[id]; r != nil {
		return *r
	}
	return record{}
}

// set makes or changes a record behind the worker's back.
func (l *ledger) set(id string, by func(*record)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.records[id] == nil {
		l.records[id] = &record{token: 100}
	}
	by(l.records[id])
}

// takeOver does what another worker does to a job whose lease it saw run out.
func (l *ledger) takeOver(id string) {
	l.set(id, func(r *record) {
		r.state, r.worker, r.until = job.Running, "another", time.Now().Add(time.Hour)
		r.token++
	})
}

func (l *ledger) cancel(id string) {
	l.set(id, func(r *record) { r.state = job.Cancelled })
}

func (l *ledger) fail(away, hang bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away, l.hang = away, hang
}

func (l *ledger) renewed() []renewal {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.renewals)
}
