package fleet

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func TestJudgeFleet(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	policy, err := lanes.Load("../../../lanes/testdata/siren.yaml")
	if err != nil {
		t.Fatal(err)
	}
	healthy := func() facts {
		return facts{
			Known:    Known{Version: "v1", File: policy, InForce: &lanes.Effective{Revision: 3, Policy: *policy}},
			now:      now,
			snapshot: &fleet.Snapshot{At: now.Add(-time.Second), Leader: "s1"},
			workers:  []fleet.Heartbeat{{Worker: "w1", At: now, Version: "v1", Revision: 3, Subscribed: true}},
		}
	}
	if found := judgeFleet(healthy()); doctor.Worst(found) != doctor.OK {
		t.Errorf("a healthy fleet: %+v", found)
	}
	other := new(*policy)
	other.Budget++
	for _, c := range []struct {
		name     string
		change   func(f *facts)
		check    string
		severity doctor.Severity
		says     string
	}{
		{
			"never a leader", func(f *facts) { f.snapshot = nil }, "fleet.leader", doctor.Warning,
			"no scaler has ever led",
		},
		{"no leader any more", func(f *facts) {
			f.snapshot.At = now.Add(-time.Minute)
		}, "fleet.leader", doctor.Error, "s1 was the last, 60s ago"},
		{"a wrong file", func(f *facts) {
			f.File, f.Wrong = nil, errors.New("lanes[0]: no")
		}, "fleet.policy", doctor.Error, "lanes[0]: no"},
		{"another file", func(f *facts) { f.File = other }, "fleet.inforce", doctor.Warning, "isn't the one in force"},
		{"a tuned policy of that file", func(f *facts) {
			tuned := *policy
			tuned.Budget++
			f.InForce.Policy, f.InForce.File = tuned, policy
		}, "fleet.inforce", doctor.OK, "is in force"},
		{"none in force", func(f *facts) { f.InForce = nil }, "fleet.inforce", doctor.Warning, "no policy is in force"},
		{"refused", func(f *facts) { f.snapshot.Refused = "queue x" }, "fleet.refused", doctor.Error, "queue x"},
		{"idle tunings", func(f *facts) {
			f.InForce.Idle = make([]lanes.IdleTuning, 2)
		}, "fleet.tunings", doctor.Warning, "2 tunings can't be in force"},
		{"missing jobs", func(f *facts) {
			f.missing, f.missingIn = 3, map[string]int{"express": 1, "bulk": 2}
		}, "fleet.missing", doctor.Warning, "3 jobs are missing: 2 of lane bulk, 1 of lane express"},
		{"more recorded than waits", func(f *facts) {
			f.snapshot.Lanes = []fleet.LaneStatus{{Name: "bulk", Excess: 1}}
		}, "fleet.missing", doctor.Note, "lane bulk: at least 1 job is recorded as queued"},
		{"a silent worker", func(f *facts) {
			f.workers[0].At = now.Add(-time.Minute)
		}, "fleet.workers", doctor.Warning, "silent: w1"},
		{
			"a worker without broker", func(f *facts) { f.workers[0].Subscribed = false }, "fleet.workers",
			doctor.Error,
			"without RabbitMQ: w1",
		},
		{"a worker that has just begun", func(f *facts) {
			f.workers[0].Subscribed, f.workers[0].Began = false, f.workers[0].At.Add(-time.Second)
		}, "fleet.workers", doctor.Note, "just started: w1"},
		{
			"a worker behind", func(f *facts) { f.workers[0].Revision = 2 }, "fleet.workers", doctor.Note,
			"still follow a former policy: w1",
		},
		{"times that can't be meant", func(f *facts) {
			f.workers[0].Lanes = map[string]fleet.LaneWork{
				"bulk":    {OddTimes: 40, OddAt: now.Add(-3 * time.Minute)},
				"express": {OddTimes: 1, OddAt: now.Add(-3 * time.Hour)},
			}
			f.workers = append(f.workers, fleet.Heartbeat{
				Worker: "w2", At: now, Version: "v1", Revision: 3,
				Subscribed: true, Lanes: map[string]fleet.LaneWork{"bulk": {
					OddTimes: 2,
					OddAt:    now.Add(-time.Minute),
				}},
			})
		}, "fleet.times", doctor.Warning, "lane bulk: 42 messages came with a time that can't be meant in its " +
			"headers since its workers began, the last 60s ago"},
		{"two versions", func(f *facts) {
			f.workers = append(f.workers, fleet.Heartbeat{
				Worker: "w2", At: now, Version: "v2", Revision: 3,
				Subscribed: true,
			})
		}, "fleet.versions", doctor.Warning, "1 worker of v1, 1 worker of v2"},
		{
			"another version than this", func(f *facts) { f.Version = "v9" }, "fleet.versions", doctor.Note,
			"this is v9, and there is 1 worker of v1",
		},
		{"a stuck pool", func(f *facts) {
			f.snapshot.Pools = []fleet.PoolStatus{{Name: "batch", Reason: fleet.Stuck, Why: "no node"}}
		}, "fleet.pools", doctor.Warning, "pool batch: Stuck: no node"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			c.change(&f)
			found := judgeFleet(f)
			if !slices.ContainsFunc(found, func(f doctor.Finding) bool {
				return f.Check == c.check && f.Severity == c.severity && strings.Contains(f.What, c.says) &&
					(f.Severity == doctor.OK || f.Why != "" && f.Fix != "")
			}) {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestJudgeClocks(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		name   string
		worker fleet.Heartbeat
		want   doctor.Severity
	}{
		{"in time", fleet.Heartbeat{Began: now.Add(-time.Minute)}, doctor.OK},
		{"ahead when it began", fleet.Heartbeat{Began: now.Add(30 * time.Second)}, doctor.Warning},
		{
			"far ahead by what it runs",
			fleet.Heartbeat{Running: []fleet.Run{{Since: now.Add(45 * time.Minute)}}},
			doctor.Error,
		},
	} {
		c.worker.Worker, c.worker.At = "w", now
		if found := judgeClocks([]fleet.Heartbeat{c.worker}); len(found) != 1 || found[0].Severity != c.want {
			t.Errorf("%s: %+v", c.name, found)
		}
	}
	if found := judgeClocks(nil); len(found) != 0 {
		t.Errorf("without workers: %+v", found)
	}
}
