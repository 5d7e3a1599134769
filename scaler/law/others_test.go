package law

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// shared is two fleets that follow one policy, ticked by the scaler of one of them.
type shared struct {
	t       *testing.T
	p       *lanes.Policy
	h       facts.History
	now     time.Time
	own     int
	version int
	others  []fleet.Heartbeat // as they beat
}

// tick decides once, obeys, and returns the decision; what the scaler adds takes jobs at once.
func (s *shared) tick(waiting int) Decision {
	s.t.Helper()
	s.now = s.now.Add(time.Second)
	o := facts.Observation{
		At: s.now, Depths: map[string]fleet.Depth{"standard": {Ready: waiting, Consumers: 1}},
	}
	state := fleet.PoolState{Replicas: s.own, Version: fmt.Sprint(s.version)}
	for i := range s.own {
		name := fmt.Sprintf("own-%d", i)
		state.Members = append(state.Members, fleet.Member{Name: name, CreatedAt: t0})
		o.Workers = append(o.Workers, fleet.Heartbeat{
			Worker: name, Pool: "general", At: s.now, Slots: 1, Subscribed: true,
			Running: []fleet.Run{{Job: name, Lane: "standard", Since: s.now}},
		})
	}
	for _, w := range s.others {
		w.Pool, w.At, w.Slots, w.Subscribed = "general", s.now, 1, true
		o.Workers = append(o.Workers, w)
	}
	o.Pools = map[string]fleet.PoolState{"general": state}
	var d Decision
	d, s.h = Decide(s.p, o, s.h)
	for _, p := range d.Plans {
		for _, name := range append(append(p.Park, p.Retire...), p.Remove...) {
			if strings.HasPrefix(name, "other") {
				s.t.Errorf("%s gets orders: %+v", name, p)
			}
		}
	}
	if to := d.Plans[0].To; to > s.own {
		s.own = to
		s.version++
	}
	return d
}

func newShared(t *testing.T, own, others int) *shared {
	p, err := lanes.Parse([]byte(oneLane))
	if err != nil {
		t.Fatal(err)
	}
	s := &shared{t: t, p: p, now: t0, own: own}
	for i := range others {
		s.others = append(s.others, fleet.Heartbeat{Worker: fmt.Sprintf("other-%d", i)})
	}
	return s
}

// Workers of another scaler count against max and budget, as long as they are there, and get no orders. Both numbers
// are in the snapshot.
func TestOthersCount(t *testing.T) {
	s := newShared(t, 2, 6)
	var d Decision
	for range 30 {
		d = s.tick(1000)
		if s.own+6 > s.p.Budget {
			t.Fatalf("%d own workers beside 6 others: %+v", s.own, d.Plans)
		}
	}
	p := d.Snapshot.Pools[0]
	if s.own != 4 || p.Others != 6 || p.Replicas != 4 && p.Target != 4 || d.Snapshot.Others != 6 ||
		!strings.Contains(p.Why, "6 workers are not this scaler's") {
		t.Errorf("%d own workers; %+v", s.own, p)
	}
	for i := range s.others { // they drain: they do nothing for this pool any more, and are there
		s.others[i].Draining = true
	}
	if s.tick(1000); s.own != 4 {
		t.Errorf("%d own workers beside 6 that drain", s.own)
	}
	s.others = nil
	if s.tick(1000); s.own != 10 {
		t.Errorf("%d own workers once the others have left", s.own)
	}
}

// A worker that another scaler has needn't be had once more.
func TestOthersHelp(t *testing.T) {
	s := newShared(t, 0, 2)
	for range 20 {
		s.tick(0)
	}
	if s.own > 2 { // the floor, until it is certain that they are there
		t.Errorf("%d own workers", s.own)
	}
	s = newShared(t, 2, 2)
	var d Decision
	for range 60 {
		d = s.tick(0)
	}
	if p := d.Snapshot.Pools[0]; p.Wanted != 0 { // two jobs run, and two others wait for work
		t.Errorf("%+v", p)
	}
}

// A heartbeat of one that is gone, as a new leader finds it, isn't a worker of another's.
func TestGoneIsNobodys(t *testing.T) {
	s := newShared(t, 2, 0)
	gone := fleet.Heartbeat{Worker: "other-0", Pool: "general", At: t0, Slots: 1}
	s.now = s.now.Add(time.Second)
	state := map[string]fleet.PoolState{"general": {Replicas: 2, Members: []fleet.Member{{Name: "a"}, {Name: "b"}}}}
	var h facts.History
	for range 20 {
		s.now = s.now.Add(time.Second)
		var d Decision
		d, h = Decide(s.p, facts.Observation{At: s.now, Workers: []fleet.Heartbeat{gone}, Pools: state}, h)
		if d.Snapshot.Others != 0 {
			t.Fatalf("%s after its last heartbeat it counts: %+v", s.now.Sub(t0), d.Snapshot)
		}
	}
}
