package dead

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestStandingOf(t *testing.T) {
	record := func(s job.State, number int) *job.Record { return &job.Record{State: s, Copy: number} }
	for _, c := range []struct {
		name   string
		letter int
		record *job.Record
		want   Standing
	}{
		{"no record", 2, nil, Current},
		{"its own death", 2, record(job.Dead, 2), Current},
		{"a record that was made anew", 2, record(job.Dead, 0), Current},
		{"an older death", 1, record(job.Dead, 2), Stale},
		{"replayed, and not begun", 1, record(job.Queued, 2), Superseded},
		{"replayed, and completed", 1, record(job.Completed, 2), Superseded},
		{"thrown away", 1, record(job.Cancelled, 2), Superseded},
		{"enqueued again without a record", 0, record(job.Running, 0), Elsewhere},
	} {
		if got := standingOf(wire.DeadLetter{Delivery: work.Delivery{Copy: c.letter}}, c.record); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// The record says what a job died of where it is about this death: the second letter of a job says "dead already".
func TestFactsOfALetter(t *testing.T) {
	l := wire.DeadLetter{
		Delivery: work.Delivery{Lane: "bulk", Job: job.Job{ID: "a", Kind: "probe"}}, ID: "a",
		Reason: "dead already",
	}
	if f := newLetter(l, &job.Record{State: job.Dead, Reason: "failed", Lane: "express"}).Facts; f.Reason != "failed" ||
		f.Lane != "express" {
		t.Errorf("with a record: %+v", f)
	}
	for _, r := range []*job.Record{nil, {State: job.Completed, Lane: "express"}} {
		if f := newLetter(l, r).Facts; f.Reason != "dead already" || f.Lane != "bulk" || f.Kind != "probe" ||
			f.State != job.Dead {
			t.Errorf("with record %v: %+v", r, f)
		}
	}
}

func TestDeathReason(t *testing.T) {
	for s, want := range map[string]string{
		"bad input": "bad input", "bad-input": "bad input", "Timed_Out": "timed out", "poison": "poison",
		"broker": "broker", "broker: rejected": "broker: rejected",
		"broker:expired": "broker: expired",
	} {
		if got, err := Reason(s); got != want || err != nil {
			t.Errorf("%q is %q, %v; want %q", s, got, err, want)
		}
	}
	if _, err := Reason("poisson"); err == nil || !strings.Contains(err.Error(), `did you mean "poison"`) {
		t.Errorf("a wrong one: %v", err)
	}
	if !diesOf("broker: rejected", []string{"failed", "broker"}) || diesOf("failed", []string{"broker"}) ||
		!diesOf("broker: rejected", []string{"broker: rejected"}) {
		t.Error("broker stands for all that the safety net caught, and for nothing else")
	}
	for _, kind := range []work.ErrorKind{
		work.BadInput, work.NotAllowed, work.OutputExists, work.OverLimit, work.Transient,
		work.TimedOut,
	} {
		if !slices.Contains(Reasons, string(kind)) {
			t.Errorf("a job may die of %q", kind)
		}
	}
}

func TestFilter(t *testing.T) {
	now := time.Now()
	r := job.Record{
		Lane: "bulk", Kind: "probe", Reason: "failed",
		Labels: map[string]string{"tenant": "acme", "tier": "gold"}, EndedAt: now.Add(-time.Hour),
	}
	undated := r
	undated.EndedAt = time.Time{}
	for _, c := range []struct {
		name         string
		filter       Filter
		want, unaged bool // with a time of death, and without
	}{
		{"all", Filter{}, true, true},
		{"everything fits", Filter{
			Lane: "bulk", Kind: "probe", Selector: "tier=gold", Tenant: "acme",
			DiedOf: []string{"poison", "failed"},
		}, true, true},
		{"another lane", Filter{Lane: "express"}, false, false},
		{"another kind", Filter{Kind: "transcode"}, false, false},
		{"another label", Filter{Selector: "tier!=gold"}, false, false},
		{"another tenant", Filter{Tenant: "bob"}, false, false},
		{"another reason", Filter{DiedOf: []string{"poison"}}, false, false},
		{"young enough", Filter{Since: 2 * time.Hour}, true, false},
		{"too old", Filter{Since: time.Minute}, false, false},
		{"old enough", Filter{OlderThan: time.Minute}, true, false},
		{"too young", Filter{OlderThan: 2 * time.Hour}, false, false},
	} {
		choose := c.filter.Chooser(now)
		if choose(r) != c.want || choose(undated) != c.unaged {
			t.Errorf("%s: %v, and %v without a time", c.name, choose(r), choose(undated))
		}
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace{rate: 10}
		began := time.Now()
		for n := 0; n < 20; n += p.chunk() {
			if err := p.wait(t.Context(), p.chunk()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 1800*time.Millisecond { // the first two go at once
			t.Errorf("20 jobs at 10 a second took %s", took)
		}
		time.Sleep(time.Minute) // what wasn't used isn't saved up
		_ = p.wait(t.Context(), 2)
		paused := time.Now()
		_ = p.wait(t.Context(), 2)
		if took := time.Since(paused); took != 200*time.Millisecond {
			t.Errorf("two jobs after a pause took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		slow := pace{rate: 0.01}
		_ = slow.wait(ctx, 1)
		if err := slow.wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("called off: %v", err)
		}
	})
	for rate, want := range map[float64][2]int{
		0: {100, 250}, 0.01: {1, 1}, 1: {30, 1}, 10: {100, 2},
		1000: {100, 100},
	} {
		p := pace{rate: rate}
		if got := [2]int{p.batch(), p.chunk()}; got != want {
			t.Errorf("at %v a second: batches and chunks of %v, want %v", rate, got, want)
		}
	}
}
