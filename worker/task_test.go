package worker

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/work"
)

func TestTask(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.o.Threads = 2
		r.start()
		for _, lane := range []string{"express", "standard", "bulk", "gone"} {
			r.broker.put(lane, lane)
			r.at(r.passed() + time.Second)
		}
		smaller := *r.o.Policy
		smaller.Revision++
		smaller.Policy = parsePolicy(t, strings.ReplaceAll(testPolicy, "memory: 1Gi", "memory: 9Gi"))
		r.roster.publish(&smaller)
		r.at(r.passed() + 2*time.Second)
		r.broker.put("express", "later")
		r.at(r.passed() + time.Second)

		for i, want := range []work.Limits{
			{Nice: 0, MaxRuntime: 20 * time.Minute},
			{Nice: 9, MaxRuntime: 10 * time.Minute},
			{Nice: 19, MaxRuntime: 20 * time.Minute},
			{Nice: 19, MaxRuntime: 20 * time.Minute}, // a lane that left the policy
			{Nice: 0, MaxRuntime: 20 * time.Minute},  // under a policy with larger slots: this process didn't grow
		} {
			want.Memory, want.Scratch, want.Threads = 1<<30, 3<<30, 2
			task := r.handler.task(i)
			if task.Limits != want {
				t.Errorf("%s: limits %+v, want %+v", task.Job.ID, task.Limits, want)
			}
			if len(task.Storage) != 1 || task.Storage[0].Prefix != "file:///media/" {
				t.Errorf("%s: storage %v", task.Job.ID, task.Storage)
			}
		}
	})
}

func TestNiceOff(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.o.NiceOff = true
		r.broker.put("bulk", "a")
		r.start()
		if got := r.handler.task(0).Limits.Nice; got != 0 {
			t.Errorf("nice %d", got)
		}
	})
}

// An attempt's name is that of its files: no two runs of a job may share it, with a claim or without.
func TestAttemptNames(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.handler.will("a", fails(0, work.Transient))
		r.broker.put("standard", "a")
		r.start()
		r.ledger.fail(true, false)
		r.at(time.Minute)
		first, second, third := r.handler.task(0).Attempt, r.handler.task(1).Attempt, r.handler.task(2).Attempt
		if first != "101" {
			t.Errorf("with a claim: %q, want its token", first)
		}
		if second[0] != 'u' || third[0] != 'u' || second == third {
			t.Errorf("without: %q and %q", second, third)
		}
	})
}

func TestAPanicHurtsNobodyElse(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.handler.will("a", func(context.Context, work.Task) (work.Result, error) { panic("boom") })
		r.handler.will("b", lasts(10*time.Second))
		r.broker.put("standard", "a", "b", "c")
		r.start()
		if d := r.broker.settles("a")[0].disp; d.Action != work.Retry || !d.Counted ||
			d.Error != "the handler panicked: boom" {
			t.Errorf("the job itself: %+v", d)
		}
		if d := r.settledOnce("c").disp; d.Action != work.Ack {
			t.Errorf("the next job in its slot: %+v", d)
		}
		r.at(10 * time.Second)
		if d := r.settledOnce("b").disp; d.Action != work.Ack {
			t.Errorf("the job beside it: %+v", d)
		}
	})
}
