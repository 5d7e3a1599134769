package lanes

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func tuning(field, value string, until time.Time) Tuning {
	return Tuning{Field: field, Value: json.RawMessage(value), By: "alice", Until: until}
}

func TestWithOverridesEveryTunableField(t *testing.T) {
	untried := map[string]bool{}
	for name := range (&Lane{}).tunable() {
		untried["lanes."+name] = true
	}
	for name := range (&Pool{}).tunable() {
		untried["pools."+name] = true
	}
	for _, c := range []struct{ field, value, want string }{
		{"lanes.express.reserve", `4`, "4"},
		{"lanes.express.startWithin", `"5s"`, "5s"},
		{"lanes.bulk.promote", `{"after":"5m","to":"standard"}`, "after=5m,to=standard"},
		{"lanes.bulk.promote", `null`, "none"},
		{"lanes.bulk.maxRuntime", `"9m"`, "9m"},
		{
			"lanes.bulk.retry", `{"attempts":2,"first":"1s","factor":2,"max":"1m"}`,
			"attempts=2,factor=2,first=1s,max=1m",
		},
		{"lanes.bulk.priorities", `4`, "4"},
		{"lanes.bulk.paused", `true`, "true"},
		{"lanes.bulk.queueType", `"quorum"`, "quorum"},
		{"pools.general.min", `2`, "2"},
		{"pools.general.max", `7`, "7"},
		{"pools.general.hold", `"45s"`, "45s"},
		{"pools.general.frozen", `true`, "true"},
		{"budget", `50`, "50"},
	} {
		parts := strings.Split(c.field, ".")
		delete(untried, parts[0]+"."+parts[len(parts)-1])
		p := example(t)
		before, err := p.Field(c.field)
		if err != nil {
			t.Fatal(err)
		}
		tuned, err := p.With(tuning(c.field, c.value, time.Time{}))
		if err != nil {
			t.Errorf("%s: %v", c.field, err)
			continue
		}
		after, _ := tuned.Field(c.field)
		if got := Spell(after); got != c.want {
			t.Errorf("%s: %s, not %s", c.field, got, c.want)
		}
		if again, _ := p.Field(c.field); string(again) != string(before) {
			t.Errorf("%s: the policy itself changed, from %s to %s", c.field, before, again)
		}
	}
	if len(untried) > 0 {
		t.Errorf("tunable, and not tried here: %v", untried)
	}
}

func TestWithRefuses(t *testing.T) {
	for _, c := range []struct{ field, value, want string }{
		{"lanes.expres.reserve", `4`, `did you mean "express"`},
		{"lanes.express.slots", `4`, "can't be tuned"},
		{"pools.general.slots", `4`, "what can: frozen, hold, max, min"},
		{"pools.nobody.max", `4`, `no pool "nobody"`},
		{"budget.x", `4`, "is not a tunable field"},
		{"budget", `"many"`, "is not a valid value"},
		{"lanes.express.startWithin", `5`, "is not a valid value"},
		{"lanes.express.startWithin", `"0s"`, "startWithin: is required"},
		{"lanes.standard.reserve", `1`, "needs a shoulder"},
		{"lanes.bulk.maxRuntime", `"0s"`, "0s isn't what would be in force, but the default 20m"},
		{"lanes.bulk.retry", `{"attempts":0,"first":"1s","factor":2,"max":"1m"}`, "but the default attempts=5"},
		{"lanes.express.maxRuntime", `"40m"`, "consumer timeout"},
		{"lanes.bulk.promote", `{"after":"5m","to":"nowhere"}`, `no lane "nowhere"`},
		{"pools.general.min", `1000`, "is less than min"},
		{"budget", `1`, "is less than the pools' min together"},
	} {
		_, err := example(t).With(tuning(c.field, c.value, time.Time{}))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %s: %v, want %q", c.field, c.value, err, c.want)
		}
	}
}

func TestTuned(t *testing.T) {
	now := time.Unix(1000, 0)
	p := example(t)
	all := []Tuning{
		tuning("pools.general.min", `31`, now.Add(time.Minute)), // fits together with the next one only
		tuning("pools.general.max", `40`, now.Add(time.Hour)),
		tuning("budget", `60`, time.Time{}),
		tuning("lanes.express.reserve", `3`, now),
		tuning("lanes.gone.reserve", `3`, now.Add(time.Hour)),
	}
	tuned, inForce, idle := p.Tuned(all, now)
	if q, _ := tuned.Pool("general"); q.Min != 31 || q.Max != 40 || tuned.Budget != 60 || len(inForce) != 3 {
		t.Errorf("min %d, max %d, budget %d, in force %v", q.Min, q.Max, tuned.Budget, inForce)
	}
	if len(idle) != 2 || idle[1].Why != `no lane "gone"` || idle[0].Field != "lanes.express.reserve" ||
		idle[0].Why != "it has expired" {
		t.Errorf("idle: %+v", idle)
	}

	// The file changed: what doesn't fit any more is idle, and the rest holds.
	tuned, inForce, idle = p.Tuned([]Tuning{
		tuning("pools.gone.max", `3`, time.Time{}),
		tuning("pools.general.max", `9`, time.Time{}),
	}, now)
	if q, _ := tuned.Pool("general"); q.Max != 9 || len(inForce) != 1 || len(idle) != 1 ||
		!strings.Contains(idle[0].Why, `no pool "gone"`) {
		t.Errorf("max %d, in force %v, idle %+v", q.Max, inForce, idle)
	}
	if tuned, inForce, idle = p.Tuned(nil, now); tuned != p || inForce != nil || idle != nil {
		t.Error("without tunings there is something in force")
	}
}

func TestPausedLanesAreNotTaken(t *testing.T) {
	p := example(t)
	tuned, err := p.With(tuning("lanes.standard.paused", `true`, time.Time{}))
	if err != nil {
		t.Fatal(err)
	}
	e := Effective{Policy: *tuned, Turns: map[string]string{"bulk": "standard"}}
	for turn := range 4 {
		if got := strings.Join(e.TakeOrder("general", turn), " "); got != "express bulk" {
			t.Errorf("turn %d: %s", turn, got)
		}
	}
}
