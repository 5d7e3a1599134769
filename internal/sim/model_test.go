package sim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/internal/sim/rival"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

const s = time.Second

// script is a controller that does what it is told, at whole seconds.
type script map[time.Duration]sim.Wanted

func (script) Every() time.Duration { return s }

func (c script) Decide(v *sim.View) sim.Wanted { return c[v.Since()] }

// oneWorker has a slot and a shoulder, and takes bulk as a guest.
const oneWorker = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s}
  - {name: standard, startWithin: 30s, retry: {attempts: 3, first: 10s, factor: 2}}
  - {name: bulk, match: ["batch=true"], startWithin: 10m, promote: {after: 5m, to: standard}}
pools:
  - {name: general, lanes: [express, standard], guests: [bulk], shoulder: {express: 1}, min: 1, max: 4}
  - {name: batch, lanes: [bulk], max: 4}
budget: 4
`

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if got < want-0.01 || got > want+0.01 {
		t.Errorf("%s: %.3f, want %.3f", what, got, want)
	}
}

// A job on the shoulder takes the core from the one beside it, which ends later by what it took.
func TestJobsPullOver(t *testing.T) {
	jobs := load.Listed{{Lane: 1, Service: 10 * s}, {At: 3 * s, Lane: 0, Service: 2 * s}}
	c := sim.NewConfig(policyOf(t, oneWorker), jobs.Jobs(), time.Minute)
	r := play(t, c, rival.Static{})
	if r.Lanes[0].Max != 0 {
		t.Errorf("express waited %s beside a free shoulder", r.Lanes[0].Max)
	}
	near(t, "busy", r.Total.Busy, 12)
	near(t, "idle", r.Total.Idle, 48)
	c.Load, c.FreeShoulder = jobs.Jobs(), true
	near(t, "busy where nobody is slowed", play(t, c, rival.Static{}).Total.Busy, 10)
}

// A slot takes the most urgent job, and a guest's only when nothing else waits; not while guests are shut out.
func TestSlotsTakeByUrgency(t *testing.T) {
	jobs := load.Listed{
		{Lane: 1, Service: 10 * s},
		{At: s, Lane: 2, Service: 7 * s},
		{At: 2 * s, Lane: 1, Service: 5 * s},
		{At: 3 * s, Lane: 0, Service: 8 * s},
		{At: 3 * s, Lane: 0, Service: s},
	}
	c := sim.NewConfig(policyOf(t, oneWorker), jobs.Jobs(), time.Minute)
	c.FreeShoulder = true
	r := play(t, c, rival.Static{})
	near(t, "express", r.Lanes[0].Max.D().Seconds(), 7)    // the second one takes the slot at 10 s
	near(t, "standard", r.Lanes[1].Max.D().Seconds(), 9)   // from 2 s until 11 s
	near(t, "the guest", r.Lanes[2].Max.D().Seconds(), 15) // from 1 s until 16 s
	c.Load = jobs.Jobs()
	shut := play(t, c, script{0: {NoGuests: []string{"general"}}, 20 * s: {}, 21 * s: {}})
	if shut.Lanes[2].Started == 0 || shut.Lanes[2].Max.D() < 15*s {
		t.Errorf("%+v", shut.Lanes[2])
	}
}

// A promoted lane gets every other turn.
func TestPromotedLanesTakeTurns(t *testing.T) {
	var jobs load.Listed
	for range 6 {
		jobs = append(jobs, sim.Job{Lane: 1, Service: 10 * s}, sim.Job{Lane: 2, Service: 10 * s})
	}
	c := sim.NewConfig(policyOf(t, oneWorker), jobs.Jobs(), 61*s)
	always := turns{"bulk": "standard"}
	r := play(t, c, always)
	if r.Lanes[1].Started != 4 || r.Lanes[2].Started != 3 {
		t.Errorf("%d of standard and %d of bulk in turns, want 4 and 3", r.Lanes[1].Started, r.Lanes[2].Started)
	}
}

type turns map[string]string

func (turns) Every() time.Duration { return s }

func (t turns) Decide(*sim.View) sim.Wanted { return sim.Wanted{Turns: t} }

// A worker that is removed without having promised anything loses what it runs: the job starts again elsewhere. With a
// grace it may finish it.
func TestRemovalHitsWhatRuns(t *testing.T) {
	jobs := load.Listed{{At: s, Lane: 1, Service: 20 * s}, {At: s, Lane: 1, Service: 20 * s}}
	plan := func(from, to int) sim.Wanted {
		return sim.Wanted{Plans: []fleet.Plan{{Pool: "general", From: from, To: to}}}
	}
	c := sim.NewConfig(policyOf(t, oneWorker), jobs.Jobs(), 2*time.Minute)
	c.Cold = sim.Cold{}
	r := play(t, c, script{0: plan(1, 2), 10 * s: plan(2, 1)})
	if r.Total.Hits != 1 || r.Total.BusyRemoved != 1 || r.Lanes[1].Ended != 2 {
		t.Errorf("%+v %+v", r.Total, r.Lanes[1])
	}
	near(t, "busy", r.Total.Busy, 20+9.3+20) // removed at 10.3 s
	if r.Lanes[0].Hits != 0 || r.Lanes[1].Hits != 1 {
		t.Errorf("hits by lane: %+v", r.Lanes)
	}
	near(t, "run for nothing", r.Lanes[1].Lost, 9.3)
	c.Load, c.Grace = jobs.Jobs(), 30*s
	r = play(t, c, script{0: plan(1, 2), 10 * s: plan(2, 1)})
	if r.Total.Hits != 0 || r.Total.BusyRemoved != 1 {
		t.Errorf("with a grace: %+v", r.Total)
	}
	near(t, "busy, with a grace", r.Total.Busy, 40)
}

// running notes what the heartbeats say of the jobs that run.
type running []time.Duration

func (*running) Every() time.Duration { return 10 * s }

func (r *running) Decide(v *sim.View) sim.Wanted {
	for _, w := range v.Observation().Workers {
		for _, job := range w.Running {
			*r = append(*r, job.Predicted.D())
		}
	}
	return sim.Wanted{}
}

// Workers predict of a kind what jobs of it took before, the latest ones most; of one that is new nothing.
func TestPredictedByKind(t *testing.T) {
	jobs := load.Listed{}
	for i, j := range []sim.Job{
		{Kind: 1, Service: 4 * s},
		{Kind: 1, Service: 8 * s},
		{Kind: 2, Service: 7 * s},
		{Kind: 1, Service: 6 * s},
		{Service: 5 * s},
		{Kind: 2, Service: 7 * s},
	} {
		j.At, j.Lane = time.Duration(10*i)*s+8*s, 1
		if i == 0 {
			j.At = 4 * s
		}
		jobs = append(jobs, j)
	}
	var got running
	c := sim.NewConfig(policyOf(t, oneWorker), jobs.Jobs(), 70*s)
	c.Predicted.ByKind = true
	play(t, c, &got)
	want := []float64{4, 0, (4*0.95 + 8) / 1.95, 0, 7}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range want {
		near(t, "predicted", got[i].Seconds(), want[i])
	}
}

// depths notes what a controller sees of a lane.
type depths []fleet.Depth

func (*depths) Every() time.Duration { return s }

func (d *depths) Decide(v *sim.View) sim.Wanted {
	*d = append(*d, v.Observation().Depths["standard"])
	return sim.Wanted{}
}

// What the broker says of a lane may be late: it was true then.
func TestLateDepths(t *testing.T) {
	jobs := load.Listed{}
	for i := range 12 {
		jobs = append(jobs, sim.Job{At: time.Duration(i)*s + s/2, Lane: 1, Service: time.Hour})
	}
	var got depths
	c := sim.NewConfig(policyOf(t, oneWorker), jobs.Jobs(), 10*s)
	c.Faults.LateDepth = 3 * s
	play(t, c, &got)
	ready := make([]int, len(got))
	for i, d := range got {
		ready[i] = d.Ready
	}
	// One runs from 0.5 s on, and one more waits each second: 4 wait after 5.5 s.
	if want := []int{0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6}; !slices.Equal(ready, want) {
		t.Errorf("it saw %v, want %v", ready, want)
	}
}

// A job that always fails is tried as often as its lane says, with waits between, and is dead then.
func TestFailuresAreRetried(t *testing.T) {
	jobs := load.Listed{{Lane: 1, Service: s}}
	c := sim.NewConfig(policyOf(t, oneWorker), jobs.Jobs(), 2*time.Minute)
	c.Faults.Failing = 1
	r := play(t, c, rival.Static{})
	if l := r.Lanes[1]; l.Dead != 1 || l.Ended != 0 || l.Left != 0 || l.Started != 1 {
		t.Errorf("%+v", l)
	}
}

// What a crashed worker ran comes back when its claim is over, and too many crashes end it.
func TestCrashes(t *testing.T) {
	p := policyOf(t, oneWorker)
	jobs := load.Listed{{Lane: 1, Service: time.Hour}}
	c := sim.NewConfig(p, jobs.Jobs(), 24*time.Hour)
	c.Faults.Crash = time.Minute
	if l := play(t, c, rival.Static{}).Lanes[1]; l.Crashed != 3 || l.Dead != 1 || l.Left != 0 {
		t.Errorf("%+v", l)
	}
}

// More workers than the budget has room for wait, cost nothing, and get the room of those that go.
func TestRoomIsTheBudget(t *testing.T) {
	p := policyOf(t, oneWorker)
	plan := func(pool string, from, to int) fleet.Plan { return fleet.Plan{Pool: pool, From: from, To: to} }
	c := sim.NewConfig(p, load.Listed{}.Jobs(), 100*s)
	c.Cold, c.Lag, c.Leave = sim.Cold{}, 0, 0
	r := play(t, c, script{
		0: {Plans: []fleet.Plan{plan("general", 1, 4)}}, 10 * s: {Plans: []fleet.Plan{plan("batch", 0, 2)}},
		50 * s: {Plans: []fleet.Plan{plan("general", 4, 3)}},
	})
	if r.Total.Peak != 4 || r.Pools[1].Starts != 1 {
		t.Errorf("%+v", r)
	}
	near(t, "batch", r.Pools[1].WorkerSeconds(), 50)
}

// A split job has ended when its parts are joined; its parts run side by side, and its wait is its first part's.
func TestSplitJobs(t *testing.T) {
	p := policyOf(t, oneWorker)
	p.Pools[0].Min = 4
	jobs := load.Listed{{At: s, Lane: 1, Service: 40 * s, Parts: 4}}
	c := sim.NewConfig(p, jobs.Jobs(), 13*s)
	if l := play(t, c, rival.Static{}).Lanes[1]; l.Started != 1 || l.Ended != 1 || l.Max != 0 {
		t.Errorf("%+v", l)
	}
	c.Load, c.For = jobs.Jobs(), 11500*time.Millisecond // the join takes a second after them
	if l := play(t, c, rival.Static{}).Lanes[1]; l.Ended != 0 || l.Left != 1 {
		t.Errorf("%+v", l)
	}
}

// What still waits at the end, for longer than it should, is late.
func TestWaitingAtTheEndIsLate(t *testing.T) {
	jobs := slices.Repeat(load.Listed{{Lane: 1, Service: time.Hour}}, 3)
	c := sim.NewConfig(policyOf(t, oneWorker), jobs.Jobs(), time.Minute)
	l := play(t, c, rival.Static{}).Lanes[1]
	if l.InTime != 1 || l.Late != 2 || l.Max.D() != time.Minute || l.Met() {
		t.Errorf("%+v", l)
	}
}

// So does its wait count with the others', as far as it goes.
func TestWaitsUntilTheEnd(t *testing.T) {
	jobs := slices.Repeat(load.Listed{{Lane: 1, Service: 10 * time.Minute}}, 4)
	c := sim.NewConfig(policyOf(t, oneWorker), jobs.Jobs(), time.Minute)
	l := play(t, c, rival.Static{}).Lanes[1]
	if l.Started != 1 || l.Left != 4 || l.Mean.D() != 45*s {
		t.Errorf("%+v", l)
	}
	for name, wait := range map[string]lanes.Duration{"p50": l.P50, "p95": l.P95, "p99": l.P99} {
		if got := wait.D().Seconds(); got < 59.4 || got > 60.6 { // a histogram's, to 1 %
			t.Errorf("%s: %.1f s", name, got)
		}
	}
	jobs = jobs[:2]
	c.Load, c.For = jobs.Jobs(), 20*s // what isn't late yet counts too
	if l = play(t, c, rival.Static{}).Lanes[1]; l.InTime != 1 || l.Late != 0 || l.Mean.D() != 10*s {
		t.Errorf("%+v", l)
	}
}

// The series has a point for each stretch, and the decisions say why.
func TestSeriesAndDecisions(t *testing.T) {
	p := policyOf(t, usual)
	made := load.Made{
		Pattern: load.Poisson, Rate: 2, Period: time.Hour, Service: 5 * s, Spread: load.Exponential,
		Shares: []float64{0.1, 0.9, 0}, For: 10 * time.Minute, Seed: 1,
	}
	c := sim.NewConfig(p, made.Jobs(), 10*time.Minute)
	c.Sample = time.Minute
	r := play(t, c, sim.NewSiren(p))
	if len(r.Series) != 10 || r.Series[9].Pools[0].Busy == 0 {
		t.Errorf("%d points: %+v", len(r.Series), r.Series)
	}
	if len(r.Decisions) == 0 || r.Decisions[0].Why == "" || r.Decisions[0].Reason == "" {
		t.Errorf("%+v", r.Decisions)
	}
}

// What is predicted of a job is in its worker's heartbeats.
func TestPredictions(t *testing.T) {
	jobs := slices.Repeat(load.Listed{{Lane: 1, Service: 100 * s}}, 4)
	p := policyOf(t, oneWorker)
	p.Pools[0].Min = 4
	c := sim.NewConfig(p, jobs.Jobs(), 10*s)
	c.Predicted = sim.Predicted{Part: 1}
	e := &eye{}
	play(t, c, e)
	if e.running != 4 || e.predicted != 4*100*s {
		t.Errorf("%d jobs run, %s is predicted of them, want 400 s of 4", e.running, e.predicted)
	}
}

// eye looks at what Siren sees, and does nothing.
type eye struct {
	running   int
	predicted time.Duration
}

func (*eye) Every() time.Duration { return s }

func (e *eye) Decide(v *sim.View) sim.Wanted {
	e.running, e.predicted = 0, 0
	for _, w := range v.Observation().Workers {
		for _, r := range w.Running {
			e.running, e.predicted = e.running+1, e.predicted+r.Predicted.D()
		}
	}
	return sim.Wanted{}
}

// A retired worker that nobody removes starts afresh after a while, and takes jobs again.
func TestRetiredWorkersStartAfresh(t *testing.T) {
	p := policyOf(t, oneWorker)
	c := sim.NewConfig(p, load.Listed{{At: 5 * s, Lane: 1, Service: s}}.Jobs(), 10*time.Minute)
	retire := &retirer{}
	l := play(t, c, retire).Lanes[1]
	// told at 0 s and retired with its first heartbeat within a second; a minute, a heartbeat and a cold start later
	if wait := l.Max.D(); l.Ended != 1 || wait < 65*s || wait > 70*s {
		t.Errorf("%+v", l)
	}
}

// retirer retires the first worker that it sees, and listens to heartbeats.
type retirer struct{ done bool }

func (*retirer) Every() time.Duration { return s }

func (r *retirer) Decide(v *sim.View) sim.Wanted {
	workers := v.Observation().Workers
	if r.done || len(workers) == 0 {
		return sim.Wanted{}
	}
	r.done = true
	return sim.Wanted{Plans: []fleet.Plan{{Pool: "general", From: 1, To: 1, Retire: []string{workers[0].Worker}}}}
}
