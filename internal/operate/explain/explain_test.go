package explain

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// moment0 is when everything in these tests is seen.
var moment0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)

// zone is what times of that day have behind them.
var zone = moment0.Format(" MST")

// sources returns what is published in a Redis of the test's own.
func sources(t *testing.T) (Sources, *redis.Board, *jobledger.Ledger) {
	t.Helper()
	server, err := servers.StartRedis(t.Context(), servers.Options{})
	must(t, err)
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	log := slog.New(slog.DiscardHandler)
	store, err := redislink.Open(server.URL, log)
	must(t, err)
	t.Cleanup(func() { _ = store.Close() })
	board, ledger := redis.NewBoard(store, log), jobledger.New(store, log)
	return Sources{
		Board: board, Ledger: ledger, Roster: redis.NewRoster(store, log),
		Tunings: redis.NewTunings(store, log), Efforts: redis.NewEfforts(store),
	}, board, ledger
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// seen returns a sight of a quiet fleet under the policy of `siren up`: one worker of pool general, none of batch.
func seen(t *testing.T) *Sight {
	t.Helper()
	text, err := os.ReadFile("../../../cmd/siren/runcmd/local.yaml")
	must(t, err)
	p, err := lanes.Parse([]byte(strings.ReplaceAll(string(text), "@PREFIX@", "file:///media/")))
	must(t, err)
	return &Sight{
		policy: lanes.Effective{Revision: 7, Policy: *p},
		now:    moment0,
		snap: fleet.Snapshot{
			At: moment0, Revision: 7, Budget: 4,
			Lanes: []fleet.LaneStatus{
				{Name: "express", StartWithin: lanes.Duration(2 * time.Second), Service: lanes.Duration(time.Second)},
				{
					Name: "standard", StartWithin: lanes.Duration(30 * time.Second),
					Service: lanes.Duration(10 * time.Second),
				},
				{Name: "bulk", StartWithin: lanes.Duration(30 * time.Minute), Service: lanes.Duration(time.Minute)},
			},
			Pools: []fleet.PoolStatus{
				{
					Name: "general", Lanes: []string{"express", "standard"}, Replicas: 1, Ready: 1, Slots: 1, Min: 1,
					Max: 3, Wanted: 1, Target: 1, Reason: fleet.Steady, Why: "1: as many as needed",
				},
				{Name: "batch", Lanes: []string{"bulk"}, Max: 2, Reason: fleet.Steady, Why: "0: as many as needed"},
			},
		},
		workers: []fleet.Heartbeat{{
			Worker: "general-1", Pool: "general", At: moment0, Slots: 1, Shoulder: 1,
			Subscribed: true,
		}},
	}
}

// override puts a tuning into force.
func (s *Sight) override(t *testing.T, field, value string, until time.Time) {
	t.Helper()
	s.tuned = append(s.tuned, lanes.Tuning{
		Field: field, Value: json.RawMessage(value), By: "ann@desk",
		At: moment0.Add(-time.Minute), Until: until, Reason: "why",
	})
	p, err := s.policy.Policy.With(s.tuned...)
	must(t, err)
	s.policy.Policy = *p
}

// Each limit says what it is, who made it so, and what to do about it.
func TestLimits(t *testing.T) {
	general := func(s *Sight) *fleet.PoolStatus { return &s.snap.Pools[0] }
	batch := func(s *Sight) *fleet.PoolStatus { return &s.snap.Pools[1] }
	for name, c := range map[string]struct {
		lane string
		set  func(*testing.T, *Sight)
		want []string
	}{
		"none": {"standard", func(*testing.T, *Sight) {}, nil},
		"paused": {"standard", func(t *testing.T, s *Sight) {
			s.override(t, "lanes.standard.paused", "true", time.Time{})
		}, []string{
			"lane standard is paused by ann@desk for 60s, until it is removed (why): nobody takes its jobs; `siren " +
				"lanes resume standard`",
		}},
		"paused for a while": {"standard", func(t *testing.T, s *Sight) {
			s.override(t, "lanes.standard.paused", "true", moment0.Add(90*time.Minute))
		}, []string{
			"lane standard is paused by ann@desk for 60s, until 13:30:00" + zone + " (1h30m from now) (why): nobody " +
				"takes its jobs; `siren lanes resume standard`",
		}},
		"paused in the file": {
			"standard", func(_ *testing.T, s *Sight) { s.policy.Policy.Lanes[1].Paused = true },
			[]string{
				"lane standard is paused: nobody takes its jobs; `siren lanes resume standard`",
			},
		},
		"another lane paused": {"standard", func(t *testing.T, s *Sight) {
			s.override(t, "lanes.express.paused", "true", time.Time{})
		}, nil},
		"frozen": {"standard", func(t *testing.T, s *Sight) {
			s.override(t, "pools.general.frozen", "true", time.Time{})
			general(s).Replicas = 2
		}, []string{"pool general: frozen at 2 by ann@desk for 60s, until it is removed (why); `siren pools unfreeze " +
			"general`"}},
		"frozen in the file": {
			"standard", func(_ *testing.T, s *Sight) { s.policy.Policy.Pools[0].Frozen = true },
			[]string{
				"pool general: frozen at 1; `siren pools unfreeze general`",
			},
		},
		"ceiling": {"standard", func(_ *testing.T, s *Sight) {
			general(s).Replicas, general(s).Wanted, general(s).Reason = 3, 3, fleet.Ceiling
		}, []string{"pool general: max is 3 and it would use more; `siren pools tune general --max N`"}},
		"just full": {"standard", func(_ *testing.T, s *Sight) {
			general(s).Replicas, general(s).Wanted, general(s).Reason = 3, 3, fleet.Busy
		}, nil},
		"budget": {"standard", func(_ *testing.T, s *Sight) {
			general(s).Reason, general(s).Why = fleet.Budget, "2: the pools ask for 6 and the budget is 4"
		}, []string{"pool general: 2: the pools ask for 6 and the budget is 4"}},
		"cold start": {"standard", func(_ *testing.T, s *Sight) {
			general(s).Starting, general(s).ColdStart = 2, lanes.Duration(14*time.Second)
		}, []string{"pool general: 2 workers are starting; a cold start takes 14s here"}},
		"one starts": {"standard", func(_ *testing.T, s *Sight) {
			general(s).Starting, general(s).ColdStart = 1, lanes.Duration(1500*time.Millisecond)
		}, []string{"pool general: 1 worker is starting; a cold start takes 1.5s here"}},
		"on the way out": {"standard", func(_ *testing.T, s *Sight) {
			general(s).Parked, general(s).Retired = 1, 1
		}, []string{
			"pool general: 2 workers take no new jobs, on the way out",
		}},
		"stuck": {"standard", func(_ *testing.T, s *Sight) {
			general(s).Stuck, general(s).Reason, general(s).Why = 1, fleet.Stuck,
				"general-2 is stuck: 0/3 nodes are available"
		}, []string{"pool general: general-2 is stuck: 0/3 nodes are available"}},
		"a rollout": {"standard", func(_ *testing.T, s *Sight) {
			general(s).Reason, general(s).Why = fleet.Rollout, "no scale-in during a rollout"
		}, []string{
			"pool general: no scale-in during a rollout",
		}},
		"another autoscaler": {"standard", func(_ *testing.T, s *Sight) {
			general(s).Reason, general(s).Why = fleet.Foreign, "HorizontalPodAutoscaler x works on it"
		}, []string{"pool general: HorizontalPodAutoscaler x works on it"}},
		"a budget that comes too late": {"standard", func(_ *testing.T, s *Sight) {
			general(s).Reason, general(s).Why = fleet.Budget, "the budget leaves 1 of the 3 wanted"
			general(s).ColdStart = lanes.Duration(time.Minute)
		}, []string{
			"pool general: the budget leaves 1 of the 3 wanted",
			"pool general: what the budget leaves it comes too late: a cold start takes 60s, and lane standard is to " +
				"start within 30s; `siren budget set`, or `siren pools tune general --min`",
		}},
		"stale": {"standard", func(_ *testing.T, s *Sight) { s.snap.Lanes[1].Stale = true }, []string{
			"the broker's answer for lane standard is missing or not believed: its pool isn't made smaller, nor " +
				"sized for what can't be seen",
		}},
		"a stale pool": {"standard", func(_ *testing.T, s *Sight) {
			general(s).Reason, general(s).Why = fleet.Stale, "2 of 3 workers are silent"
		}, []string{
			"pool general: 2 of 3 workers are silent",
		}},
		"no scaler": {"standard", func(_ *testing.T, s *Sight) { s.snap.At = moment0.Add(-3 * time.Minute) }, []string{
			"no scaler has reported for 3m: this is what it saw then, and nothing is scaled until one reports",
		}},
		"a refused policy": {
			"standard", func(_ *testing.T, s *Sight) { s.snap.Refused = "budget: must be at least 1" },
			[]string{
				"the policy as it is written now is refused, and revision 7 stays in force: budget: must be at least 1",
			},
		},
		"no workers": {"bulk", func(*testing.T, *Sight) {}, []string{
			"pool batch: it has no workers; it starts some when a job of its own lanes (bulk) waits",
		}},
		"a guest shut out": {"bulk", func(_ *testing.T, s *Sight) {
			s.policy.NoGuests = []string{"general"}
			batch(s).Replicas, batch(s).Ready, batch(s).Target, batch(s).Wanted = 1, 1, 1, 1
		}, []string{"pool general: takes no guests for now: its own lanes wait"}},
		"a guest that takes turns": {"bulk", func(_ *testing.T, s *Sight) {
			s.policy.NoGuests, s.policy.Turns = []string{"general"}, map[string]string{"bulk": "standard"}
			batch(s).Replicas, batch(s).Ready, batch(s).Target, batch(s).Wanted = 1, 1, 1, 1
		}, nil},
		"no guest at home": {"standard", func(_ *testing.T, s *Sight) { s.policy.NoGuests = []string{"general"} }, nil},
		"several": {"bulk", func(t *testing.T, s *Sight) {
			s.override(t, "lanes.bulk.paused", "true", time.Time{})
			s.override(t, "pools.batch.frozen", "true", time.Time{})
			s.snap.At = moment0.Add(-time.Minute)
		}, []string{
			"no scaler has reported for 60s: this is what it saw then, and nothing is scaled until one reports",
			"lane bulk is paused by ann@desk for 60s, until it is removed (why): nobody takes its jobs; `siren " +
				"lanes resume bulk`",
			"pool batch: frozen at 0 by ann@desk for 60s, until it is removed (why); `siren pools unfreeze batch`",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := seen(t)
			c.set(t, s)
			if got := s.limits(c.lane); !slices.Equal(got, c.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
			}
		})
	}
}

// What is said of a lane: what waits, whether its objective is met, who serves it, and when a job would start.
func TestExplainLane(t *testing.T) {
	from, _, _ := sources(t)
	for name, c := range map[string]struct {
		lane string
		set  func(*testing.T, *Sight)
		want []string // among what is said
	}{
		"quiet": {"standard", func(*testing.T, *Sight) {}, []string{
			"Lane standard: nothing waits; 0 jobs of it run.",
			"Its objective, 95 % of its jobs started within 30s, is met: nothing has started in the last five minutes.",
			"Pool general is its home: 1 worker takes jobs, 0 of 1 slot busy.",
			"A job that came into it now would start at once, if nothing more urgent comes; its jobs are taken to " +
				"run 10s each.",
		}},
		"busy": {"standard", func(_ *testing.T, s *Sight) {
			l := &s.snap.Lanes[1]
			l.Ready, l.Busy, l.OldestWait, l.InPerMin, l.OutPerMin, l.Started, l.InTime, l.P95Wait = 2, 1,
				lanes.Duration(45*time.Second), 12, 6, 40, 30, lanes.Duration(50*time.Second)
			s.snap.Lanes[0].Ready = 3
			s.snap.Pools[0].Busy = 1
			s.workers[0].Running = []fleet.Run{{Job: "a", Lane: "standard", Since: moment0.Add(-4 * time.Second)}}
		}, []string{
			"Lane standard: 2 jobs wait, the oldest for 45s; 1 job of it runs. At the last minute's rate 12 come in " +
				"a minute, and 6 end.",
			"Its objective, 95 % of its jobs started within 30s, is missed: in the last five minutes 30 of 40 " +
				"starts were in time, 95 % of them within 50s.",
			"Pool general is its home: 1 worker takes jobs, 1 of 1 slot busy; more urgent jobs wait there first: 3 " +
				"of express.",
			"A job that came into it now would start in 26s, at 12:00:26" + zone + ", if nothing more urgent comes; " +
				"its jobs are taken to run 10s each.",
		}},
		"one start": {"standard", func(_ *testing.T, s *Sight) {
			l := &s.snap.Lanes[1]
			l.Started, l.InTime, l.P95Wait = 1, 1, lanes.Duration(time.Second)
		}, []string{
			"Its objective, 95 % of its jobs started within 30s, is met: in the last five minutes 1 of 1 start was " +
				"in time, 95 % of them within 1.0s.",
		}},
		"a shoulder": {"express", func(*testing.T, *Sight) {}, []string{
			"Pool general is its home: 1 worker takes jobs, 0 of 1 slot busy; each worker keeps 1 shoulder slot for " +
				"this lane alone.",
		}},
		"promoted": {"bulk", func(_ *testing.T, s *Sight) {
			s.snap.Lanes[2].Ready, s.snap.Lanes[2].OldestWait = 5, lanes.Duration(22*time.Minute)
			s.policy.Turns = map[string]string{"bulk": "standard"}
		}, []string{
			"It is promoted: its oldest job has waited for longer than promote.after, so it takes turns with lane " +
				"standard.",
		}},
		"to be promoted, where the other can spare nothing": {"bulk", func(_ *testing.T, s *Sight) {
			s.snap.Lanes[1].Ready, s.snap.Lanes[1].OldestWait = 9, lanes.Duration(20*time.Second)
			s.snap.Lanes[2].Ready, s.snap.Lanes[2].OldestWait = 5, lanes.Duration(22*time.Minute)
		}, []string{
			"It has waited long enough to take turns with lane standard, which can spare none: its own oldest job " +
				"has waited for 20s of the 30s that it may. It takes them once that is less than half, or in 7m30s, " +
				"when its own objective is as near.",
		}},
		"a guest": {"bulk", func(_ *testing.T, s *Sight) { s.snap.Lanes[1].Ready = 1 }, []string{
			"Pool batch is its home: 0 workers take jobs, 0 of 0 slots busy.",
			"Pool general takes it as a guest, when nothing of its own waits: 1 worker takes jobs, 0 of 1 slot " +
				"busy; more urgent jobs wait there first: 1 of standard.",
			"A job that came into it now would start in 10s, at 12:00:10" + zone + ", if nothing more urgent comes; " +
				"its jobs are taken to run 60s each.",
		}},
		"paused": {"standard", func(t *testing.T, s *Sight) {
			s.override(t, "lanes.standard.paused", "true", time.Time{})
		}, []string{
			"A job that came into it now would not start: see what limits it.",
		}},
		"retries": {"standard", func(_ *testing.T, s *Sight) {
			s.snap.Lanes[1].Retrying, s.snap.Lanes[1].NextRetry = 2, moment0.Add(5*time.Second)
		}, []string{
			"2 jobs wait for a next attempt, the first in 5.0s.",
		}},
		"left the policy": {"gone", func(_ *testing.T, s *Sight) {
			s.policy.Former = []lanes.Queue{{Lane: "gone", Type: lanes.Classic}}
			s.snap.Lanes = append(s.snap.Lanes, fleet.LaneStatus{
				Name: "gone", Ready: 1, Former: true,
				OldestWait: lanes.Duration(time.Hour),
			})
		}, []string{
			"Lane gone: 1 job waits, the oldest for 1h; 0 jobs of it run.",
			"It has left the policy, and is served until it is empty.",
			"Pool general serves it last, as it does all that left the policy: 1 worker takes jobs, 0 of 1 slot busy.",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := seen(t)
			s.Sources = from
			c.set(t, s)
			x, err := s.Lane(t.Context(), c.lane)
			must(t, err)
			for _, want := range c.want {
				if !slices.Contains(x.Says, want) {
					t.Errorf("doesn't say %q but\n%s", want, strings.Join(x.Says, "\n"))
				}
			}
		})
	}
}

// What is said of a pool: how many it has and why, what its lanes ask for, and what is tuned.
func TestExplainPool(t *testing.T) {
	from, board, _ := sources(t)
	s := seen(t)
	s.Sources = from
	must(t, board.Record(t.Context(), fleet.Plan{
		At: moment0.Add(-time.Minute), Pool: "general", From: 0, To: 1,
		Reason: fleet.Floor, Why: "0 → 1: min",
	}))
	must(t, board.Record(t.Context(), fleet.Plan{At: moment0.Add(-time.Minute), Pool: "batch", Reason: fleet.Steady}))
	s.override(t, "pools.general.max", "5", moment0.Add(time.Hour))
	s.override(t, "budget", "9", time.Time{})
	s.override(t, "lanes.standard.paused", "true", time.Time{})
	p := &s.snap.Pools[0]
	p.Replicas, p.Starting, p.Max, p.ColdStart, p.Hold = 2, 1, 5, lanes.Duration(time.Second),
		lanes.Duration(5*time.Second)
	s.snap.Budget = 9
	x, err := s.Pool(t.Context(), "general")
	must(t, err)
	says := []string{
		"Pool general has 2 workers, between min 1 and max 5: 1 takes jobs, 1 starting, 0 parked, 0 retired, 0 stuck.",
		"0 of their 1 shared slot are busy.",
		"Why this many: 1: as many as needed (Steady).",
		"Lane express: nothing waits; 0 jobs of it run.",
		"Lane standard: nothing waits; 0 jobs of it run.",
		"The budget: 2 of 9 used by all pools. Before it shrinks, its largest plan is kept for 5.0s.",
		"pools.general.max is tuned to 5 by ann@desk for 60s, until 13:00:00" + zone + " (1h from now) (why).",
		"budget is tuned to 9 by ann@desk for 60s, until it is removed (why).",
	}
	if !slices.Equal(x.Says, says) {
		t.Errorf("says\n%s\nwant\n%s", strings.Join(x.Says, "\n"), strings.Join(says, "\n"))
	}
	limits := []string{
		"pool general: 1 worker is starting; a cold start takes 1.0s here",
		"lane standard is paused by ann@desk for 60s, until it is removed (why): the pool isn't sized for it",
	}
	if !slices.Equal(x.Limits, limits) {
		t.Errorf("limits\n%s\nwant\n%s", strings.Join(x.Limits, "\n"), strings.Join(limits, "\n"))
	}
	if len(x.Plans) != 1 || x.Plans[0].Why != "0 → 1: min" {
		t.Errorf("plans %+v", x.Plans)
	}
	if _, err := s.Pool(t.Context(), "genral"); err == nil || !strings.Contains(err.Error(), `did you mean "general"`) {
		t.Error(err)
	}
}

// A schedule that would be in force but isn't is said to be so, with the reason that the tunings have.
func TestIdleSchedule(t *testing.T) {
	at := moment0.Add(-time.Minute).UTC()
	scheduled := lanes.Tuning{
		Field: "pools.general.min", Value: json.RawMessage("3"), By: "ann@desk", Name: "later", When: &lanes.When{
			At: at.Format("2006-01-02 15:04"), For: lanes.Duration(5 * time.Minute),
		},
	}
	byHand := lanes.Tuning{Field: "pools.general.min", Value: json.RawMessage("2"), By: "bob"}
	for name, c := range map[string]struct {
		idle    []lanes.IdleTuning
		inForce []lanes.Tuning
		want    string
	}{
		"breaks a rule": {
			[]lanes.IdleTuning{{Tuning: scheduled, Why: "max 2 is less than min 3"}},
			nil,
			": max 2 is less than min 3.",
		},
		"another counts more": {nil, []lanes.Tuning{byHand}, ": the tuning to 2 by bob counts more."},
	} {
		s := seen(t)
		s.Sources, _, _ = sources(t)
		s.tuned, s.policy.Idle, s.policy.Tunings = []lanes.Tuning{scheduled}, c.idle, c.inForce
		x, err := s.Pool(t.Context(), "general")
		must(t, err)
		said := strings.Join(x.Says, "\n")
		if !strings.Contains(said, "pools.general.min isn't 3, as it would be by schedule later") ||
			!strings.Contains(said, c.want) || strings.Contains(said, "now until") {
			t.Errorf("%s: %s", name, said)
		}
	}
}
