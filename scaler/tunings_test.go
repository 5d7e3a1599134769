package scaler

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// overrides is tunings that a test may change between ticks.
type overrides struct {
	lanes.Tunings
	err error
}

func (o *overrides) read(context.Context) (lanes.Tunings, error) { return o.Tunings, o.err }

func (o *overrides) set(field, value string, until time.Time) {
	o.Revision++
	o.All = append(slices.Clone(o.All), tuning(field, value, until))
}

func tuning(field, value string, until time.Time) lanes.Tuning {
	return lanes.Tuning{Field: field, Value: json.RawMessage(value), By: "alice", Until: until}
}

func (l *loopTest) published() lanes.Effective { return l.effective[len(l.effective)-1] }

func TestLoopTunings(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		var set overrides
		l.o.Tunings, l.o.Metrics = set.read, NewMetrics(nil)
		l.seconds(1)
		if e := l.published(); e.File != nil || len(e.Tunings)+len(e.Idle) > 0 {
			t.Errorf("without tunings: %+v", e)
		}
		set.set("pools.general.min", "3", time.Time{})
		set.set("pools.gone.max", "3", time.Time{})
		l.seconds(1)
		if want := []string{"general 1 → 3 remove [] (version v1)"}; !slices.Equal(l.scales, want) {
			t.Errorf("scaled %q, want %q: it is decided by the tuned policy", l.scales, want)
		}
		e := l.published()
		if e.Policy.Pools[0].Min != 3 || e.File == nil || e.File.Pools[0].Min != 1 {
			t.Errorf("published %+v", e)
		}
		if len(e.Tunings) != 1 || e.Tunings[0].Field != "pools.general.min" || len(e.Idle) != 1 ||
			!strings.Contains(e.Idle[0].Why, `no pool "gone"`) {
			t.Errorf("in force %+v, idle %+v", e.Tunings, e.Idle)
		}
		if in, idle := testutil.ToFloat64(l.o.Metrics.tunings), testutil.ToFloat64(l.o.Metrics.idle); in != 1 ||
			idle != 1 {
			t.Errorf("%g in force and %g idle are shown", in, idle)
		}

		// The file may change under them.
		changed, err := lanes.Parse([]byte(strings.ReplaceAll(twoPools, "max: 6", "max: 2")))
		if err != nil {
			t.Fatal(err)
		}
		l.loop.Follow(changed)
		l.seconds(1)
		if e := l.published(); e.Policy.Pools[0].Min != 1 || e.Policy.Pools[0].Max != 2 || len(e.Idle) != 2 {
			t.Errorf("published %+v", e)
		}
		set.All = nil
		l.seconds(1)
		if e := l.published(); e.File != nil || len(e.Tunings)+len(e.Idle) > 0 {
			t.Errorf("without them again: %+v", e)
		}
	})
}

func TestLoopTuningEndsByItself(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		var set overrides
		set.set("lanes.standard.paused", "true", time.Now().Add(3*time.Second))
		l.o.Tunings = set.read
		l.depths["standard"] = fleet.Depth{Ready: 200}
		l.seconds(1)
		set.err = errOut // whether anybody can be asked or not
		l.seconds(2)
		if e := l.published(); !e.Policy.Paused("standard") || len(l.scales) > 0 {
			t.Fatalf("scaled %q for a paused lane; %+v", l.scales, e)
		}
		l.seconds(1)
		if e := l.published(); e.Policy.Paused("standard") || len(e.Tunings) > 0 || len(e.Idle) != 1 ||
			e.Idle[0].Why != "it has expired" {
			t.Errorf("published %+v", e)
		}
		if want := []string{"general 1 → 6 remove [] (version v1)"}; !slices.Equal(l.scales, want) {
			t.Errorf("scaled %q, want %q", l.scales, want)
		}
	})
}

func TestLoopTuningsCannotBeRead(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		leading, set := true, overrides{err: errOut}
		set.set("lanes.standard.paused", "true", time.Time{})
		l.o.Tunings = set.read
		l.o.Leading = func(context.Context) (bool, error) { return leading, nil }
		l.depths["standard"] = fleet.Depth{Ready: 200}
		l.seconds(3)
		if len(l.effective)+len(l.scales) > 0 {
			t.Fatalf("a scaler that never knew of the pause published %+v and scaled %q", l.effective, l.scales)
		}
		if n := strings.Count(l.log.String(), "look up the tunings for the first time: it is out of order"); n != 1 {
			t.Errorf("said %d times:\n%s", n, &l.log)
		}
		set.err = nil
		l.seconds(1)
		set.err = errOut
		l.seconds(3)
		if e := l.published(); len(l.effective) != 4 || !e.Policy.Paused("standard") || len(l.scales) > 0 {
			t.Errorf("the last ones known stand; published %d times, %+v", len(l.effective), e)
		}
		if n := strings.Count(l.log.String(), "can't be looked up"); n != 1 {
			t.Errorf("said %d times:\n%s", n, &l.log)
		}
		set.err, set.All = nil, nil
		l.seconds(1)
		if e := l.published(); e.Policy.Paused("standard") || len(l.scales) != 1 ||
			!strings.Contains(l.log.String(), "can be looked up again") {
			t.Errorf("scaled %q, %+v\n%s", l.scales, e, &l.log)
		}

		// While another one leads they may change.
		leading = false
		l.seconds(1)
		leading, set.err = true, errOut
		before := len(l.effective)
		l.seconds(2)
		if len(l.effective) != before {
			t.Error("it acts on what it knew when it led the last time")
		}
	})
}

// A hanging store leaves the tick the time that it needs.
func TestLoopTuningsHang(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		hang := false
		l.o.Tunings = func(ctx context.Context) (lanes.Tunings, error) {
			if hang {
				<-ctx.Done()
			}
			return lanes.Tunings{}, ctx.Err()
		}
		l.seconds(1)
		hang = true
		l.seconds(30)
		if len(l.snapshots) < 10 {
			t.Errorf("%d snapshots in half a minute", len(l.snapshots))
		}
	})
}

func TestLoopNudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := lanes.Parse([]byte(twoPools))
		if err != nil {
			t.Fatal(err)
		}
		nudge, ticks := make(chan struct{}, 1), []time.Duration(nil)
		began := time.Now()
		l := New(Options{Policy: p, Nudge: nudge, Leading: func(context.Context) (bool, error) {
			ticks = append(ticks, time.Since(began))
			return false, nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Run(ctx) }()
		at := func(ms int) {
			time.Sleep(time.Until(began.Add(time.Duration(ms) * time.Millisecond)))
			synctest.Wait()
		}
		at(300)
		nudge <- struct{}{} // at once
		at(310)
		nudge <- struct{}{} // a little later
		synctest.Wait()
		nudge <- struct{}{}
		at(990)
		nudge <- struct{}{} // the clock's turn comes with it
		at(2500)
		close(nudge)
		at(3500)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		var got []int64
		for _, d := range ticks {
			got = append(got, d.Milliseconds())
		}
		if want := []int64{0, 300, 350, 400, 990, 1040, 2000, 2500, 3000}; !slices.Equal(got, want) {
			t.Errorf("ticks at %v, want %v", got, want)
		}
	})
}
