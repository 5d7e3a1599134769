package scaler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// outside is all four interfaces of a Loop, with what they answer, what they were told, and errors to inject. The
// worker side is as dumb as can be: replicas and heartbeats are what the test says.
type outside struct {
	depths  map[string]fleet.Depth
	workers []fleet.Heartbeat
	pools   map[string]fleet.PoolState

	depthsErr, workersErr, poolsErr, policyErr, snapshotErr, recordErr error
	orderErr, scaleErr                                                 map[string]error // by pool
	// some queue doesn't answer: the depths come beside an error
	silent bool
	// Depths answers only when its context ends
	hang bool

	asked     []lanes.Queue // queues whose depth was asked for last
	orders    []string
	scales    []string
	effective []lanes.Effective
	snapshots []fleet.Snapshot
	plans     []fleet.Plan
	revision  int64
}

func (o *outside) Depths(ctx context.Context, queues []lanes.Queue) (map[lanes.Queue]fleet.Depth, error) {
	o.asked = slices.Clone(queues)
	if o.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if o.depthsErr != nil {
		return nil, o.depthsErr
	}
	if o.silent {
		return byQueue(o.depths), errOut
	}
	return byQueue(o.depths), nil
}

// byQueue is the map with queues for names.
func byQueue[V any](names map[string]V) map[lanes.Queue]V {
	m := make(map[lanes.Queue]V, len(names))
	for name, v := range names {
		m[lanes.ParseQueue(name)] = v
	}
	return m
}

// queues returns the named ones.
func queues(names ...string) (all []lanes.Queue) {
	for _, name := range names {
		all = append(all, lanes.ParseQueue(name))
	}
	return all
}

func (o *outside) Workers(context.Context) ([]fleet.Heartbeat, time.Time, error) {
	beating := slices.Clone(o.workers)
	for i := range beating {
		beating[i].At = time.Now()
	}
	return beating, time.Now(), o.workersErr
}

func (o *outside) Order(_ context.Context, p fleet.Plan) error {
	text := fmt.Sprintf("park %v unpark %v retire %v", p.Park, p.Unpark, p.Retire)
	if len(p.Retire) > 0 {
		text += " for " + p.RetireFor.String()
	}
	o.orders = append(o.orders, text)
	return o.orderErr[p.Pool]
}

func (o *outside) PublishPolicy(ctx context.Context, e lanes.Effective) (int64, error) {
	if err := errors.Join(o.policyErr, ctx.Err()); err != nil {
		return 0, err
	}
	o.effective = append(o.effective, e)
	o.revision = max(o.revision, e.Revision)
	return o.revision, nil
}

func (o *outside) PutSnapshot(ctx context.Context, s fleet.Snapshot) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	o.snapshots = append(o.snapshots, s)
	return o.snapshotErr
}

func (o *outside) Record(_ context.Context, p fleet.Plan) error {
	o.plans = append(o.plans, p)
	return o.recordErr
}

func (o *outside) Pools(context.Context) (map[string]fleet.PoolState, error) {
	return o.pools, o.poolsErr
}

func (o *outside) Scale(_ context.Context, pool string, seen fleet.PoolState, to int, remove []string) error {
	o.scales = append(o.scales, fmt.Sprintf("%s %d → %d remove %v (version %s)", pool, seen.Replicas, to, remove,
		seen.Version))
	return o.scaleErr[pool]
}

// has sets a pool to n workers that report, idle, and subscribed to nothing.
func (o *outside) has(pool string, n int) {
	o.workers = slices.DeleteFunc(o.workers, func(w fleet.Heartbeat) bool { return w.Pool == pool })
	s := fleet.PoolState{Replicas: n, Version: fmt.Sprint("v", n)}
	for i := range n {
		name := fmt.Sprintf("%s-%d", pool, i)
		s.Members = append(s.Members, fleet.Member{Name: name, CreatedAt: time.Now()})
		o.workers = append(o.workers, fleet.Heartbeat{Worker: name, Pool: pool, Slots: 1})
	}
	o.pools[pool] = s
}

// loopTest is a Loop and what is around it, inside a synctest bubble.
type loopTest struct {
	*outside
	o    Options
	log  bytes.Buffer
	loop *Loop
	turn chan struct{} // a tick begins with the test's leave, so that the two never touch the outside at once
	ctx  context.Context
}

// seconds lets so many ticks happen, one a second. It returns after the last of them.
func (l *loopTest) seconds(n int) {
	if l.turn == nil {
		l.turn = make(chan struct{})
		l.run()
	}
	for range n {
		l.turn <- struct{}{}
		synctest.Wait()
		time.Sleep(time.Second)
	}
}

func (l *loopTest) run() {
	leading := l.o.Leading
	var tick context.Context // the last one; it asks again before it acts
	l.o.Leading = func(ctx context.Context) (bool, error) {
		if ctx != tick {
			select {
			case <-l.turn:
			case <-l.ctx.Done():
			}
		}
		tick = ctx
		if leading == nil {
			return true, nil
		}
		return leading(ctx)
	}
	l.loop = New(l.o)
	go func() {
		if err := l.loop.Run(l.ctx); err != nil {
			panic(err)
		}
	}()
}

const twoPools = `
lanes:
- {name: standard, startWithin: 30s}
- {name: bulk, match: [batch=true], startWithin: 30m}
pools:
- {name: general, lanes: [standard], guests: [bulk], min: 1, max: 6, hold: 5s}
- {name: batch, lanes: [bulk], min: 1, max: 4, hold: 5s}
budget: 10
`

// inLoop runs the test in a bubble of its own, with both pools at one worker and every lane empty.
func inLoop(t *testing.T, test func(t *testing.T, l *loopTest)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p, err := lanes.Parse([]byte(twoPools))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out := &outside{
			depths:   map[string]fleet.Depth{"standard": {Consumers: 1}, "bulk": {Consumers: 1}},
			pools:    map[string]fleet.PoolState{},
			orderErr: map[string]error{}, scaleErr: map[string]error{}, revision: 7,
		}
		out.has("general", 1)
		out.has("batch", 1)
		l := &loopTest{outside: out, ctx: ctx}
		l.o = Options{
			Name: "me", Policy: p, Backlog: out, Roster: out, Board: out, Fleet: out,
			Log: slog.New(slog.NewTextHandler(&l.log, nil)),
		}
		test(t, l)
		cancel()
		synctest.Wait()
	})
}

var errOut = errors.New("it is out of order")

func TestLoopGrowsAndTells(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		l.seconds(2)
		if len(l.scales) > 0 || len(l.plans) != 2 {
			t.Fatalf("a quiet fleet: %v; each pool's first plan is told: %+v", l.scales, l.plans)
		}
		l.depths["standard"] = fleet.Depth{Ready: 200}
		l.seconds(1)
		if want := []string{"general 1 → 6 remove [] (version v1)"}; !slices.Equal(l.scales, want) {
			t.Errorf("scaled %q, want %q", l.scales, want)
		}
		if p := l.plans[len(l.plans)-1]; p.Pool != "general" || p.To != 6 || p.Reason != fleet.Ceiling {
			t.Errorf("recorded %+v", p)
		}
		s := l.snapshots[len(l.snapshots)-1]
		if s.Leader != "me" || s.Revision != 7 || s.Lanes[0].Ready != 200 || s.Pools[0].Target != 6 {
			t.Errorf("snapshot %+v", s)
		}
		if e := l.effective[len(l.effective)-1]; !slices.Equal(e.NoGuests, []string{"general"}) ||
			e.Policy.Budget != 10 {
			t.Errorf("policy in force %+v", e)
		}
		l.has("general", 6)
		told := len(l.plans)
		l.seconds(5)
		if n := len(l.plans) - told; n > 1 {
			t.Errorf("the same plan was told %d times", n)
		}
	})
}

func TestLoopShrinksByOrders(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		l.has("general", 3)
		l.seconds(7) // the new leader holds for 5 s
		if want := "park [general-0 general-1] unpark [] retire []"; len(l.orders) == 0 || l.orders[0] != want {
			t.Fatalf("orders %q, want %q first", l.orders, want)
		}
		told := len(l.plans)
		for i := range l.workers {
			l.workers[i].Parked = l.workers[i].Worker < "general-2" && l.workers[i].Pool == "general"
		}
		l.seconds(1)
		if want := "park [general-0 general-1] unpark [] retire [general-0 general-1] for 1m"; l.orders[len(
			l.orders)-1] != want {
			t.Errorf("orders %q, want %q last", l.orders, want)
		}
		if len(l.plans) == told {
			t.Error("a retirement is told, whatever was told before")
		}
		for i := range l.workers {
			l.workers[i].Retired = l.workers[i].Parked
		}
		l.seconds(1)
		if want := []string{"general 3 → 1 remove [general-0 general-1] (version v3)"}; !slices.Equal(l.scales, want) {
			t.Errorf("scaled %q, want %q", l.scales, want)
		}
	})
}

// ticks returns how many ticks the metrics tell of.
func ticks(t *testing.T, registry *prometheus.Registry) uint64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "siren_scaler_tick_duration_seconds" {
			return f.GetMetric()[0].GetHistogram().GetSampleCount()
		}
	}
	t.Fatal("no such metric")
	return 0
}

// The share of failed ticks is judged by an alert, so a scaler that only waits for the lead adds none.
func TestLoopCountsNoTicksWhileItWaits(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		registry, leading := prometheus.NewRegistry(), true
		l.o.Metrics = NewMetrics(registry)
		l.o.Leading = func(context.Context) (bool, error) { return leading, nil }
		l.seconds(3)
		leading = false
		l.seconds(5)
		if n := ticks(t, registry); n != 3 {
			t.Errorf("%d ticks counted", n)
		}
	})
}

func TestLoopWithoutEyes(t *testing.T) {
	tests := []struct {
		name string
		set  func(l *loopTest, err error)
	}{
		{"no roster", func(l *loopTest, err error) { l.workersErr = err }},
		{"no fleet", func(l *loopTest, err error) { l.poolsErr = err }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loopTest) {
				registry := prometheus.NewRegistry()
				l.o.Metrics = NewMetrics(registry)
				l.depths["standard"] = fleet.Depth{Ready: 200}
				tt.set(l, errOut)
				l.seconds(5)
				if len(l.scales)+len(l.orders)+len(l.snapshots) > 0 {
					t.Errorf("scaled %q, ordered %q, published %d", l.scales, l.orders, len(l.snapshots))
				}
				if n := testutil.ToFloat64(l.o.Metrics.failed); n < 4 {
					t.Errorf("%g failed ticks counted", n)
				}
				if all, failed := ticks(t, registry), testutil.ToFloat64(l.o.Metrics.failed); float64(all) != failed {
					t.Errorf("%d ticks counted, of which %g failed", all, failed)
				}
				if n := strings.Count(l.log.String(), "it is out of order"); n != 1 {
					t.Errorf("logged %d times:\n%s", n, &l.log)
				}
				tt.set(l, nil)
				l.seconds(1)
				if len(l.scales) != 1 || !strings.Contains(l.log.String(), "ticks succeed again") {
					t.Errorf("afterwards: scaled %q\n%s", l.scales, &l.log)
				}
			})
		})
	}
}

func TestLoopWithoutTheBroker(t *testing.T) {
	for _, hang := range []bool{false, true} {
		t.Run(map[bool]string{false: "it refuses", true: "it hangs"}[hang], func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loopTest) {
				l.has("general", 4)
				if l.depthsErr = errOut; hang {
					l.hang = true
				}
				l.seconds(60)
				if len(l.orders)+len(l.scales) > 0 {
					t.Errorf("orders %q, scales %q", l.orders, l.scales)
				}
				if len(l.snapshots) < 20 {
					t.Fatalf("%d snapshots in a minute", len(l.snapshots))
				}
				s := l.snapshots[len(l.snapshots)-1]
				if !s.Lanes[0].Stale || s.Pools[0].Reason != fleet.Stale {
					t.Errorf("snapshot %+v", s)
				}
			})
		})
	}
}

func TestLoopScaleConflict(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		l.seconds(2)
		l.depths["standard"] = fleet.Depth{Ready: 200}
		l.scaleErr["general"] = fmt.Errorf("scale: %w", lanes.ErrConflict)
		told := len(l.plans)
		l.seconds(1)
		if strings.Contains(l.log.String(), "WARN") {
			t.Errorf("a conflict is an everyday event, yet it was warned of:\n%s", &l.log)
		}
		if len(l.plans) != told {
			t.Errorf("told of what didn't happen: %+v", l.plans[told:])
		}
		l.has("general", 2) // somebody else's doing
		l.scaleErr = nil
		l.seconds(1)
		want := []string{"general 1 → 6 remove [] (version v1)", "general 2 → 6 remove [] (version v2)"}
		if !slices.Equal(l.scales, want) {
			t.Errorf("scaled %q, want %q: decided afresh on what is there now", l.scales, want)
		}
		if len(l.plans) != told+1 {
			t.Errorf("told %+v", l.plans[told:])
		}
	})
}

// What can't be parked must not be counted on: the pool is left alone, and the others are not.
func TestLoopOrderFailure(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		for _, pool := range []string{"general", "batch"} {
			l.has(pool, 3)
		}
		for i, w := range l.workers {
			if strings.HasSuffix(w.Worker, "-0") {
				l.workers[i].Parked, l.workers[i].Retired = true, true
			}
		}
		l.orderErr["general"] = errOut
		l.seconds(7) // the hold window is over: one more of each pool is to be parked
		l.orders, l.scales = nil, nil
		l.seconds(2)
		wantOrders := []string{"park [general-1] unpark [] retire []", "park [batch-1] unpark [] retire []"}
		if want := append(slices.Clone(wantOrders), wantOrders...); !slices.Equal(l.orders, want) {
			t.Errorf("orders %q, want %q", l.orders, want)
		}
		if want := slices.Repeat([]string{"batch 3 → 2 remove [batch-0] (version v3)"}, 2); !slices.Equal(l.scales,
			want) {
			t.Errorf("scaled %q, want %q", l.scales, want)
		}
		for _, p := range l.plans {
			if p.Pool == "general" && len(p.Park) > 0 {
				t.Errorf("told of what didn't happen: %+v", p)
			}
		}
		if !strings.Contains(l.log.String(), "pool general: park and retire: it is out of order") {
			t.Errorf("log:\n%s", &l.log)
		}
	})
}

func TestLoopPublishingFails(t *testing.T) {
	for _, what := range []string{"policy", "snapshot"} {
		t.Run(what, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loopTest) {
				l.depths["standard"] = fleet.Depth{Ready: 200}
				if what == "policy" {
					l.policyErr = errOut
				} else {
					l.snapshotErr = errOut
				}
				l.recordErr = errOut
				l.seconds(1)
				if len(l.scales) != 1 {
					t.Errorf("scaled %q: the fleet comes first", l.scales)
				}
				if !strings.Contains(l.log.String(), "publish the "+what) ||
					!strings.Contains(l.log.String(), "record the plan") {
					t.Errorf("log:\n%s", &l.log)
				}
			})
		})
	}
}

func TestLoopLeadership(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		leading, leadErr := false, error(nil)
		l.o.Leading = func(context.Context) (bool, error) { return leading, leadErr }
		l.o.Metrics = NewMetrics(nil)
		l.has("general", 4)
		l.seconds(5)
		if len(l.snapshots)+len(l.orders)+len(l.effective) > 0 {
			t.Fatalf("acted without leading: %d snapshots, orders %q", len(l.snapshots), l.orders)
		}
		leading = true
		l.seconds(4)
		if len(l.snapshots) != 4 || len(l.orders) > 0 {
			t.Errorf("%d snapshots, orders %q: a new leader doesn't shrink within its hold window", len(l.snapshots),
				l.orders)
		}
		if n := testutil.CollectAndCount(l.o.Metrics.replicas); n != 2 {
			t.Errorf("%d pools shown", n)
		}
		// While nobody can tell who leads, it doesn't act; what it remembers stays good.
		leadErr = errOut
		l.seconds(2)
		if len(l.snapshots) != 4 || strings.Count(l.log.String(), "find out who leads") != 1 {
			t.Errorf("%d snapshots\n%s", len(l.snapshots), &l.log)
		}
		leadErr = nil
		l.seconds(1)
		if len(l.orders) == 0 {
			t.Error("the hold window had passed, and this leader knew it")
		}
		leading = false
		l.seconds(2)
		if n := testutil.CollectAndCount(l.o.Metrics.replicas); n != 0 {
			t.Errorf("%d pools are still shown by a scaler that doesn't see them", n)
		}
		l.orders, leading = nil, true
		l.seconds(3)
		if len(l.orders) > 0 {
			t.Errorf("orders %q: it was away and knows nothing of the last hold window", l.orders)
		}
	})
}

// A leader that loses the lead while it looks, or was paused meanwhile, doesn't act on what it saw.
func TestLoopLeadLostWhileLooking(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		asked := 0
		l.o.Leading = func(context.Context) (bool, error) {
			asked++
			return asked%2 == 1, nil
		}
		l.depths["standard"] = fleet.Depth{Ready: 200}
		l.seconds(3)
		if asked != 6 || len(l.scales)+len(l.orders)+len(l.snapshots) > 0 {
			t.Errorf("asked %d times for the lead; scaled %q, orders %q, %d snapshots", asked, l.scales, l.orders,
				len(l.snapshots))
		}
	})
}

// Redis can lose its data, with it the policy's revision. Workers follow no revision that is older than theirs.
func TestLoopRevisionSurvivesTheBoard(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		l.seconds(2)
		l.revision = 1 // begun anew
		l.seconds(1)
		if e := l.effective[len(l.effective)-1]; e.Revision != 7 {
			t.Errorf("published with revision %d known, want 7", e.Revision)
		}
		l.workers[0].Revision = 40 // followed an earlier leader
		l.seconds(1)
		if e := l.effective[len(l.effective)-1]; e.Revision != 40 {
			t.Errorf("published with revision %d known, want 40", e.Revision)
		}
	})
}

// A changed policy counts from the next tick on: it is decided by, and published.
func TestLoopFollowsThePolicy(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		changed, err := lanes.Parse([]byte(strings.ReplaceAll(twoPools, "lanes: [standard], guests: [bulk], min: 1",
			"lanes: [standard], guests: [bulk], min: 3")))
		if err != nil {
			t.Fatal(err)
		}
		l.seconds(2)
		if len(l.scales) > 0 {
			t.Fatalf("scaled %q before anything changed", l.scales)
		}
		l.loop.Follow(changed)
		l.seconds(1)
		if want := []string{"general 1 → 3 remove [] (version v1)"}; !slices.Equal(l.scales, want) {
			t.Errorf("scaled %q, want %q", l.scales, want)
		}
		if e := l.effective[len(l.effective)-1]; e.Policy.Pools[0].Min != 3 {
			t.Errorf("published min %d, want the changed 3", e.Policy.Pools[0].Min)
		}
	})
}

func TestLoopFormerLanes(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		known, knownErr := queues("ancient", "bulk", "old", "standard"), error(nil)
		l.o.Known = func(context.Context, []lanes.Queue) ([]lanes.Queue, error) { return known, knownErr }
		l.o.Retries = func(context.Context, []string) (map[string]fleet.Delayed, error) {
			return map[string]fleet.Delayed{"ancient": {Count: 1}, "standard": {Count: 2, Next: time.Now()}}, nil
		}
		l.depths["old"] = fleet.Depth{Ready: 3}
		l.depths["ancient"] = fleet.Depth{}
		look := func() (former []lanes.Queue, shown []fleet.LaneStatus) {
			l.seconds(1)
			s := l.snapshots[len(l.snapshots)-1]
			return l.effective[len(l.effective)-1].Former, s.Lanes[2:]
		}
		former, shown := look()
		if want := queues("standard", "bulk", "ancient", "old"); !slices.Equal(l.asked, want) {
			t.Errorf("looked at %v, want %v", l.asked, want)
		}
		if !slices.Equal(former, queues("old")) {
			t.Errorf("served: %v", former)
		}
		if len(shown) != 2 || shown[0].Name != "ancient" || shown[0].Retrying != 1 || !shown[0].Former ||
			shown[1].Name != "old" || shown[1].Ready != 3 || !shown[1].Former {
			t.Errorf("shown: %+v (one has jobs, one will have again)", shown)
		}
		if s := l.snapshots[0].Lanes; s[0].Retrying != 2 || s[1].Retrying != 0 {
			t.Errorf("retries: %+v", s[:2])
		}
		if len(l.scales) > 0 {
			t.Errorf("scaled %q for a lane that left the policy", l.scales)
		}

		l.depthsErr = errOut // then they may all hold jobs
		if former, shown = look(); !slices.Equal(former, queues("ancient", "old")) || !shown[0].Stale {
			t.Errorf("the broker is silent: served %v, shown %+v", former, shown)
		}
		l.depthsErr = nil
		knownErr = errOut // what was known stays known
		if former, _ = look(); !slices.Equal(former, queues("old")) {
			t.Errorf("the board is silent: served %v", former)
		}
		knownErr = nil
		delete(l.depths, "old") // an answer without it: the queue was deleted
		if former, shown = look(); len(former) > 0 || len(shown) != 1 {
			t.Errorf("a lane without a queue: served %v, shown %+v", former, shown)
		}
		if look(); slices.Contains(l.asked, lanes.ParseQueue("old")) {
			t.Errorf("asked again and again for a queue that isn't there: %v", l.asked)
		}
		l.depths["old"] = fleet.Depth{Ready: 1}
		l.seconds(60)
		if former, _ = look(); !slices.Equal(former, queues("old")) {
			t.Errorf("it is there again: served %v", former)
		}
		known = nil
		if former, shown = look(); len(former)+len(shown) > 0 {
			t.Errorf("served %v, shown %+v", former, shown)
		}
	})
}

// The retries of all lanes, former ones too, take one question a tick. They are only shown: without an answer the tick
// goes on.
func TestLoopAsksForAllRetriesAtOnce(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		var asked [][]string
		var err error
		l.o.Known = func(context.Context, []lanes.Queue) ([]lanes.Queue, error) { return queues("old"), nil }
		l.o.Retries = func(_ context.Context, names []string) (map[string]fleet.Delayed, error) {
			asked = append(asked, names)
			return map[string]fleet.Delayed{"bulk": {Count: 3}}, err
		}
		l.depths["old"] = fleet.Depth{Ready: 1}
		shown := func() int { return l.snapshots[len(l.snapshots)-1].Lanes[1].Retrying }
		l.seconds(1)
		if got := shown(); got != 3 {
			t.Errorf("bulk: %d jobs are shown as retrying, want 3", got)
		}
		for _, names := range asked {
			if want := []string{"standard", "bulk", "old"}; !slices.Equal(names, want) {
				t.Errorf("asked for the retries of %v, want %v", names, want)
			}
		}
		if len(asked) != len(l.snapshots) {
			t.Errorf("asked %d times in %d ticks", len(asked), len(l.snapshots))
		}
		err = errOut
		ticks := len(l.snapshots)
		l.seconds(1)
		if len(l.snapshots) != ticks+1 {
			t.Error("no tick without the retries")
		}
	})
}

// A lane that has changed its queue type, by the file or by a tuning, is both of its queues until the old one is empty.
func TestLoopLaneWithTwoQueues(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		var declared []string
		l.o.Declare = func(_ context.Context, p *lanes.Policy) {
			declared = append(declared, p.QueueOf("bulk").String())
		}
		l.o.Known = func(_ context.Context, current []lanes.Queue) ([]lanes.Queue, error) {
			return append(queues("bulk", "bulk.quorum"), current...), nil
		}
		l.o.Tunings = func(context.Context) (lanes.Tunings, error) {
			return lanes.Tunings{Revision: 1, All: []lanes.Tuning{{
				Field: "lanes.bulk.queueType",
				Value: []byte(`"quorum"`),
			}}}, nil
		}
		l.depths["bulk"], l.depths["bulk.quorum"] = fleet.Depth{Ready: 2}, fleet.Depth{Ready: 3}
		look := func() (fleet.LaneStatus, lanes.Effective) {
			l.seconds(1)
			s := l.snapshots[len(l.snapshots)-1]
			if len(s.Lanes) != 2 {
				t.Errorf("lanes %+v", s.Lanes)
			}
			return s.Lanes[1], l.effective[len(l.effective)-1]
		}
		bulk, e := look()
		if bulk.Ready != 5 || bulk.Stale || !slices.Equal(e.Former, queues("bulk")) {
			t.Errorf("%d jobs wait in bulk, left over %v; want 5, bulk", bulk.Ready, e.Former)
		}
		l.seconds(3)
		if !slices.Equal(declared, []string{"bulk.quorum"}) {
			t.Errorf("declared %v, want once, with the tuning", declared)
		}
		l.silent = true
		delete(l.depths, "bulk")
		if bulk, e = look(); bulk.Ready != 3 || !bulk.Partial || bulk.Stale || !slices.Equal(e.Former, queues("bulk")) {
			t.Errorf("bulk is %+v, left over %v; want 3 jobs at least", bulk, e.Former)
		}
		l.silent = false
		l.depths["bulk"] = fleet.Depth{}
		if bulk, e = look(); bulk.Ready != 3 || bulk.Partial || len(e.Former) > 0 {
			t.Errorf("%d jobs wait in bulk, left over %v; want 3 and none", bulk.Ready, e.Former)
		}
		delete(l.depths, "bulk.quorum") // its own queue isn't seen
		if bulk, _ = look(); !bulk.Stale {
			t.Errorf("bulk is %+v, want stale", bulk)
		}
	})
}

// Jobs in a lane that left the policy are served though nothing else wakes a pool: the default lane's home keeps a slot
// for them.
func TestLoopFormerLanesGetASlot(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		p, err := lanes.Parse([]byte(strings.ReplaceAll(twoPools, "min: 1", "min: 0")))
		if err != nil {
			t.Fatal(err)
		}
		l.o.Policy = p
		l.o.Known = func(context.Context, []lanes.Queue) ([]lanes.Queue, error) {
			return queues("bulk", "old", "standard"), nil
		}
		l.has("general", 0)
		l.has("batch", 0)
		l.depths["old"] = fleet.Depth{Ready: 3}
		l.seconds(1)
		if want := []string{"general 0 → 1 remove [] (version v0)"}; !slices.Equal(l.scales, want) {
			t.Fatalf("scaled %q, want %q", l.scales, want)
		}
		if why := l.plans[0].Why; !strings.Contains(why, "3 jobs wait in lanes that left the policy") {
			t.Errorf("it says %q", why)
		}
		l.has("general", 1)
		l.seconds(20)
		if len(l.scales) != 1 || len(l.orders) > 0 {
			t.Errorf("scaled %q, orders %q while they wait", l.scales, l.orders)
		}
		l.depths["old"] = fleet.Depth{}
		l.seconds(20)
		if len(l.orders) == 0 {
			t.Error("the worker stays though they are done")
		}
	})
}

// Without an election, a log and metrics it works just as well.
func TestLoopDefaults(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		o := l.o
		o.Log = nil
		loop := New(o)
		if loop.o.Tick != time.Second {
			t.Errorf("a tick every %s", loop.o.Tick)
		}
		l.depths["standard"] = fleet.Depth{Ready: 200}
		if err := loop.tick(t.Context()); err != nil || len(l.scales) != 1 {
			t.Errorf("scaled %q, %v", l.scales, err)
		}
	})
}
