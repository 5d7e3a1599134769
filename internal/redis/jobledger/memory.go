package jobledger

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// A replica that is promoted lacks the writes that hadn't reached it. So each ledger keeps what it told Redis lately,
// and tells it again when another server answers, or when Redis was away. What was known already changes nothing.

const (
	// keptFor is how long an end is kept beyond the next ones: longer than sentinels take to make a replica the master
	// while the former one goes on taking writes.
	keptFor  = 2 * time.Minute
	maxEnds  = 5_000 // of them kept
	maxBytes = 4 << 20
	maxKeys  = 20_000 // dedup keys kept

	// tellAfter is how long after the doubt Redis is told again: what was under way to the former one has ended by
	// then.
	tellAfter = moveTimeout
	tellApart = 15 * time.Second // two times of telling: a name may lead to several servers in turn
)

// end is how a run ended.
type end struct {
	claim   work.Claim
	run     opened
	outcome work.Outcome
	at      time.Time
}

// size is about how much memory it takes, in bytes.
func (e end) size() int {
	n := 1024 + len(e.run.Job.Params) + len(e.run.Job.Input) + len(e.run.Job.Output) + len(e.outcome.Error)
	for _, o := range e.outcome.Outputs {
		n += len(o.URL)
	}
	for _, w := range e.outcome.Warnings {
		n += len(w)
	}
	for k, v := range e.run.Job.Labels {
		n += len(k) + len(v)
	}
	return n
}

// lasting reports whether the end is told again. Without a claim nothing says whether the job was retried or moved
// since, so only an output that is there counts.
func (e end) lasting() bool {
	return e.claim.State != work.Unclaimed || e.outcome.State == job.Completed
}

// keptKeys is dedup keys of jobs that were enqueued.
type keptKeys struct {
	jobs []job.Job // only what their keys need
	at   time.Time
}

// memory is what Redis was told lately, the oldest first.
type memory struct {
	restored atomic.Int64 // ends that it had lost

	mu       sync.Mutex
	ends     []end
	bytes    int
	keys     []keptKeys
	keyCount int
	doubted  bool // Redis may have lost some of it
	waiting  bool // somebody is about to tell it again

	telling sync.Mutex
}

// told notes that Redis knows an end.
func (m *memory) told(e end) {
	if !e.lasting() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ends, m.bytes = append(m.ends, e), m.bytes+e.size()
	gone := 0
	for gone < len(m.ends)-1 && (len(m.ends)-gone > maxEnds || m.bytes > maxBytes ||
		e.at.Sub(m.ends[gone].at) > keptFor) {
		m.bytes -= m.ends[gone].size()
		gone++
	}
	clear(m.ends[:gone]) // what they refer to can go before the array does
	m.ends = m.ends[gone:]
}

// keptKeys notes that Redis has the dedup keys of jobs that are enqueued.
func (m *memory) keptKeys(jobs []job.Job) {
	k := keptKeys{at: time.Now()}
	for _, j := range jobs {
		k.jobs = append(k.jobs, job.Job{ID: j.ID, DedupKey: j.DedupKey, DedupWindow: j.DedupWindow})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys, m.keyCount = append(m.keys, k), m.keyCount+len(jobs)
	gone := 0
	for gone < len(m.keys)-1 && (m.keyCount > maxKeys || k.at.Sub(m.keys[gone].at) > keptFor) {
		m.keyCount -= len(m.keys[gone].jobs)
		gone++
	}
	clear(m.keys[:gone])
	m.keys = m.keys[gone:]
}

// doubtful returns what Redis may have lost, of each job the latest end; nothing when there is no doubt.
func (m *memory) doubtful() (ends []end, keys []keptKeys) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.doubted {
		return nil, nil
	}
	m.doubted = false
	latest := map[string]int{}
	for i, e := range m.ends {
		latest[e.claim.JobID] = i
	}
	for i, e := range m.ends {
		if latest[e.claim.JobID] == i {
			ends = append(ends, e)
		}
	}
	return ends, append(keys, m.keys...)
}

// doubt notes that Redis may have lost the latest writes, and has it told again soon.
func (l *Ledger) doubt() {
	m := &l.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.doubted = len(m.ends)+len(m.keys) > 0; !m.doubted || m.waiting {
		return
	}
	m.waiting = true
	l.store.Spawn(func(life context.Context) {
		wait(life, tellAfter)
		if l.tellAgain(life) {
			wait(life, tellApart)
		}
		m.mu.Lock()
		m.waiting = false
		again := m.doubted
		m.mu.Unlock()
		if again {
			l.doubt()
		}
	})
}

func wait(life context.Context, d time.Duration) {
	select {
	case <-life.Done():
	case <-time.After(d):
	}
}

// tellAgain tells Redis what it may have lost, if there is any doubt. When it goes away meanwhile it is told once it is
// back, and this is false.
func (l *Ledger) tellAgain(ctx context.Context) (done bool) {
	m := &l.memory
	m.telling.Lock()
	defer m.telling.Unlock()
	ends, keys := m.doubtful()
	lost := 0
	for _, e := range ends {
		was, err := l.endAgain(ctx, e)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil && was.state != e.outcome.State:
			lost++
		case err == nil, errors.Is(err, work.ErrLost), errors.Is(err, work.ErrCancelled): // it knows that, or more
		case isUnserved(err):
			l.away.begin(err)
			return false
		default:
			l.log.Debug("tell again how a job ended", slog.String("job", e.claim.JobID), slog.Any("error", err))
		}
	}
	m.restored.Add(int64(lost))
	if lost > 0 {
		l.log.Warn("Redis had lost how jobs ended; it was told again", slog.Int("jobs", lost))
	}
	for _, k := range keys {
		if err := l.keepKeys(ctx, k.jobs, time.Since(k.at)); err != nil {
			l.log.Debug("keep dedup keys again", slog.Any("error", err))
		}
	}
	return true
}

func (l *Ledger) endAgain(ctx context.Context, e end) (before, error) {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	return l.close(ctx, e)
}
