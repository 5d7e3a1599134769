package sim

import (
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// View is what a controller may look at.
type View struct {
	p     *Plant
	o     facts.Observation
	pools [2]map[string]fleet.PoolState // in turns: the scaler remembers the one before
	turn  int
	// of each lane, what has been seen since the answer that the broker gives now; nil while its answers aren't late
	depths [][]depth
}

// beginning is when a simulation begins that doesn't say when.
var beginning = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (p *Plant) at(ns int64) time.Time { return p.began.Add(time.Duration(ns)) }

// Since returns how long the simulation has lasted.
func (v *View) Since() time.Duration { return time.Duration(v.p.now) }

// Policy returns the policy: its lanes and pools are numbered in their order.
func (v *View) Policy() *lanes.Policy { return v.p.policy }

// Ready returns how many jobs wait in a lane: what a passive declare says.
func (v *View) Ready(lane int) int { return v.p.lanes[lane].queue.n }

// Running returns how many jobs of a lane run: what is delivered and isn't acknowledged.
func (v *View) Running(lane int) int { return v.p.lanes[lane].running }

// Replicas returns how many are asked for in a pool.
func (v *View) Replicas(pool int) int { return v.p.pools[pool].replicas }

// Up returns how many of a pool's workers have started, and aren't leaving; and how many haven't.
func (v *View) Up(pool int) (up, starting int) {
	for _, m := range v.p.pools[pool].members {
		switch w := v.p.workers[m]; {
		case w.leaving:
		case w.up:
			up++
		default:
			starting++
		}
	}
	return up, starting
}

// Observation returns what Siren's scaler sees. It is good until the next call.
func (v *View) Observation() facts.Observation {
	p := v.p
	p.listen()
	v.turn = 1 - v.turn
	if v.o.Depths == nil {
		v.o.Depths, v.o.Waiting = map[string]fleet.Depth{}, map[string]fleet.Waiting{}
		v.pools = [2]map[string]fleet.PoolState{{}, {}}
	}
	v.o.At = p.at(p.now)
	v.lookAtLanes()
	v.o.Workers = v.o.Workers[:0]
	states := v.pools[v.turn]
	for i := range p.pools {
		q := &p.pools[i]
		s := fleet.PoolState{Replicas: q.replicas, Members: states[q.Name].Members[:0]}
		for _, m := range q.members {
			w := p.workers[m]
			member := fleet.Member{Name: w.name, CreatedAt: p.at(w.created), Leaving: w.leaving}
			if w.pending && p.now-w.created > int64(stuckAfter) {
				member.Stuck = "there is no room for it"
			}
			s.Members = append(s.Members, member)
			if w.heard {
				v.o.Workers = append(v.o.Workers, w.beat)
				w.seen = w.using
			}
		}
		states[q.Name] = s
	}
	v.o.Pools = states
	return v.o
}

// listen has the workers beat from now on, if nobody has listened until now.
func (p *Plant) listen() {
	if p.heard {
		return
	}
	p.heard = true
	for _, w := range p.workers {
		if w != nil && w.up {
			p.beat(w)
		}
	}
}

// stuckAfter is how long a worker has no room until its pool says so.
const stuckAfter = 2 * time.Second

func (v *View) lookAtLanes() {
	p := v.p
	clear(v.o.Depths)
	clear(v.o.Waiting)
	for i := range p.lanes {
		l := &p.lanes[i]
		if f := p.c.Faults.LostDepth; f > 0 && p.rand.Float64() < f {
			continue
		}
		seen := v.depth(i)
		d := fleet.Depth{Ready: seen.ready, Consumers: 1}
		if l.Paused {
			d.Consumers = 0
		}
		v.o.Depths[l.Name] = d
		w := fleet.Waiting{Queued: seen.ready}
		if seen.ready > 0 {
			w.Oldest = p.at(seen.oldest)
		}
		v.o.Waiting[l.Name] = w
	}
}

// Arrived returns how many jobs have come to a lane, retries aside.
func (v *View) Arrived(lane int) int { return v.p.book.lanes[lane].arrived }

// Ended returns how many attempts of a lane's jobs have ended well.
func (v *View) Ended(lane int) int { return v.p.book.lanes[lane].finished }

// Idle returns a pool's workers that run nothing now.
func (v *View) Idle(pool int) (names []string) {
	for _, m := range v.p.pools[pool].members {
		if w := v.p.workers[m]; w.takes() && w.busy == 0 {
			names = append(names, w.name)
		}
	}
	return names
}
