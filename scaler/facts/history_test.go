package facts

import (
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

func TestServiceTime(t *testing.T) {
	const prior = 10 * time.Second
	type run struct{ age, predicted float64 } // in seconds
	tests := []struct {
		name     string
		finished []float64 // seconds that jobs took, one after the other
		running  []run
		want     time.Duration
	}{
		{"nothing is known", nil, nil, prior},
		{"young jobs say nothing yet", nil, []run{{1, 0}, {2, 0}}, prior},
		{"old ones do", nil, []run{{20, 0}, {40, 0}}, 30 * time.Second},
		{"the first is taken for all", []float64{2}, nil, 2 * time.Second},
		{"the next count as much", []float64{2, 22, 6}, nil, 10 * time.Second},
		{"after 20, a twentieth of the news", append(make20(2), 22), nil, 3 * time.Second},
		// The first to finish are the short ones.
		{
			"until 20 have finished, the age of those that run counts",
			[]float64{2, 2},
			[]run{{30, 0}, {60, 0}},
			45 * time.Second,
		},
		{"if it is more", []float64{50, 50}, []run{{30, 0}, {60, 0}}, 50 * time.Second},
		// From then on it would only mislead: the jobs that are seen running are the long ones (the inspection
		// paradox).
		{"and no longer", make20(2), []run{{3000, 0}, {6000, 0}}, 2 * time.Second},
		{"a predicted job is the first that is known", nil, []run{{1, 20}}, 20 * time.Second},
		{"of a slot with 5 s jobs one is seen for four of 20 s", nil, []run{{1, 5}, {2, 20}}, 8 * time.Second},
		{"one counts as a twentieth", make20(2), []run{{1, 20}}, 2094 * time.Millisecond},
		{"many count as all", make20(2), slices.Repeat([]run{{1, 20}}, 200), 19994 * time.Millisecond},
		{"an overdue one takes what it has", nil, []run{{30, 10}}, 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l LaneHistory
			for _, s := range tt.finished {
				l.learnService(1, time.Duration(s*float64(time.Second)))
			}
			var running Ages
			for _, r := range tt.running {
				running = running.and(at(r.age).Sub(t0), at(r.predicted).Sub(t0))
			}
			if got := l.ServiceTime(prior, running).Round(time.Millisecond); got != tt.want {
				t.Errorf("service = %s, want %s", got, tt.want)
			}
		})
	}
}

func make20(s float64) []float64 {
	all := make([]float64, 20)
	for i := range all {
		all[i] = s
	}
	return all
}

// A heartbeat brings several finished jobs as a sum; that must weigh as much as one by one.
func TestServiceTimeOfSeveralAtOnce(t *testing.T) {
	var one, many LaneHistory
	one.learnService(1, time.Second)
	many.learnService(1, time.Second)
	for range 10 {
		one.learnService(1, 3*time.Second)
	}
	many.learnService(10, 30*time.Second)
	if d := one.Service - many.Service; d > 1e-9 || d < -1e-9 || one.Finished != many.Finished {
		t.Errorf("one by one %+v, at once %+v", one, many)
	}
	before := many
	many.learnService(0, 0)
	many.learnService(-3, -time.Second)
	if many.Service != before.Service || many.Finished != before.Finished {
		t.Error("no jobs changed the average")
	}
}

func TestColdStart(t *testing.T) {
	const prior = 10 * time.Second
	learn := func(p *PoolHistory, took ...float64) {
		for _, s := range took {
			p.State.Members = []fleet.Member{{Name: "new", CreatedAt: t0}, {Name: "old", CreatedAt: t0}}
			p.learnColdStarts(map[string]time.Time{"new": at(s), "elsewhere": at(1000)})
		}
	}
	t.Run("the policy's until one was seen", func(t *testing.T) {
		var p PoolHistory
		if got := p.ColdStart(prior); got != prior {
			t.Errorf("coldStart = %s", got)
		}
	})
	t.Run("the median", func(t *testing.T) {
		var p PoolHistory
		learn(&p, 2, 90, 3, 2, 4)
		if got := p.ColdStart(prior); got != 3*time.Second {
			t.Errorf("coldStart = %s", got)
		}
	})
	t.Run("of the last 64", func(t *testing.T) {
		var p PoolHistory
		for range 33 {
			learn(&p, 60)
		}
		for range 31 {
			learn(&p, 1)
		}
		if got := p.ColdStart(prior); got != time.Minute {
			t.Errorf("coldStart = %s: the 33 slow ones are the most of the last 64", got)
		}
		learn(&p, 1, 1, 1)
		if got := p.ColdStart(prior); got != time.Second || len(p.ColdStarts) != 64 {
			t.Errorf("coldStart = %s of %d", got, len(p.ColdStarts))
		}
	})
	t.Run("a clock that lags is no negative time", func(t *testing.T) {
		var p PoolHistory
		learn(&p, -5)
		if got := p.ColdStart(prior); got != 0 {
			t.Errorf("coldStart = %s", got)
		}
	})
}

// A worker that is forgotten while Redis is away from it, or it from Redis, is back some day, and hasn't just started.
func TestColdStartOfAWorkerThatIsBack(t *testing.T) {
	p := &lanes.Policy{
		Pools:  []lanes.Pool{{Name: "general"}},
		Timing: lanes.Timing{Heartbeat: lanes.Duration(time.Second)},
	}
	look := func(h History, s float64, beats ...fleet.Heartbeat) History {
		for i := range beats {
			beats[i].At = at(s)
		}
		return h.Learn(p, Observation{At: at(s), Workers: beats, Pools: map[string]fleet.PoolState{"general": {
			Members: []fleet.Member{{Name: "old", CreatedAt: at(0)}, {Name: "new", CreatedAt: at(3600)}},
		}}})
	}
	old, young := fleet.Heartbeat{Worker: "old", Began: at(4)}, fleet.Heartbeat{Worker: "new", Began: at(3606)}
	h := look(look(look(History{}, 0), 5, old), 6, old)
	h = look(look(h, 3600), 3607, old, young)
	if got := h.Pools["general"].ColdStarts; !slices.Equal(got, []time.Duration{5 * time.Second, 7 * time.Second}) {
		t.Errorf("cold starts %v, want one of each worker", got)
	}
}

func TestHeld(t *testing.T) {
	const window = 10 * time.Second
	steps := []struct {
		at         float64
		want, held int
	}{
		{0, 5, 5},
		{1, 3, 5},
		{2, 4, 5},
		{10, 1, 5},
		{10.5, 1, 4},
		{12, 1, 4},
		{12.5, 1, 1},
		{13, 7, 7},
		{23, 0, 7},
		{24, 0, 0},
	}
	var p PoolHistory
	for _, s := range steps {
		before := append([]Want(nil), p.Wants...)
		shared := p.Wants
		if got := p.Held(at(s.at), s.want, window); got != s.held {
			t.Errorf("at %gs: held = %d, want %d", s.at, got, s.held)
		}
		for i, w := range before {
			if shared[i] != w {
				t.Fatalf("at %gs: an earlier History's wants were changed", s.at)
			}
		}
	}
}

func TestLearnBacklog(t *testing.T) {
	type tick struct {
		answered         bool
		ready, consumers int
		subscribed       bool // says some worker with an idle slot
		started          int
		wantBacklog      int
		wantStale        bool
	}
	tests := []struct {
		name  string
		ticks []tick
	}{
		{"believed", []tick{
			{answered: true, ready: 5, wantBacklog: 5},
			{answered: true, ready: 0, consumers: 1, subscribed: true, wantBacklog: 0},
		}},
		{"no answer: the last one stands, and is stale at once", []tick{
			{answered: true, ready: 5, wantBacklog: 5},
			{answered: false, wantBacklog: 5, wantStale: true},
			{answered: true, ready: 4, wantBacklog: 4},
		}},
		{"empty without a consumer, though a worker subscribes: stale at the third time", []tick{
			{answered: true, ready: 5, consumers: 1, subscribed: true, wantBacklog: 5},
			{answered: true, subscribed: true, wantBacklog: 5},
			{answered: true, subscribed: true, wantBacklog: 5},
			{answered: true, subscribed: true, wantBacklog: 5, wantStale: true},
			{answered: true, subscribed: true, wantBacklog: 5, wantStale: true},
			{answered: true, ready: 0, consumers: 1, subscribed: true, wantBacklog: 0},
		}},
		{"three times, but not in a row", []tick{
			{answered: true, subscribed: true},
			{answered: true, subscribed: true},
			{answered: true, subscribed: true, consumers: 2},
			{answered: true, subscribed: true},
			{answered: true, subscribed: true},
			{answered: true, subscribed: true, ready: 1, wantBacklog: 1},
		}},
		{"nobody subscribes: an honest nothing", []tick{
			{answered: true, ready: 5, wantBacklog: 5},
			{answered: true},
			{answered: true},
			{answered: true},
			{answered: true},
		}},
		{"jobs start: an honest nothing, just taken", []tick{
			{answered: true, ready: 5, wantBacklog: 5},
			{answered: true, subscribed: true, started: 2},
			{answered: true, subscribed: true, started: 1},
			{answered: true, subscribed: true, started: 1},
			{answered: true, subscribed: true, started: 1},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l LaneHistory
			for i, s := range tt.ticks {
				l.learnBacklog(at(float64(i)), fleet.Depth{Ready: s.ready, Consumers: s.consumers}, s.answered,
					s.subscribed, s.started, 0)
				if l.Backlog != s.wantBacklog || l.Stale != s.wantStale {
					t.Errorf("tick %d: backlog %d, stale %v; want %d, %v", i, l.Backlog, l.Stale, s.wantBacklog,
						s.wantStale)
				}
			}
		})
	}
}

func TestOldestWait(t *testing.T) {
	tests := []struct {
		name string
		l    LaneHistory
		want time.Duration
	}{
		{"nothing waits", LaneHistory{LastEmpty: at(0)}, 0},
		{"since it was empty", LaneHistory{Backlog: 1, LastEmpty: at(70)}, 30 * time.Second},
		{
			"since the last one that started became ready",
			LaneHistory{Backlog: 1, LastEmpty: at(10), LastReady: at(80)},
			20 * time.Second,
		},
		{
			"a job that was ready before the lane was empty says nothing",
			LaneHistory{Backlog: 1, LastEmpty: at(70), LastReady: at(5)},
			30 * time.Second,
		},
		{"a producer's clock that is ahead", LaneHistory{Backlog: 1, LastEmpty: at(10), LastReady: at(500)}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.l.OldestWait(at(100)); got != tt.want {
				t.Errorf("oldestWait = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestLearnWorkers(t *testing.T) {
	work := func(started, finished, failed int64, waits ...int64) map[string]fleet.LaneWork {
		return map[string]fleet.LaneWork{"a": {
			Started: started, Finished: finished, Failed: failed, First: started, Waits: waits,
			Service: lanes.Duration(finished) * lanes.Duration(2*time.Second),
		}}
	}
	beat := func(worker string, s float64, w map[string]fleet.LaneWork) fleet.Heartbeat {
		return fleet.Heartbeat{Worker: worker, At: at(s), Lanes: w}
	}
	p := &lanes.Policy{Lanes: []lanes.Lane{{Name: "a"}}}
	h := History{}.Learn(p, Observation{At: at(0), Workers: []fleet.Heartbeat{beat("w", 0, work(100, 90, 5, 1, 2, 3))}})
	if l := h.Lanes["a"]; l.Finished != 90 || l.Service != 2 || len(l.Waits) != 0 || len(l.Flow) != 0 {
		t.Errorf("a new leader takes the service time from what was done before it, but not the waits: %+v", l)
	}
	step := func(s float64, depth int, ws ...fleet.Heartbeat) LaneHistory {
		h = h.Learn(p, Observation{
			At: at(s), Workers: ws,
			Depths: map[string]fleet.Depth{"a": {Ready: depth, Consumers: 1}},
		})
		return h.Lanes["a"]
	}
	if l := step(1, 4, beat("w", 1, work(102, 91, 5, 2, 3, 4, 5)),
		beat("new", 1, work(1, 0, 0, 9))); waits(l.Waits) != 3 || l.Finished != 91 {
		t.Errorf("two first starts of w and one of the new worker: %+v", l)
	}
	if l := step(2, 4, beat("w", 1, work(102, 91, 5, 2, 3, 4, 5)),
		beat("new", 2, work(1, 0, 1, 9))); waits(l.Waits) != 3 {
		t.Errorf("the same heartbeat again is no news: %+v", l)
	}
	if l := step(3, 4, beat("w", 3, work(1, 1, 0, 7))); waits(l.Waits) != 4 || l.Finished != 92 ||
		l.Waits[len(l.Waits)-1].Waits[0] != 7*time.Millisecond {
		t.Errorf("begun afresh under the same name, a worker counts from 0: %+v", l)
	}
	l := h.Lanes["a"]
	if len(l.Flow) != 3 || l.Flow[0] != (FlowSample{at(1), 7, 1}) || l.Flow[1] != (FlowSample{at(2), 0, 1}) ||
		l.Flow[2] != (FlowSample{at(3), 1, 1}) {
		t.Errorf("in and out: %+v", l.Flow)
	}
	// What a heartbeat claims beyond the waits that it carries is cut to those.
	if l := step(4, 4, beat("w", 4, work(1000, 1, 0, 7, 8))); waits(l.Waits) != 6 {
		t.Errorf("%d waits", waits(l.Waits))
	}
	// No more are kept than the last ones.
	many := make([]int64, maxWaits-2)
	many[len(many)-1] = 12
	if l := step(5, 4, beat("w", 5, work(1000+maxWaits, 1, 0, many...))); waits(l.Waits) > maxWaits ||
		waits(l.Waits) < len(many) || l.Waits[len(l.Waits)-1].Waits[len(many)-1] != 12*time.Millisecond {
		t.Errorf("%d waits", waits(l.Waits))
	}
	if l := step(400, 4); len(l.Waits) != 0 || len(l.Flow) != 1 || len(h.Workers) != 0 {
		t.Errorf("after the window: %+v, %d workers", l, len(h.Workers))
	}
}

// Any producer may send a readyAt in the future. It says nothing of those that wait behind it, whichever worker
// believes it.
func TestLearnWorkersDoubtsTheFuture(t *testing.T) {
	p := &lanes.Policy{Lanes: []lanes.Lane{{Name: "a"}}}
	look := func(h History, s, ready float64) History {
		work := map[string]fleet.LaneWork{"a": {Started: 1, First: 1, LastReady: at(ready)}}
		return h.Learn(p, Observation{
			At: at(s), Depths: map[string]fleet.Depth{"a": {Ready: 3, Consumers: 1}},
			Workers: []fleet.Heartbeat{{Worker: "w", At: at(s), Lanes: work}},
		})
	}
	h := look(History{}, 0, -5)
	for s := 10.0; s <= 60; s++ {
		h = look(h, s, 500)
	}
	if got := h.Lanes["a"].OldestWait(at(60)); got != 50*time.Second {
		t.Errorf("oldestWait = %s, want the 50 s since the job with that readyAt started", got)
	}
}

// A worker that is silent for long stays on the roster for a while. Its counters must not be taken for news at every
// tick.
func TestLearnWorkersKeepsThoseOnTheRoster(t *testing.T) {
	p := &lanes.Policy{Lanes: []lanes.Lane{{Name: "a"}}}
	silent := fleet.Heartbeat{
		Worker: "w", At: at(0),
		Lanes: map[string]fleet.LaneWork{"a": {Started: 9, Finished: 9, Service: lanes.Duration(9 * time.Second)}},
	}
	var h History
	for s := 0.0; s < 550; s += 50 {
		h = h.Learn(p, Observation{At: at(s), Workers: []fleet.Heartbeat{silent}})
	}
	if n := h.Lanes["a"].Finished; n != 9 {
		t.Errorf("%d finished jobs, want 9", n)
	}
	if !h.met("w", at(299)) || h.met("w", at(301)) || h.met("nobody", at(0)) {
		t.Error("a worker is missed for five minutes")
	}
}
