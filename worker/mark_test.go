package worker

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/polyglot-media/siren/lanes/effort"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// pod is the worker's own: it notes its marks in the journal, and says what grace it was given.
type pod struct {
	*journal
	grace   time.Duration
	deleted bool
	err     error

	mu   sync.Mutex
	busy bool
}

func (p *pod) Mark(_ context.Context, busy bool) error {
	if p.err != nil {
		return p.err
	}
	p.mu.Lock()
	p.busy = busy
	p.mu.Unlock()
	p.add("mark %v", busy)
	return nil
}

func (p *pod) Grace(context.Context) (time.Duration, bool, error) { return p.grace, p.deleted, p.err }

func (p *pod) marked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy
}

// The pod is marked when a job's programs begin, and not while only messages that need no run come and go.
func TestMarked(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics := NewMetrics(registry)
	bubble(t, func(t *testing.T, r *rig) {
		p := &pod{journal: r.journal}
		r.o.Pod, r.o.Metrics = p, metrics
		r.handler.will("a", func(ctx context.Context, task work.Task) (work.Result, error) {
			if !p.marked() {
				t.Error("the job begins without a mark")
			}
			return lasts(20*time.Second)(ctx, task)
		})
		r.start()
		r.broker.put("standard", "a")
		r.at(21 * time.Second)
		if !p.marked() {
			t.Error("taken off at once: there may be more jobs")
		}
		r.at(22 * time.Second)
		if p.marked() {
			t.Error("still marked two seconds after the last job")
		}
		r.broker.put("standard", "a") // completed already
		r.at(30 * time.Second)
		if on, off := r.count("mark true"), r.count("mark false"); on != 1 || off != 2 {
			t.Errorf("marked %d times, unmarked %d times; want once, and twice with the beginning", on, off)
		}
	})
	if got := counted(t, registry, "siren_worker_mark_writes_total"); got != 3 {
		t.Errorf("%v writes were counted, want 3", got)
	}
}

func counted(t *testing.T, r *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// Jobs run on where no pod can be marked.
func TestRunsUnmarked(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.o.Pod = &pod{journal: r.journal, err: errors.New("connection refused")}
		r.broker.put("standard", "a", "b", "c")
		r.start()
		r.at(time.Second)
		for _, id := range []string{"a", "b", "c"} {
			if d := r.settledOnce(id).disp; d.Action != work.Ack {
				t.Errorf("%s: %+v", id, d)
			}
		}
	})
}

// How long running jobs may go on: the drain time, less what the pod was given, or a notice.
func TestDrainByThePod(t *testing.T) {
	for _, c := range []struct {
		name   string
		pod    *pod
		notice time.Duration
		want   time.Duration
	}{
		{"deleted, with its own", &pod{grace: 45 * time.Second, deleted: true}, 5 * time.Second, 30 * time.Second},
		{"deleted, with a shorter one", &pod{grace: 40 * time.Second, deleted: true}, 0, 25 * time.Second},
		{"deleted, with a very short one", &pod{grace: 10 * time.Second, deleted: true}, 0, 5 * time.Second},
		{"not deleted: its node goes", &pod{}, 12 * time.Second, 12 * time.Second},
		{"not deleted, and a notice as long as any", &pod{}, time.Hour, 30 * time.Second},
		{"not deleted, and nothing said of it", &pod{}, 0, 30 * time.Second},
		{"nobody knows", &pod{err: errors.New("connection refused")}, 12 * time.Second, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				c.pod.journal = r.journal
				r.o.Pod, r.o.Notice = c.pod, c.notice
				r.handler.will("a", lasts(time.Hour))
				r.broker.put("standard", "a")
				r.start()
				r.at(10 * time.Second)
				r.stop()
				r.endsAt(10*time.Second + c.want)
				if d := r.settledOnce("a").disp; d.Action != work.Return {
					t.Errorf("got %+v", d)
				}
			})
		})
	}
}

// A worker that is told to stop returns a job at once that is foreseen not to fit, or as soon as that is foreseen;
// what fits, or may, runs on. Neither costs an attempt.
func TestReturnsWhatWontFit(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		second := work.Facts{Seconds: 1, Width: 1000, Height: 1000, Rate: 1} // of film: a second of computing
		known := effort.Sample{
			Class: effort.Class(job.Job{Kind: "transcode"}), Units: effort.Units(job.Job{Kind: "transcode"}, second),
			Computed: time.Second, Ran: time.Second,
		}
		r.o.Efforts = &efforts{book: effort.Book{known.Class: effort.Model{}.Learn(known)}}
		r.o.Shared = []Source{r.broker, r.broker, r.broker, r.broker, r.broker}
		put := func(id, kind string, seconds float64, runs time.Duration, then func(time.Duration, work.Task)) {
			r.handler.will(id, func(ctx context.Context, task work.Task) (work.Result, error) {
				in := second
				in.Seconds = seconds
				task.Found(in)
				for ran := time.Duration(0); ran < runs && ctx.Err() == nil; ran += time.Second {
					then(ran, task)
					if _, err := lasts(time.Second)(ctx, task); err != nil {
						return work.Result{}, err
					}
				}
				return work.Result{}, ctx.Err()
			})
			r.broker.add(work.Delivery{Job: job.Job{ID: id, Kind: kind}, Lane: "standard", Attempt: 1})
		}
		computes := func(ran time.Duration, task work.Task) { task.Computed(ran) }
		put("short", "transcode", 30, 30*time.Second, computes)
		put("long", "transcode", 300, 300*time.Second, computes)
		put("slower", "transcode", 40, 300*time.Second, func(ran time.Duration, task work.Task) { // half as fast
			task.Computed(ran / 2)
			task.Report(job.Progress{Fraction: ran.Seconds() / 80})
		})
		put("unknown", "probe", 1, 300*time.Second, func(time.Duration, work.Task) {})
		put("by its progress", "probe", 1, 300*time.Second, func(ran time.Duration, task work.Task) {
			task.Report(job.Progress{Fraction: ran.Seconds() / 300})
		})
		r.start()
		r.at(35 * time.Second / 2) // 17.5 s: short has 12.5 s to go, slower 62.5 s
		r.stop()
		r.at(18 * time.Second)
		if got := r.settledOnce("long"); got.disp.Action != work.Return ||
			!strings.Contains(got.disp.Error, "foreseen") {
			t.Errorf("one of five minutes: %+v", got.disp)
		}
		if got := r.ledger.record("long"); got.state != job.Queued || got.attempts != 0 || got.crashes != 0 {
			t.Errorf("its record keeps %+v", got)
		}
		r.at(47 * time.Second)
		if got := r.settledOnce("short"); got.disp.Action != work.Ack {
			t.Errorf("one that fits: %+v", got.disp)
		}
		for _, id := range []string{"slower", "by its progress"} {
			if got := r.settledOnce(id); got.disp.Action != work.Return || got.at.Sub(r.began) > 32*time.Second {
				t.Errorf("%s: after %s %+v", id, got.at.Sub(r.began), got.disp)
			}
		}
		if got := r.broker.settles("unknown"); len(got) != 0 {
			t.Errorf("one of which nothing is known: %+v", got)
		}
		r.endsAt(47*time.Second + 500*time.Millisecond)
		if got := r.settledOnce("unknown").disp; got.Action != work.Return {
			t.Errorf("and in the end: %+v", got)
		}
	})
}
