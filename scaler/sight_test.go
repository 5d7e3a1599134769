package scaler

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// shown keeps what a loop shows, and is read as by a command of the same version.
type shown struct {
	texts [][]byte
	err   error
}

func (s *shown) put(_ context.Context, text []byte) error {
	s.texts = append(s.texts, text)
	return s.err
}

func (s *shown) read(t *testing.T) Sight {
	t.Helper()
	got, err := ReadSight(s.texts[len(s.texts)-1], "v1")
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestLoopForesees(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		var see shown
		var set overrides
		set.set("pools.general.max", "3", time.Time{})
		set.set("pools.gone.max", "3", time.Time{}) // idle anyway
		l.o.Sight, l.o.Version, l.o.Tunings = see.put, "v1", set.read
		l.depths["standard"] = fleet.Depth{Ready: 200}
		l.seconds(2)
		scales := len(l.scales)
		l.seconds(1)
		if len(l.scales) != scales+1 || !strings.HasPrefix(l.scales[scales], "general 1 → 3 ") {
			t.Errorf("it scaled %q", l.scales)
		}
		sight := see.read(t)
		if sight.Leader != "me" || len(sight.Plans) != 2 || sight.Plans[0].To != 3 {
			t.Errorf("it shows the plans %+v of %s", sight.Plans, sight.Leader)
		}
		for name, c := range map[string]struct {
			tunings []lanes.Tuning
			to      int
			reason  fleet.Reason
			err     string
		}{
			"none": {to: 6, reason: fleet.Ceiling},
			"more": {
				tunings: []lanes.Tuning{tuning("pools.general.max", "5", time.Time{})}, to: 5,
				reason: fleet.Ceiling,
			},
			"beside what is idle": {
				tunings: append(set.All, tuning("lanes.standard.paused", "true", time.Time{})), to: 1,
				reason: fleet.Paused,
			},
			"over": {
				tunings: []lanes.Tuning{tuning("pools.general.max", "5", sight.Seen.At)},
				err:     "pools.general.max can't be 5: it has expired",
			},
			"unfit": {
				tunings: []lanes.Tuning{tuning("pools.general.max", "0", time.Time{})},
				err:     "pools.general.max can't be 0: pools[0].max",
			},
			"nonsense": {tunings: []lanes.Tuning{tuning("budget", "{", time.Time{})}, err: "budget can't be {: "},
		} {
			after, err := sight.Foresee(c.tunings)
			if c.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.err) || after != nil {
					t.Errorf("%s: %+v, %v; want the error %q", name, after, err, c.err)
				}
				continue
			}
			if err != nil || len(after) != 2 || after[0].To != c.to || after[0].Reason != c.reason {
				t.Errorf("%s: %+v, %v; want %d [%s]", name, after, err, c.to, c.reason)
			}
		}
	})
}

// What is foreseen is a decision on the same sight and memory: with what is in force, it is the plan itself.
func TestForeseeingWhatIsInForce(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		var see shown
		var set overrides
		set.set("pools.general.min", "2", time.Time{})
		l.o.Sight, l.o.Version, l.o.Tunings = see.put, "v1", set.read
		l.has("general", 5)
		retired := false
		for range 20 { // through the hold window, into parking and retiring
			l.seconds(1)
			sight := see.read(t)
			after, err := sight.Foresee(set.All)
			if err != nil || !reflect.DeepEqual(sight.Plans, after) {
				t.Fatalf("%+v\n%+v, %v", sight.Plans, after, err)
			}
			retired = retired || len(after[0].Retire) > 0
			for i, w := range l.workers {
				l.workers[i].Parked = slices.Contains(after[0].Park, w.Worker)
			}
		}
		if !retired {
			t.Errorf("it never came to retiring: orders %q", l.orders)
		}
	})
}

func TestLoopShowsOnlyWhileItLeads(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		var see shown
		leading := false
		l.o.Sight = see.put
		l.o.Leading = func(context.Context) (bool, error) { return leading, nil }
		l.seconds(3)
		if len(see.texts) > 0 {
			t.Fatal("shows what the leader should")
		}
		leading = true
		l.seconds(1)
		if len(see.texts) != 1 {
			t.Errorf("%d sights in one tick", len(see.texts))
		}
		see.err = errOut // not a reason to do anything else differently
		l.seconds(2)
		if len(l.snapshots) != 3 || strings.Contains(l.log.String(), "WARN") {
			t.Errorf("%d snapshots\n%s", len(l.snapshots), &l.log)
		}
	})
}

// The history hears of each tick of the leader, and what becomes of it changes nothing.
func TestLoopTellsTheHistory(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		leading := false
		var told []fleet.Snapshot
		l.o.Leading = func(context.Context) (bool, error) { return leading, nil }
		l.o.History = func(_ context.Context, s fleet.Snapshot) error {
			told = append(told, s)
			return errOut
		}
		l.depths["standard"] = fleet.Depth{Ready: 3}
		l.seconds(2)
		if len(told) > 0 {
			t.Fatal("tells what the leader should")
		}
		leading = true
		l.seconds(2)
		if len(told) != len(l.snapshots) || len(told) == 0 || told[0].Point().Lanes["standard"].Ready != 3 {
			t.Errorf("told %+v, of %d snapshots", told, len(l.snapshots))
		}
		if strings.Contains(l.log.String(), "WARN") {
			t.Errorf("a history that can't be written fails the tick:\n%s", &l.log)
		}
	})
}

// A sight of another version is none: that one may decide otherwise.
func TestSightOfAnotherVersion(t *testing.T) {
	text, err := Sight{Version: "v2", Leader: "me"}.encode()
	if err != nil {
		t.Fatal(err)
	}
	_, err = ReadSight(text, "v1")
	if err == nil || !strings.HasPrefix(err.Error(), "the scaler me is version v2 and this is v1") {
		t.Error(err)
	}
	for _, broken := range [][]byte{nil, []byte("{}"), text[:len(text)/2]} {
		if s, err := ReadSight(broken, "v2"); err == nil {
			t.Errorf("%q is read as %+v", broken, s)
		}
	}
}

// What is published stays small, without waits and rates, and leaves what the scaler remembers as it is.
func TestSightIsBounded(t *testing.T) {
	var s Sight
	s.Before = facts.History{Lanes: map[string]facts.LaneHistory{}, Workers: map[string]facts.WorkerHistory{}}
	for lane := range 10 {
		h := facts.LaneHistory{Waits: make([]facts.WaitSample, 4096), Flow: make([]facts.FlowSample, 60)}
		s.Before.Lanes[fmt.Sprint("lane-", lane)] = h
	}
	for i := range 1000 {
		w := fleet.Heartbeat{Worker: fmt.Sprint("worker-", i), At: time.Now(), Lanes: map[string]fleet.LaneWork{}}
		for lane := range 10 {
			w.Lanes[fmt.Sprint("lane-", lane)] = fleet.LaneWork{
				Started: int64(i),
				Waits:   make([]int64, fleet.RecentWaits),
			}
		}
		s.Seen.Workers = append(s.Seen.Workers, w)
		s.Before.Workers[w.Worker] = facts.WorkerHistory{At: w.At, Lanes: w.Lanes}
	}
	text, err := s.encode()
	if err != nil || len(text) > 200_000 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if len(s.Seen.Workers[0].Lanes["lane-0"].Waits) == 0 || len(s.Before.Lanes["lane-0"].Waits) == 0 {
		t.Error("it has cut what the scaler remembers")
	}
}

// A sight comes back as it was, but for waits: of workers that did something since, of those that didn't, and of those
// that are gone.
func TestSightComesBackWhole(t *testing.T) {
	at := time.Unix(1000, 0).UTC()
	work := func(started int64) map[string]fleet.LaneWork {
		w := fleet.LaneWork{Started: started, Service: lanes.Duration(time.Minute), LastReady: at}
		return map[string]fleet.LaneWork{"standard": w}
	}
	s := Sight{Version: "v1", Leader: "me"}
	s.Seen.Workers = []fleet.Heartbeat{
		{Worker: "busy", At: at, Lanes: work(6)}, {Worker: "idle", At: at, Lanes: work(3)}, {Worker: "new", At: at},
	}
	s.Before.Workers = map[string]facts.WorkerHistory{
		"busy": {At: at, Lanes: work(5)}, "idle": {At: at, Lanes: work(3), Strange: at},
		"gone": {At: at, Lanes: work(1)},
	}
	text, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadSight(text, "v1")
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%v\n%+v, want\n%+v", err, got, s)
	}
}

// Whatever counter differs, it isn't the same work.
func TestSameWork(t *testing.T) {
	for i := range reflect.TypeFor[fleet.LaneWork]().NumField() {
		var w fleet.LaneWork
		f := reflect.ValueOf(&w).Elem().Field(i)
		switch f.Kind() {
		case reflect.Int64:
			f.SetInt(1)
		case reflect.Struct:
			f.Set(reflect.ValueOf(time.Unix(1, 0)))
		default: // waits
			continue
		}
		if sameWork(w, fleet.LaneWork{}) {
			t.Errorf("%+v is taken for none", w)
		}
	}
}
