package facts

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

var usualTiming = lanes.Timing{Heartbeat: lanes.Duration(time.Second), GoneAfter: lanes.Duration(5 * time.Second)}

// beat returns a heartbeat of the pool general at t0: 2 slots and 1 shoulder slot, running jobs of the named lanes
// ("express!" on the shoulder).
func beat(name string, jobs ...string) fleet.Heartbeat {
	w := fleet.Heartbeat{Worker: name, Pool: "general", At: t0, Slots: 2, Shoulder: 1, Subscribed: true}
	for _, j := range jobs {
		r := fleet.Run{Job: name + "-" + j, Lane: j, Since: t0.Add(-4 * time.Second)}
		if j == "express!" {
			r.Lane, r.Shoulder = "express", true
		}
		w.Running = append(w.Running, r)
	}
	return w
}

// with changes a heartbeat.
func with(w fleet.Heartbeat, change func(*fleet.Heartbeat)) fleet.Heartbeat {
	change(&w)
	return w
}

func parked(w *fleet.Heartbeat)   { w.Parked = true }
func draining(w *fleet.Heartbeat) { w.Draining = true }
func retired(w *fleet.Heartbeat)  { w.Parked, w.Retired = true, true }
func aged(d time.Duration) func(*fleet.Heartbeat) {
	return func(w *fleet.Heartbeat) { w.At = w.At.Add(-d) }
}

func TestViewPool(t *testing.T) {
	const sec = time.Second
	type counts struct {
		workers, taking, ready, running, onParked, parked, onShoulder, freeShoulder, guests int
		retired                                                                             []string
		stuck, present, leaving, starting, silent                                           int
	}
	// A worker is one of the pool's members unless the case says otherwise.
	tests := []struct {
		name    string
		workers []fleet.Heartbeat
		members []fleet.Member // nil: one for each worker
		met     []string       // workers heard of in earlier ticks
		want    counts
	}{
		{
			name: "an idle worker", workers: []fleet.Heartbeat{beat("a")},
			want: counts{workers: 1, taking: 1, ready: 2, freeShoulder: 1, present: 1},
		},
		{
			name: "a busy one, with a guest", workers: []fleet.Heartbeat{beat("a", "standard", "bulk")},
			want: counts{workers: 1, taking: 1, ready: 2, running: 2, freeShoulder: 1, guests: 1, present: 1},
		},
		{
			// Counted as a shared one, it costs a third more and makes the scaler hunt.
			name: "a job on the shoulder takes no shared slot", workers: []fleet.Heartbeat{beat("a", "express!")},
			want: counts{workers: 1, taking: 1, ready: 2, onShoulder: 1, present: 1},
		},
		{
			name: "a parked one", workers: []fleet.Heartbeat{with(beat("a", "standard", "express!"), parked)},
			want: counts{workers: 1, onParked: 1, parked: 1, onShoulder: 1, present: 1},
		},
		{
			name: "a parked one's shoulder is not free for anyone", workers: []fleet.Heartbeat{with(beat("a"), parked)},
			want: counts{workers: 1, parked: 2, present: 1},
		},
		{
			name: "a retired one", workers: []fleet.Heartbeat{with(beat("a"), retired)},
			want: counts{workers: 1, retired: []string{"a"}, present: 1},
		},
		{
			name:    "a retired one that runs a job has broken its promise and stays",
			workers: []fleet.Heartbeat{with(beat("a", "standard"), retired)},
			want:    counts{workers: 1, present: 1},
		},
		{
			name:    "a retired one that was told to leave isn't removed again",
			workers: []fleet.Heartbeat{with(beat("a"), retired)},
			members: []fleet.Member{{Name: "a", Leaving: true}}, want: counts{workers: 1, leaving: 1},
		},
		{
			name:    "nor one that has left, while its last heartbeat is still on the roster",
			workers: []fleet.Heartbeat{with(beat("a"), retired)},
			members: []fleet.Member{}, want: counts{workers: 1},
		},
		{
			name:    "a draining one takes nothing, and its jobs end with it",
			workers: []fleet.Heartbeat{with(beat("a", "standard", "express!"), draining)},
			want:    counts{workers: 1, present: 1},
		},
		{
			name:    "one that was told to leave and hasn't said so yet",
			workers: []fleet.Heartbeat{beat("a", "standard")},
			members: []fleet.Member{{Name: "a", Leaving: true}}, want: counts{workers: 1, leaving: 1},
		},
		{
			name: "a heartbeat of 3 s is fresh", workers: []fleet.Heartbeat{with(beat("a", "standard"), aged(3*sec))},
			want: counts{workers: 1, taking: 1, ready: 2, running: 1, freeShoulder: 1, present: 1},
		},
		{
			name:    "older, it vouches for the jobs, not for the slots",
			workers: []fleet.Heartbeat{with(beat("a", "standard", "express!"), aged(4*sec))},
			want:    counts{workers: 1, onParked: 1, onShoulder: 1, present: 1},
		},
		{
			name:    "a parked one's idle slots can be unparked at any age",
			workers: []fleet.Heartbeat{with(with(beat("a"), parked), aged(4*sec))},
			want:    counts{workers: 1, parked: 2, present: 1},
		},
		{
			name:    "after 5 s it is gone, and missed",
			workers: []fleet.Heartbeat{with(beat("a", "standard"), aged(6*sec))}, met: []string{"a"},
			want: counts{present: 1, silent: 1},
		},
		{name: "another pool's worker", workers: []fleet.Heartbeat{with(beat("a"),
			func(w *fleet.Heartbeat) { w.Pool = "batch" })}, members: []fleet.Member{}},
		{
			name: "a worker that the fleet doesn't know works all the same", workers: []fleet.Heartbeat{beat("a")},
			members: []fleet.Member{},
			want:    counts{workers: 1, taking: 1, ready: 2, freeShoulder: 1},
		},
		{
			name: "a member that was never heard of starts", members: []fleet.Member{{Name: "a"}},
			want: counts{present: 1, starting: 1},
		},
		{
			name: "one that was is silent", members: []fleet.Member{{Name: "a"}}, met: []string{"a"},
			want: counts{present: 1, silent: 1},
		},
		{
			name: "one that can't start", members: []fleet.Member{{Name: "a", Stuck: "no image"}},
			want: counts{present: 1, stuck: 1},
		},
		{
			name: "a stuck one that leaves", members: []fleet.Member{{Name: "a", Stuck: "no image", Leaving: true}},
			want: counts{leaving: 1},
		},
		{
			name: "one that beats isn't stuck", workers: []fleet.Heartbeat{beat("a")},
			members: []fleet.Member{{Name: "a", Stuck: "restarted often"}},
			want:    counts{workers: 1, taking: 1, ready: 2, freeShoulder: 1, present: 1},
		},
	}
	pool := lanes.Pool{
		Name: "general", Lanes: []string{"express", "standard"}, Guests: []string{"bulk"}, Slots: 2,
		Shoulder: map[string]int{"express": 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.members == nil {
				for _, w := range tt.workers {
					tt.members = append(tt.members, fleet.Member{Name: w.Worker})
				}
			}
			h := History{Workers: map[string]WorkerHistory{}}
			for _, name := range tt.met {
				h.Workers[name] = WorkerHistory{At: t0.Add(-6 * sec)}
			}
			o := Observation{
				At: t0, Workers: tt.workers,
				Pools: map[string]fleet.PoolState{"general": {Members: tt.members}},
			}
			v := ViewPool(pool, usualTiming, o, o.ByPool()["general"], h)
			got := counts{
				workers: len(v.Workers), taking: len(v.Taking), ready: v.Ready, running: total(v.Running),
				onParked: total(v.OnParked), parked: v.Parked,
				onShoulder: v.OnShoulder, freeShoulder: v.FreeShoulder, guests: v.GuestJobs(), retired: v.Retired,
				stuck: len(v.Stuck), present: v.Present, leaving: v.leaving, starting: len(v.Starting),
				silent: v.Silent,
			}
			if !slices.Equal(got.retired, tt.want.retired) {
				t.Errorf("retired %v, want %v", got.retired, tt.want.retired)
			}
			got.retired, tt.want.retired = nil, nil
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestViewPoolOfAnUnseenPool(t *testing.T) {
	h := History{Pools: map[string]PoolHistory{"general": {State: fleet.PoolState{Replicas: 3}}}}
	v := ViewPool(lanes.Pool{Name: "general"}, usualTiming, Observation{At: t0}, nil, h)
	if !v.Unseen || v.State.Replicas != 3 || v.Existing() != 3 {
		t.Errorf("%+v: what was seen last counts against the budget", v)
	}
}

func TestExisting(t *testing.T) {
	m := func(n int, leaving bool) []fleet.Member {
		return slices.Repeat([]fleet.Member{{Leaving: leaving}}, n)
	}
	tests := []struct {
		name     string
		replicas int
		members  []fleet.Member
		existing int
		settled  bool
	}{
		{"as asked for", 3, m(3, false), 3, true},
		{"not yet there", 5, m(3, false), 5, false},
		{"a rollout's surge", 3, m(4, false), 4, false},
		{"those that leave count on top", 3, append(m(3, false), m(2, true)...), 5, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := History{Workers: map[string]WorkerHistory{"": {At: t0}}} // they are all known, so none starts
			o := Observation{At: t0, Pools: map[string]fleet.PoolState{"p": {
				Replicas: tt.replicas,
				Members:  tt.members,
			}}}
			v := ViewPool(lanes.Pool{Name: "p"}, usualTiming, o, nil, h)
			if v.Existing() != tt.existing || v.Settled() != tt.settled {
				t.Errorf("existing %d, settled %v; want %d, %v", v.Existing(), v.Settled(), tt.existing, tt.settled)
			}
		})
	}
}

func total(m map[string]int) (n int) {
	for _, jobs := range m {
		n += jobs
	}
	return n
}
