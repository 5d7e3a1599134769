package scaler

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func TestMetrics(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	m := NewMetrics(r)
	m.show(fleet.Snapshot{
		Lanes: []fleet.LaneStatus{
			{
				Name: "standard", Ready: 5, Retrying: 2, Busy: 3, OldestWait: lanes.Duration(1500 * time.Millisecond),
				P95Wait: lanes.Duration(time.Second), Started: 4, InTime: 3, Paused: true,
			},
			{Name: "old", Former: true},
		},
		Pools: []fleet.PoolStatus{{
			Name: "general", Replicas: 4, Target: 6, Parked: 1,
			ColdStart: lanes.Duration(3 * time.Second), Frozen: true,
		}},
	})
	m.tune(lanes.Effective{Tunings: make([]lanes.Tuning, 2), Idle: make([]lanes.IdleTuning, 1)})
	m.plan(fleet.Plan{Pool: "general", Reason: fleet.Backlog})
	m.failed.Inc()
	m.ticks.Observe(0.01)

	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	const want = `
# HELP siren_lane_oldest_wait_seconds How long the oldest ready job has waited.
# TYPE siren_lane_oldest_wait_seconds gauge
siren_lane_oldest_wait_seconds{lane="old"} 0
siren_lane_oldest_wait_seconds{lane="standard"} 1.5
# HELP siren_lane_paused 1 while nobody takes the lane's jobs, because somebody paused it.
# TYPE siren_lane_paused gauge
siren_lane_paused{lane="old"} 0
siren_lane_paused{lane="standard"} 1
# HELP siren_lane_started_in_time_ratio Share of the last five minutes' first starts within the lane's ` +
		`objective; 1 without starts.
# TYPE siren_lane_started_in_time_ratio gauge
siren_lane_started_in_time_ratio{lane="old"} 1
siren_lane_started_in_time_ratio{lane="standard"} 0.75
# HELP siren_pool_frozen 1 while the number of the pool's workers is left as it is, because somebody froze it.
# TYPE siren_pool_frozen gauge
siren_pool_frozen{pool="general"} 1
# HELP siren_pool_target_replicas Replicas that the last plan asked for.
# TYPE siren_pool_target_replicas gauge
siren_pool_target_replicas{pool="general"} 6
# HELP siren_scaler_plans_total Plans that changed a pool or its reason.
# TYPE siren_scaler_plans_total counter
siren_scaler_plans_total{pool="general",reason="Backlog"} 1
# HELP siren_tunings Live overrides of the policy that are in force.
# TYPE siren_tunings gauge
siren_tunings 2
# HELP siren_tunings_idle Live overrides of the policy that aren't in force: they don't fit it, or their time is over.
# TYPE siren_tunings_idle gauge
siren_tunings_idle 1
`
	names := []string{
		"siren_lane_oldest_wait_seconds", "siren_lane_paused", "siren_lane_started_in_time_ratio", "siren_pool_frozen",
		"siren_pool_target_replicas",
		"siren_scaler_plans_total", "siren_tunings", "siren_tunings_idle",
	}
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}

	// A lane that has gone must not be shown for ever with what it had last.
	m.show(fleet.Snapshot{Lanes: []fleet.LaneStatus{{Name: "standard"}}})
	for name, want := range map[string]int{
		"siren_lane_ready_jobs": 1, "siren_lane_wait_p95_seconds": 1,
		"siren_pool_replicas": 0, "siren_pool_frozen": 0, "siren_lane_paused": 1, "siren_scaler_plans_total": 1,
	} {
		if n, err := testutil.GatherAndCount(r, name); err != nil || n != want {
			t.Errorf("%d of %s, %v; want %d", n, name, err, want)
		}
	}
}
