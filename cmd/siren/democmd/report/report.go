package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

// Report compares two trials of the same load.
type Report struct {
	With    Trial // its policy's lanes are those that the report speaks of, the most urgent first
	Without Trial // the same jobs, by their ids, in one queue
	Facts   []Fact
}

// Fact is a line about the machine and the load.
type Fact struct{ Name, Value string }

// Trial is one run of the load.
type Trial struct {
	Policy  *lanes.Policy
	Began   time.Time // when the burst was enqueued
	Records []job.Record
	Moments []Moment
	Plans   []fleet.Plan // that changed a pool's size, in order
}

// Moment is the fleet at one time.
type Moment struct {
	At   time.Time
	Snap fleet.Snapshot
}

// Result compares the waits of one lane's jobs.
type Result struct {
	Lane          string
	Objective     lanes.Duration
	With, Without Waits
}

// Waits sums up how long jobs waited for their start.
type Waits struct {
	Jobs          int // that started
	P50, P95, Max time.Duration
	Met           bool // 95 % of them started within the lane's objective
}

// Results returns a result for each lane that had jobs.
func (r Report) Results() (results []Result) {
	of := r.lanesOf()
	for _, l := range r.With.Policy.Lanes {
		mine := func(id string) bool { return of[id] == l.Name }
		with := sum(r.With.waits(mine), l.StartWithin.D())
		if with.Jobs > 0 {
			results = append(results, Result{
				Lane: l.Name, Objective: l.StartWithin, With: with,
				Without: sum(r.Without.waits(mine), l.StartWithin.D()),
			})
		}
	}
	return results
}

// lanesOf returns the lane of each job in the trial with lanes.
func (r Report) lanesOf() map[string]string {
	of := map[string]string{}
	for _, rec := range r.With.Records {
		of[rec.ID] = rec.Lane
	}
	return of
}

// waits returns how long the jobs that are meant waited, of those that started.
func (t Trial) waits(meant func(id string) bool) (waits []time.Duration) {
	for _, r := range t.Records {
		if !r.StartedAt.IsZero() && meant(r.ID) {
			waits = append(waits, r.Wait.D())
		}
	}
	return waits
}

func sum(waits []time.Duration, objective time.Duration) Waits {
	if len(waits) == 0 {
		return Waits{}
	}
	slices.Sort(waits)
	at := func(q float64) time.Duration { return waits[int(math.Ceil(q*float64(len(waits))))-1] }
	return Waits{Jobs: len(waits), P50: at(0.5), P95: at(0.95), Max: at(1), Met: at(0.95) <= objective}
}

// Headline is the figure that matters: the longest wait of the most urgent lane's jobs that came while every slot was
// busy with lower ones, and the longest of the same jobs without lanes.
type Headline struct {
	Lane          string
	Jobs          int // that came while every slot was busy
	Of            int // of all the lane's jobs
	With, Without time.Duration
}

// Headline returns it. When no job came while every slot was busy, it is of all the lane's jobs.
func (r Report) Headline() Headline {
	h := Headline{Lane: r.With.Policy.Lanes[0].Name}
	all, came := map[string]bool{}, map[string]bool{}
	for _, rec := range r.With.Records {
		if rec.Lane != h.Lane || rec.StartedAt.IsZero() {
			continue
		}
		all[rec.ID] = true
		if r.With.full(rec.EnqueuedAt) {
			came[rec.ID] = true
		}
	}
	h.Jobs, h.Of = len(came), len(all)
	if h.Jobs == 0 {
		came = all
	}
	meant := func(id string) bool { return came[id] }
	h.With, h.Without = sum(r.With.waits(meant), 0).Max, sum(r.Without.waits(meant), 0).Max
	return h
}

// full reports whether every slot that lower lanes may take was busy then: in each pool, a job waited that any free one
// would have taken.
func (t Trial) full(then time.Time) bool {
	waiting := map[string]bool{}
	for _, r := range t.Records {
		if !r.EnqueuedAt.After(then) && (r.StartedAt.IsZero() || r.StartedAt.After(then)) {
			waiting[r.Lane] = true
		}
	}
	delete(waiting, t.Policy.Lanes[0].Name)
	for _, p := range t.Policy.Pools {
		if !slices.ContainsFunc(slices.Concat(p.Lanes, p.Guests), func(lane string) bool { return waiting[lane] }) {
			return false
		}
	}
	return true
}

// WithLanes is the first sentence of the headline.
func (h Headline) WithLanes() string {
	while := " while every slot was busy"
	if h.Jobs == 0 {
		while = ""
	}
	return fmt.Sprintf("%s jobs waited %s at most%s.", strings.ToUpper(h.Lane[:1])+h.Lane[1:], Seconds(h.With), while)
}

// WithoutLanes is the second.
func (h Headline) WithoutLanes() string { return fmt.Sprintf("Without lanes: %s.", Seconds(h.Without)) }

// Seconds says a wait in seconds, so that any two can be compared at a glance: 0.04 s, 3.2 s, 24 s.
func Seconds(d time.Duration) string {
	switch s := d.Seconds(); {
	case s < 0.01:
		return "0.01 s" // rounded up: nothing takes no time
	case s < 0.0995:
		return fmt.Sprintf("%.2f s", s)
	case s < 9.95:
		return fmt.Sprintf("%.1f s", s)
	default:
		return fmt.Sprintf("%.0f s", s)
	}
}

// Peak returns the most workers that there were at one time, how many slots they had, and how many of those were for
// one lane alone.
func (t Trial) Peak() (workers, slots, shoulder int) {
	for _, m := range t.Moments {
		w, s, alone := 0, 0, 0
		for _, p := range m.Snap.Pools {
			live := Alive(p)
			w += live
			if is, ok := t.Policy.Pool(p.Name); ok {
				s += live * is.Slots
				for _, n := range is.Shoulder {
					s, alone = s+live*n, alone+live*n
				}
			}
		}
		if cmp.Or(cmp.Compare(w, workers), cmp.Compare(s, slots)) > 0 {
			workers, slots, shoulder = w, s, alone
		}
	}
	return workers, slots, shoulder
}

// Alive returns how many workers of a pool are up.
func Alive(p fleet.PoolStatus) int { return p.Ready + p.Parked + p.Retired }
