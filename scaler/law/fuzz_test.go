package law

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// FuzzDecide feeds Decide what no fleet would ever say, tick after tick. The input is a stream of small numbers.
func FuzzDecide(f *testing.F) {
	f.Add([]byte("an ordinary text is as good as any other stream of small numbers, and gives a few ticks"))
	f.Add([]byte{})
	f.Add([]byte{
		5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 200, 201, 202, 203, 204, 255, 254, 253, 252,
		251, 250, 0, 0, 0, 9, 9, 9,
	})
	for seed := range byte(8) {
		var b []byte
		for i := range 400 {
			b = append(b, byte(i*i*(3+int(seed)*2)>>3)+seed*31)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n := numbers{data}
		p := n.policy()
		if err := p.Validate(); err != nil {
			t.Fatalf("the generator's fault: %v", err)
		}
		var h facts.History
		o := facts.Observation{At: t0}
		for range 1 + n.below(12) {
			o = n.observation(p, o.At)
			p = n.operated(p)
			before := snapshotOf(t, h)
			d, next := Decide(p, o, h)
			if again, next2 := Decide(p, o, h); !reflect.DeepEqual(d, again) || !reflect.DeepEqual(next, next2) {
				t.Fatal("the same input, another output")
			}
			planned, next3 := Plan(p, o, h)
			if planned.Snapshot = d.Snapshot; !reflect.DeepEqual(d, planned) || !reflect.DeepEqual(next, next3) {
				t.Fatal("Plan decides otherwise than Decide")
			}
			if snapshotOf(t, h) != before {
				t.Fatal("Decide changed the History it was given")
			}
			for _, problem := range wrong(p, o, d) {
				t.Error(problem)
			}
			for _, l := range d.Snapshot.Lanes {
				if l.Ready < 0 || l.Busy < 0 || l.Slots < 0 || l.InPerMin < 0 || l.OldestWait < 0 {
					t.Errorf("lane %+v", l)
				}
			}
			h = next
		}
	})
}

// numbers reads small numbers from a stream; 0 when it is over.
type numbers struct{ data []byte }

func (n *numbers) below(limit int) int {
	if len(n.data) == 0 {
		return 0
	}
	b := n.data[0]
	n.data = n.data[1:]
	return int(b) % limit
}

func (n *numbers) seconds(limit int) time.Duration {
	return time.Duration(n.below(limit)) * time.Second
}

// policy returns a valid one with three lanes and two pools.
func (n *numbers) policy() *lanes.Policy {
	p := &lanes.Policy{
		Lanes: []lanes.Lane{
			{
				Name: "express", Match: []string{"a"}, StartWithin: lanes.Duration(time.Second + n.seconds(10)),
				Reserve: n.below(4),
			},
			{Name: "standard", StartWithin: lanes.Duration(time.Second + n.seconds(60))},
			{
				Name: "bulk", Match: []string{"b"}, StartWithin: lanes.Duration(time.Second + n.seconds(250)),
				Promote: &lanes.Promote{After: lanes.Duration(time.Second), To: "standard"},
			},
		},
		Pools: []lanes.Pool{
			{
				Name: "general", Lanes: []string{"express", "standard"}, Guests: []string{"bulk"},
				Slots:    1 + n.below(3),
				Shoulder: map[string]int{"express": 1 + n.below(2)}, Min: n.below(3), Max: 2 + n.below(12),
			},
			{Name: "batch", Lanes: []string{"bulk"}, Slots: 1 + n.below(3), Max: 1 + n.below(6)},
		},
		Budget: 2 + n.below(16),
	}
	p.Default()
	return p
}

// operated returns the policy with some lanes paused and some pools frozen.
func (n *numbers) operated(p *lanes.Policy) *lanes.Policy {
	q := *p
	q.Lanes, q.Pools = slices.Clone(p.Lanes), slices.Clone(p.Pools)
	for i := range q.Lanes {
		q.Lanes[i].Paused = n.below(6) == 5
	}
	for i := range q.Pools {
		q.Pools[i].Frozen = n.below(8) == 7
	}
	return &q
}

// observation returns any observation; time goes on from last.
func (n *numbers) observation(p *lanes.Policy, last time.Time) facts.Observation {
	o := facts.Observation{
		At: last.Add(n.seconds(30)), Depths: map[string]fleet.Depth{},
		Pools: map[string]fleet.PoolState{},
	}
	for _, name := range append(p.LaneNames(), "former") {
		if n.below(5) > 0 {
			o.Depths[name] = fleet.Depth{Ready: n.below(100), Consumers: n.below(3)}
		}
	}
	if n.below(2) > 0 {
		o.Former = []string{"former"}
	}
	for _, q := range p.Pools {
		s := fleet.PoolState{Rollout: n.below(8) == 7}
		if n.below(16) == 15 {
			s.Foreign = "another"
		}
		for i := range n.below(16) {
			name := fmt.Sprintf("%s-%d", q.Name, i)
			if n.below(4) > 0 {
				m := fleet.Member{Name: name, CreatedAt: o.At.Add(-n.seconds(100)), Leaving: n.below(6) == 5}
				if n.below(10) == 9 {
					m.Stuck = "stuck"
				}
				s.Members = append(s.Members, m)
			}
			if n.below(4) > 0 {
				o.Workers = append(o.Workers, n.heartbeat(name, q, o.At))
			}
		}
		if s.Replicas = len(s.Members); n.below(3) == 2 {
			s.Replicas = n.below(20)
		}
		if n.below(10) < 9 {
			o.Pools[q.Name] = s
		}
	}
	return o
}

func (n *numbers) heartbeat(name string, q lanes.Pool, at time.Time) fleet.Heartbeat {
	_, aside := q.Shoulders()
	w := fleet.Heartbeat{
		Worker: name, Pool: q.Name, At: at.Add(-n.seconds(8)), Slots: q.Slots, Shoulder: aside,
		Lanes:      map[string]fleet.LaneWork{},
		Subscribed: n.below(4) > 0, Parked: n.below(3) > 1, Retired: n.below(6) == 5, Draining: n.below(8) == 7,
	}
	for range n.below(4) {
		lane := []string{"express", "standard", "bulk", "former"}[n.below(4)]
		w.Running = append(w.Running, fleet.Run{
			Lane: lane, Since: at.Add(-n.seconds(200)),
			Shoulder: lane == "express" && n.below(2) > 0,
		})
		w.Lanes[lane] = fleet.LaneWork{
			Started: int64(n.below(50)), Finished: int64(n.below(50)), Failed: int64(n.below(5)),
			First:   int64(n.below(50)),
			Service: lanes.Duration(n.seconds(200)), Waits: []int64{int64(n.below(256)), int64(n.below(256))},
			LastReady: at.Add(-n.seconds(100)),
		}
	}
	return w
}
