package explain

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/effort"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// A waiting job is predicted by the kinds of those before it, not by what its lane's jobs took so far.
func TestStartByKinds(t *testing.T) {
	from, _, ledger := sources(t)
	efforts := from.Efforts.(*redis.Efforts)
	for class, ran := range map[string]time.Duration{"probe": time.Second, "transcode h264 medium": 20 * time.Second} {
		_, err := efforts.Learn(t.Context(), effort.Sample{Class: class, Computed: ran, Ran: ran})
		must(t, err)
	}
	ready := moment0.Add(-time.Minute)
	add := func(id, kind, params string) {
		_, err := ledger.CreateAll(t.Context(), []work.Delivery{{
			Job:  job.Job{ID: id, Kind: kind, Output: "file:///" + id + ".mp4", Params: []byte(params)},
			Lane: "standard", EnqueuedAt: ready, ReadyAt: ready,
		}})
		must(t, err)
		ready = ready.Add(time.Second)
	}
	add("a", "probe", ``)
	add("b", "transcode", `{"height": 240}`)
	add("c", "transcode", `{"preset": "ultrafast"}`) // which nobody knows: as the lane's jobs, 10 s
	add("d", "no-such-kind", ``)                     // the same
	add("e", "probe", ``)
	add("f", "probe", ``)
	s := seen(t)
	s.Sources = from
	s.snap.Lanes[1].Ready = 6
	for id, want := range map[string]time.Duration{
		"a": 0, "b": time.Second, "c": 21 * time.Second, "d": 31 * time.Second, "e": 41 * time.Second,
		"f": 42 * time.Second,
	} {
		x, err := s.Job(t.Context(), id)
		must(t, err)
		if x.Starts == nil || x.Starts.Sub(moment0).Round(10*time.Millisecond) != want {
			t.Errorf("job %s: starts %v, want in %s", id, x.Starts, want)
		}
	}
}

func TestRemaining(t *testing.T) {
	s := time.Second
	known := effort.Model{}.Learn(effort.Sample{Computed: 10 * s, Ran: 20 * s}) // half a core
	for name, c := range map[string]struct {
		progress job.Progress
		model    effort.Model
		ran, ago time.Duration
		want     time.Duration // alone
		unknown  bool
	}{
		"nothing is known":        {unknown: true, ran: s},
		"by its progress":         {progress: job.Progress{Fraction: 0.25}, ran: 10 * s, ago: s, want: 29 * s},
		"as its class":            {model: known, want: 20 * s},
		"by what it has computed": {job.Progress{Work: sec(8), Computed: sec(4)}, known, 8 * s, 0, 8 * s, false},
		"and since then":          {job.Progress{Work: sec(8), Computed: sec(4)}, known, 8 * s, 2 * s, 6 * s, false},
		"one that is overdue": {
			progress: job.Progress{Work: sec(8), Computed: sec(9)}, model: known, ran: 8 * s,
			want: 800 * time.Millisecond,
		},
		"by a clock that is ahead": {job.Progress{Work: sec(8), Computed: sec(4)}, known, -s, s, 8 * s, false},
	} {
		got, ok := remaining(job.Record{Progress: c.progress}, c.model, c.ran, c.ago)
		if ok == c.unknown || math.Abs((got.Alone-c.want).Seconds()) > 0.01 {
			t.Errorf("%s: %+v, %t; want %s", name, got, ok, c.want)
		}
	}
}

func sec(n int) lanes.Duration { return lanes.Duration(time.Duration(n) * time.Second) }

// A running job says when it ends, and how long it was predicted to run.
func TestEnds(t *testing.T) {
	from, _, ledger := sources(t)
	s := seen(t)
	s.Sources, s.now = from, time.Now()
	d := work.Delivery{Job: job.Job{ID: "a", Kind: "probe"}, Lane: "standard", Attempt: 1}
	c, err := ledger.Claim(t.Context(), d, "general-1", 3)
	must(t, err)
	p := job.Progress{Predicted: sec(100), Work: sec(40), Computed: sec(10)}
	must(t, ledger.Renew(t.Context(), c, p))
	s.workers[0].Running = []fleet.Run{{Job: "a", Lane: "standard", Since: s.now.Add(-20 * time.Second)}}
	x, err := s.Job(t.Context(), "a")
	must(t, err)
	if x.Ends == nil || x.Ends.Sub(s.now).Round(time.Second) != time.Minute {
		t.Errorf("ends %v, want in a minute", x.Ends)
	}
	says := "It was predicted to run 100s, and is predicted to end in 60s, at " + say.Clock(*x.Ends) + "."
	if !slices.Contains(x.Says, says) {
		t.Errorf("says %q, want %q", x.Says, says)
	}
	r, err := ledger.Get(t.Context(), "a")
	if err != nil || r.Progress != p {
		t.Errorf("the record says %+v, %v; want %+v", r.Progress, err, p)
	}
	p.Predicted = sec(90)
	must(t, ledger.Close(t.Context(), c, work.Outcome{State: job.Completed, Progress: p}))
	r, err = ledger.Get(t.Context(), "a")
	if p := r.Progress; err != nil || p.Predicted != sec(90) || p.Fraction != 1 {
		t.Errorf("in the end the record says %+v, %v", p, err)
	}
}
