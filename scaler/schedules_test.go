package scaler

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/scaler/facts"
)

// inMinutes returns a schedule of pool general's floor that starts so many minutes after the bubble's clock began, a
// Saturday at midnight, for one minute.
func inMinutes(n int, floor string) lanes.Schedule {
	return lanes.Schedule{
		Name: "saturday", At: fmt.Sprintf("sat 00:%02d", n), Every: "week", For: lanes.Duration(time.Minute),
		Set: map[string]json.RawMessage{
			"pools.general.min": json.RawMessage(floor), "pools.batch.max": json.RawMessage("3"),
		},
	}
}

// A floor is asked for a measured cold start before its minute, and says what it is for; all else at the minute.
func TestLoopAsksForAFloorEarly(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		var notes []string
		l.o.Note = func(_ context.Context, e audit.Entry) error {
			notes = append(notes, fmt.Sprintf("%s %s %s: %s → %s", e.By, e.Verb, e.On, e.Before, e.After))
			return nil
		}
		l.o.Published = func(context.Context) (lanes.Effective, error) { return lanes.Effective{}, errOut }
		l.o.Policy.Schedules = []lanes.Schedule{inMinutes(2, "4")}
		l.seconds(60)
		cold := []time.Duration{20 * time.Second, 20 * time.Second, 20 * time.Second}
		l.loop.history.Pools["general"] = facts.PoolHistory{ // the loop waits for its turn
			Seen: true, State: l.loop.history.Pools["general"].State, ColdStarts: cold,
		}
		l.seconds(38) // until 22 seconds before
		if len(l.scales) > 0 || len(l.published().Early) > 0 {
			t.Fatalf("scaled %q long before", l.scales)
		}
		l.seconds(1)
		if want := []string{"general 1 → 4 remove [] (version v1)"}; !slices.Equal(l.scales, want) {
			t.Fatalf("22 s before it scaled %q, want %q", l.scales, want)
		}
		last := l.plans[len(l.plans)-1]
		want := "1 → 4: nothing waits and nothing runs; min 4 for schedule saturday from 00:02 UTC on"
		if last.Why != want {
			t.Errorf("why: %s\nwant %s", last.Why, want)
		}
		e := l.published()
		if len(e.Early) != 1 || len(e.Tunings) != 0 || e.Policy.Pools[1].Max != 4 || e.File.Pools[0].Min != 1 {
			t.Errorf("published %+v", e)
		}
		l.has("general", 4)
		l.seconds(22)
		if e := l.published(); len(e.Early) != 0 || len(e.Tunings) != 2 || e.Policy.Pools[1].Max != 3 {
			t.Errorf("at the minute it published %+v", e)
		}
		plans := l.snapshots[len(l.snapshots)-1]
		if got := plans.Pools[0].Why; !strings.HasSuffix(got, "min 4 from schedule saturday until 00:03 UTC") {
			t.Errorf("why: %s", got)
		}
		l.seconds(60)
		if e := l.published(); e.Policy.Pools[0].Min != 1 || len(e.Tunings) != 0 || len(e.Idle) != 0 {
			t.Errorf("after its end it published %+v", e)
		}
		wantNotes := []string{
			"schedule saturday begin pools.batch.max: 4 → 3", "schedule saturday begin pools.general.min: 1 → 4",
			"schedule saturday end pools.batch.max: 3 → 4", "schedule saturday end pools.general.min: 4 → 1",
		}
		if !slices.Equal(notes, wantNotes) {
			t.Errorf("the audit log has %q\nwant %q", notes, wantNotes)
		}
	})
}

// A leader that takes over while a schedule is in force doesn't note once more that it has begun.
func TestANewLeaderKnowsWhatHasBegun(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		l.o.Policy.Schedules = []lanes.Schedule{inMinutes(0, "1")}
		var notes []string
		l.o.Note = func(_ context.Context, e audit.Entry) error {
			notes = append(notes, e.Verb)
			return nil
		}
		l.o.Published = func(context.Context) (lanes.Effective, error) {
			return lanes.Effective{Tunings: l.o.Policy.ScheduledTunings()}, nil
		}
		l.seconds(30)
		if len(notes) > 0 {
			t.Errorf("it noted %q", notes)
		}
		l.seconds(31)
		if want := []string{"end", "end"}; !slices.Equal(notes, want) {
			t.Errorf("it noted %q, want %q", notes, want)
		}
	})
}
