package scaler

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// desk is a Desk with the questions that a test puts on it.
type desk struct {
	questions         map[string]lanes.WhatIf
	answers           map[string]lanes.Foresight
	asked             int
	asksErr, answerOf error
}

func (d *desk) Questions(context.Context) (map[string]lanes.WhatIf, error) {
	d.asked++
	taken := d.questions
	d.questions = nil
	return taken, d.asksErr
}

func (d *desk) Answer(_ context.Context, id string, f lanes.Foresight) error {
	if d.answers == nil {
		d.answers = map[string]lanes.Foresight{}
	}
	d.answers[id] = f
	return d.answerOf
}

func (d *desk) ask(id string, tunings ...lanes.Tuning) {
	if d.questions == nil {
		d.questions = map[string]lanes.WhatIf{}
	}
	d.questions[id] = lanes.WhatIf{Tunings: tunings}
}

func TestLoopForesees(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		var d desk
		var set overrides
		set.set("pools.general.max", "3", time.Time{})
		set.set("pools.gone.max", "3", time.Time{}) // idle anyway
		l.o.Desk, l.o.Tunings = &d, set.read
		l.depths["standard"] = lanes.Depth{Ready: 200}
		l.seconds(2)
		d.ask("none")
		d.ask("more", tuning("pools.general.max", "5", time.Time{}))
		d.ask("beside what is idle", append(set.All, tuning("lanes.standard.paused", "true", time.Time{}))...)
		d.ask("over", tuning("pools.general.max", "5", time.Now()))
		d.ask("unfit", tuning("pools.general.max", "0", time.Time{}))
		d.ask("nonsense", tuning("budget", "{", time.Time{}))
		scales := len(l.scales)
		l.seconds(1)
		if len(l.scales) != scales+1 || !strings.HasPrefix(l.scales[scales], "general 1 → 3 ") {
			t.Errorf("questions change nothing, yet it scaled %q", l.scales)
		}
		for id, want := range map[string]struct {
			to     int
			reason lanes.Reason
			err    string
		}{
			"none":                {to: 6, reason: lanes.Ceiling},
			"more":                {to: 5, reason: lanes.Ceiling},
			"beside what is idle": {to: 1, reason: lanes.Paused},
			"over":                {err: "pools.general.max can't be 5: its time is over"},
			"unfit":               {err: "pools.general.max can't be 0: pools[0].max"},
			"nonsense":            {err: "budget can't be {: "},
		} {
			f, ok := d.answers[id]
			if !ok || f.Leader != "me" || len(f.Before) != 2 || f.Before[0].To != 3 {
				t.Errorf("%s: answered %v, %+v", id, ok, f)
				continue
			}
			if want.err != "" {
				if !strings.HasPrefix(f.Error, want.err) || f.After != nil {
					t.Errorf("%s: %+v, want the error %q", id, f, want.err)
				}
				continue
			}
			if f.Error != "" || len(f.After) != 2 || f.After[0].To != want.to || f.After[0].Reason != want.reason {
				t.Errorf("%s: %+v, want %d [%s]", id, f, want.to, want.reason)
			}
		}
	})
}

// An answer is a decision on the same sight and memory: asked about what is in force, it is the plan itself.
func TestForeseeingWhatIsInForce(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		var d desk
		var set overrides
		set.set("pools.general.min", "2", time.Time{})
		l.o.Desk, l.o.Tunings = &d, set.read
		l.has("general", 5)
		retired := false
		for range 20 { // through the hold window, into parking and retiring
			d.ask("same", set.All...)
			l.seconds(1)
			f := d.answers["same"]
			if f.Error != "" || !reflect.DeepEqual(f.Before, f.After) {
				t.Fatalf("%+v", f)
			}
			retired = retired || len(f.Before[0].Retire) > 0
			for i, w := range l.workers {
				l.workers[i].Parked = slices.Contains(f.Before[0].Park, w.Worker)
			}
		}
		if !retired {
			t.Errorf("it never came to retiring: orders %q", l.orders)
		}
	})
}

func TestLoopTakesQuestionsOnlyWhileItLeads(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		var d desk
		leading := false
		l.o.Desk = &d
		l.o.Leading = func(context.Context) (bool, error) { return leading, nil }
		d.ask("early")
		l.seconds(3)
		if d.asked > 0 {
			t.Fatal("took questions that the leader should answer")
		}
		leading = true
		l.seconds(1)
		if _, ok := d.answers["early"]; !ok {
			t.Error("no answer")
		}
		d.asksErr, d.answerOf = errOut, errOut // not a reason to do anything else differently
		l.seconds(1)
		d.asksErr = nil
		d.ask("late")
		l.seconds(1)
		if len(l.snapshots) != 3 || strings.Contains(l.log.String(), "WARN") {
			t.Errorf("%d snapshots\n%s", len(l.snapshots), &l.log)
		}
	})
}
