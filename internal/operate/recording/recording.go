// Package recording makes a trace of the jobs that came to a fleet, as siren simulate reads it: one line for each, of
// what its record says. It reads records, and changes nothing.
//
// The files that it is written to, and what is said of it, live with the command.
package recording

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

// Ledger has the jobs' records: jobledger.Ledger.
type Ledger interface {
	Each(ctx context.Context, f jobrecord.Filter) iter.Seq2[job.Record, error]
}

// Recording is the jobs that were enqueued in a window of time: From, and before To.
type Recording struct {
	Ledger   Ledger
	From, To time.Time
	// Service is how long a job is taken to run of whose lane nothing is known.
	Service time.Duration
	// Trouble is told that Redis doesn't answer, nil that it does again; a nil one isn't. Await goes on meanwhile.
	Trouble func(error)
}

// pollEvery is how often Await looks for jobs that have ended.
const pollEvery = time.Second

// Await returns once all jobs of the window have ended, or ctx has, which is no error.
func (r *Recording) Await(ctx context.Context) error {
	next := r.From
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		open, err := r.firstOpen(ctx, next)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, lanes.ErrAway):
		case err != nil:
			return err
		case open.IsZero():
			return nil
		default:
			next = open
		}
		if r.Trouble != nil {
			r.Trouble(err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// firstOpen returns when the first job was enqueued that hasn't ended; the zero time when all have.
func (r *Recording) firstOpen(ctx context.Context, from time.Time) (time.Time, error) {
	for job, err := range r.each(ctx, from) {
		if err != nil || !job.State.Final() {
			return job.EnqueuedAt, err
		}
	}
	return time.Time{}, nil
}

func (r *Recording) each(ctx context.Context, from time.Time) iter.Seq2[job.Record, error] {
	return r.Ledger.Each(ctx, jobrecord.Filter{Since: from, Until: r.To, OldestFirst: true})
}

// Summary is what a trace has, and what it lacks.
type Summary struct {
	Jobs   int       // lines
	First  time.Time // when the first of them came
	Last   time.Time
	Open   int // of them, jobs that hadn't ended: their run time is foreseen
	Unsure int // of them, jobs that had ended, and of whose run nobody knows how long it took: it is foreseen too
	Direct int // of them, jobs that were sent by plain AMQP: nobody knows when they came, but when they started
	Never  int // jobs that ended before they started: they aren't in the trace
	// Attempts is how often the jobs were started, and Failed how many of these starts failed.
	Attempts, Failed int
}

// Foreseen returns how many of the lines have a run time that isn't measured.
func (s Summary) Foreseen() int { return s.Open + s.Unsure }

// ErrEmpty is that no job of the window is worth a line.
var ErrEmpty = errors.New("no job came in that time, or none has a record any more")

// Write hands the jobs to line, in the order in which they came. With an error the lines until then are right.
func (r *Recording) Write(ctx context.Context, now time.Time, line func(Line) error) (s Summary, err error) {
	known, err := r.learn(ctx, now)
	if err != nil {
		return s, err
	}
	for record, err := range r.each(ctx, r.From) {
		if err != nil {
			return s, err
		}
		l, ok := s.take(record, now, known)
		if !ok {
			continue
		}
		if err := line(l); err != nil {
			return s, err
		}
	}
	if s.Jobs == 0 {
		return s, ErrEmpty
	}
	return s, nil
}

// take makes a record a line, and counts it; false when it isn't in the trace.
func (s *Summary) take(r job.Record, now time.Time, known means) (Line, bool) {
	if r.State.Final() && r.StartedAt.IsZero() {
		s.Never++
		return Line{}, false
	}
	ran, sure := ran(r)
	switch {
	case !r.State.Final():
		s.Open++
		ran = known.foresee(r, now)
	case !sure:
		s.Unsure++
		ran = known.foresee(r, now)
	}
	if r.ReadyAt.IsZero() {
		s.Direct++
	}
	s.Attempts += r.Attempts
	s.Failed += failed(r)
	s.Jobs++
	if s.First.IsZero() {
		s.First = r.EnqueuedAt
	}
	s.Last = r.EnqueuedAt
	return Line{
		Time: r.EnqueuedAt, Lane: r.Lane, Service: max(ran, time.Millisecond), Kind: r.Kind, Waited: r.Wait.D(),
		Started: !r.StartedAt.IsZero(), Attempts: r.Attempts, State: r.State,
	}, true
}

// failed returns how many of a job's attempts failed: those that crashed aside.
func failed(r job.Record) int {
	n := r.Attempts - r.Crashes
	if r.State == job.Completed || r.State == job.Running || r.State == job.Cancelled {
		n--
	}
	return max(0, n)
}

// ran returns how long the attempt took that ended a job; false when nobody knows.
func ran(r job.Record) (time.Duration, bool) {
	from := r.StartedAt
	if r.ClaimedAt.After(from) && !r.ClaimedAt.After(r.EndedAt) {
		from = r.ClaimedAt
	}
	took := r.EndedAt.Sub(from)
	switch r.State {
	case job.Completed:
		return took, took >= 0
	case job.Dead: // of crashes: the last of them isn't known
		return took, took >= 0 && r.Crashes == 0
	case job.Cancelled: // while it ran, or while it waited for its next attempt
		return took, took >= 0 && r.Attempts == 1 && r.Error == ""
	default:
		return 0, false
	}
}

// Line is a job as a trace has it.
type Line struct {
	Time     time.Time // when it was enqueued
	Lane     string
	Service  time.Duration // of the attempt that ended it
	Kind     string
	Waited   time.Duration // from being ready until its first start
	Started  bool          // else nobody knows yet how long it waits
	Attempts int
	State    job.State
}

// Columns are the names of what Row returns.
func Columns() []string {
	return []string{"time", "lane", "service", "kind", "waited", "attempts", "state"}
}

// Row returns the line's cells.
func (l Line) Row() []string {
	waited := ""
	if l.Started {
		waited = fmt.Sprintf("%.3f", l.Waited.Seconds())
	}
	return []string{
		l.Time.UTC().Format("2006-01-02T15:04:05.000Z"), l.Lane, fmt.Sprintf("%.3f", l.Service.Seconds()), l.Kind,
		waited, fmt.Sprint(l.Attempts), string(l.State),
	}
}
