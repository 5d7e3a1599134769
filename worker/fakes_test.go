package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// journal is what happened, in order. It is how the tests see that one step comes before another.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// of returns the lines about one job.
func (j *journal) of(id string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var lines []string
	for _, l := range j.lines {
		if f := strings.Fields(l); f[1] == id {
			lines = append(lines, l)
		}
	}
	return lines
}

func (j *journal) count(line string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, l := range j.lines {
		if l == line {
			n++
		}
	}
	return n
}

// handler does what the script says for a job; without one the job is done at once.
type handler struct {
	*journal
	mu     sync.Mutex
	script map[string]handling
	tasks  []work.Task
}

type handling func(ctx context.Context, t work.Task) (work.Result, error)

func (h *handler) Handle(ctx context.Context, t work.Task) (work.Result, error) {
	h.mu.Lock()
	h.tasks = append(h.tasks, t)
	do := h.script[t.Job.ID]
	h.mu.Unlock()
	h.add("handle %s", t.Job.ID)
	if do == nil {
		do = lasts(0)
	}
	return do(ctx, t)
}

func (h *handler) will(id string, do handling) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.script[id] = do
}

func (h *handler) task(i int) work.Task {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tasks[i]
}

// errKilled is what a handler makes of a program that was killed under it: nothing that says whose fault it is.
var errKilled = errors.New("ffmpeg: signal: killed")

// lasts returns a job of that length. It stops when it is told to.
func lasts(d time.Duration) handling {
	return func(ctx context.Context, t work.Task) (work.Result, error) {
		if d > 0 { // Go 1.26 crashes under -race when two goroutines of a bubble receive from expired timers at once
			select {
			case <-time.After(d):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return work.Result{}, errKilled
		}
		return work.Result{Outputs: []job.Output{{URL: "file:///out/" + t.Job.ID}}}, nil
	}
}

// fails returns a job that fails after a while.
func fails(after time.Duration, kind work.ErrorKind) handling {
	return func(ctx context.Context, t work.Task) (work.Result, error) {
		if _, err := lasts(after)(ctx, t); err != nil {
			return work.Result{}, err
		}
		return work.Result{}, work.Fail(kind, errors.New("it went wrong"))
	}
}

// roster keeps the heartbeats and answers with the orders that were set.
type roster struct {
	mu     sync.Mutex
	orders fleet.Orders
	away   bool
	why    error         // why it is away; nil: nobody knows
	slow   time.Duration // how long a heartbeat takes
	beats  []fleet.Heartbeat
	left   []string
}

func (r *roster) Beat(ctx context.Context, hb fleet.Heartbeat) (fleet.Orders, error) {
	if r.slow > 0 {
		select {
		case <-time.After(r.slow):
		case <-ctx.Done():
			return fleet.Orders{}, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return fleet.Orders{}, cmp.Or(r.why, errors.New("connection refused"))
	}
	hb.At = time.Now()
	r.beats = append(r.beats, hb)
	return r.orders, nil
}

func (r *roster) Leave(_ context.Context, worker string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = append(r.left, worker)
	return nil
}

func (r *roster) order(park, retire bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orders.Park, r.orders.Retire = park, retire
}

func (r *roster) retireFor(wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orders.RetireFor = wait
}

func (r *roster) publish(e *lanes.Effective) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orders.Effective = e
}

func (r *roster) silent(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// heard returns every heartbeat so far, and who has left.
func (r *roster) heard() (beats []fleet.Heartbeat, left []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.beats), slices.Clone(r.left)
}

func (r *roster) last() fleet.Heartbeat {
	beats, _ := r.heard()
	return beats[len(beats)-1]
}

// logs keeps what programs said, and when.
type logs struct {
	*journal
	mu   sync.Mutex
	all  []keptLog
	away bool
	hang bool
}

type keptLog struct {
	job, text string
	at        time.Time
}

func (l *logs) KeepLog(ctx context.Context, job, text string) error {
	l.mu.Lock()
	away, hang := l.away, l.hang
	if !away && !hang {
		l.all = append(l.all, keptLog{job, text, time.Now()})
	}
	l.mu.Unlock()
	switch {
	case hang:
		<-ctx.Done()
		return ctx.Err()
	case away:
		return lanes.ErrAway
	}
	l.add("log %s", job)
	return nil
}

func (l *logs) fail(away, hang bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away, l.hang = away, hang
}

func (l *logs) kept() []keptLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}
