package worker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/polyglot-media/siren/lanes/effort"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// efforts keeps a book, or is away.
type efforts struct {
	mu   sync.Mutex
	book effort.Book
	away bool
}

func (e *efforts) Book(context.Context) (effort.Book, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away {
		return nil, errors.New("away")
	}
	b := effort.Book{}
	for class, m := range e.book {
		b[class] = m
	}
	return b, nil
}

func (e *efforts) Learn(_ context.Context, s effort.Sample) (effort.Model, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away {
		return effort.Model{}, errors.New("away")
	}
	e.book[s.Class] = e.book[s.Class].Learn(s)
	return e.book[s.Class], nil
}

// computes returns a job whose input is so long, and that computes half of the time that it runs.
func computes(seconds float64, runs time.Duration) handling {
	return func(ctx context.Context, t work.Task) (work.Result, error) {
		t.Found(work.Facts{Seconds: seconds, Width: 1000, Height: 1000, Rate: 10})
		r, err := lasts(runs)(ctx, t)
		t.Computed(runs / 2)
		return r, err
	}
}

// The first jobs of a class teach how long the next ones run, by what their inputs are. The prediction is in the
// record while the job runs, and stays there; how good it was is measured.
func TestForesees(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics, e := NewMetrics(registry), &efforts{book: effort.Book{}}
	bubble(t, func(t *testing.T, r *rig) {
		r.o.Metrics, r.o.Efforts, r.o.Host, r.o.Cores = metrics, e, "machine", 2
		r.start()
		put := func(id string, do handling) {
			r.handler.will(id, do)
			r.broker.add(work.Delivery{Job: job.Job{ID: id, Kind: "transcode"}, Lane: "standard", Attempt: 1})
		}
		put("first", computes(10, 4*time.Second))
		r.at(5 * time.Second)
		if got := r.ledger.record("first").outcome.Progress; got.Predicted != 0 || got.Computed.D() != 2*time.Second {
			t.Errorf("the first of its class: %+v, want no prediction", got)
		}
		put("long", computes(30, 12*time.Second))
		r.at(8 * time.Second)
		if p := r.ledger.record("long").progress; p.Predicted.D() != 12*time.Second || p.Work.D() != 6*time.Second {
			t.Errorf("one of three times the length, while it runs: %+v", p)
		}
		if hb := r.w.heartbeat(); len(hb.Running) != 1 || hb.Running[0].Predicted.D() != 12*time.Second {
			t.Errorf("the heartbeat says of it %+v", hb.Running)
		}
		r.at(20 * time.Second)
		if got := r.ledger.record("long").outcome.Progress; got.Predicted.D() != 12*time.Second || got.Fraction != 0 {
			t.Errorf("and in the end: %+v", got)
		}
		e.mu.Lock()
		e.away = true
		e.mu.Unlock()
		put("away", computes(10, time.Second))
		r.at(30 * time.Second)
		if got := r.ledger.record("away").outcome; got.State != job.Completed || got.Progress.Predicted == 0 {
			t.Errorf("while nothing can be learnt: %+v", got)
		}
		last := r.roster.last()
		if last.Host != "machine" || last.Cores != 2 || last.Computing < 0.3 {
			t.Errorf("heartbeat %+v", last)
		}
	})
	if got := observations(t, registry, "siren_job_prediction_ratio"); got != 2 {
		t.Errorf("%d predictions were compared, want 2", got)
	}
}
