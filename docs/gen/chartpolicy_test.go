package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes"
)

// The schema refuses nothing that a scaler takes, and what it refuses a scaler would refuse, too: each bound is tried
// on both of its sides.
func TestBoundsAreThoseOfThePolicy(t *testing.T) {
	const whole = `{"lanes": [{"name": "a", "startWithin": "1s"LANE}], "budget": BUDGET, "pools": [{"name": "p",
		"lanes": ["a"], "max": MAX, "shoulder": {SHOULDER}, "slot": {"cores": CORES}POOL}], "broker": {BROKER}}`
	fill := func(place, with string) []byte {
		text := whole
		if place != "" {
			text = strings.Replace(text, place, with, 1)
		}
		return []byte(strings.NewReplacer("LANE", "", "BUDGET", "9", "MAX", "9", "SHOULDER", "", "CORES", "1",
			"POOL", "", "BROKER", "").Replace(text))
	}
	retry := func(field string) string { return `, "retry": {"` + field + `": ` }
	tried := map[string]bool{}
	for _, c := range []struct{ field, path, place, before, good, bad, after string }{
		{"Policy.Budget", "budget", "BUDGET", "", "1", "0", ""},
		{"Lane.Reserve", "lanes[0].reserve", "LANE", `, "reserve": `, "0", "-1", ""},
		{"Lane.MaxCrashes", "lanes[0].maxCrashes", "LANE", `, "maxCrashes": `, "0", "-1", ""},
		{"Lane.Priorities", "lanes[0].priorities", "LANE", `, "priorities": `, "0", "-1", ""},
		{"Lane.Priorities", "lanes[0].priorities", "LANE", `, "priorities": `, "4", "5", ""},
		{"Lane.QueueType", "lanes[0].queueType", "LANE", `, "queueType": `, `""`, `"mirrored"`, ""},
		{"Lane.QueueType", "lanes[0].queueType", "LANE", `, "queueType": `, `"quorum"`, `"Quorum"`, ""},
		{"Retries.Attempts", "lanes[0].retry.attempts", "LANE", retry("attempts"), "0", "-1", "}"},
		{"Retries.Factor", "lanes[0].retry.factor", "LANE", retry("factor"), "0", "-0.1", "}"},
		{"Pool.Slots", "pools[0].slots", "POOL", `, "slots": `, "0", "-1", ""},
		{"Pool.Shoulder", "pools[0].shoulder.a", "SHOULDER", `"a": `, "1", "0", ""},
		{"Pool.Shoulder", "pools[0].shoulder", "SHOULDER", `"a": 1`, "", `, "b": 1`, ""},
		{"Pool.Min", "pools[0].min", "POOL", `, "min": `, "0", "-1", ""},
		{"Pool.Max", "pools[0].max", "MAX", "", "1", "0", ""},
		{"SlotLimits.Cores", "pools[0].slot.cores", "CORES", "", "0", "-0.1", ""},
		{"Broker.QueueType", "broker.queueType", "BROKER", `"queueType": `, `"classic"`, `"mirrored"`, ""},
		{
			"Policy.Lanes", "lanes", `{"name": "a", "startWithin": "1s"LANE}`, "", `{"name": "a", "startWithin": "1s"}`,
			"", "",
		},
		{
			"Policy.Pools", "pools",
			whole[strings.Index(whole, `{"name": "p"`):strings.Index(whole, `], "broker"`)], "",
			`{"name": "p", "lanes": ["a"], "max": 1}`, "", "",
		},
		{"Pool.Lanes", "pools[0].lanes", `["a"]`, "", `["a"]`, "[]", ""},
	} {
		tried[c.field] = true
		if bounds[c.field] == nil {
			t.Errorf("%s has no bound", c.field)
		}
		if _, err := lanes.Parse(fill(c.place, c.before+c.good+c.after)); err != nil {
			t.Errorf("%s %s%s is refused by a scaler, and not by the chart: %v", c.field, c.before, c.good, err)
		}
		_, err := lanes.Parse(fill(c.place, c.before+c.bad+c.after))
		var problems lanes.Problems
		if !errors.As(err, &problems) || !slices.ContainsFunc(problems, func(p lanes.Problem) bool {
			return p.Path == c.path
		}) {
			t.Errorf("%s %s%s is refused by the chart, and not by a scaler: %v", c.field, c.before, c.bad, err)
		}
	}
	inWords := []string{
		"Lane.Name", "Lane.Match", "Pool.Name", "Policy.Presets", "Preset.Kind", "Storage.Prefix", "Schedule.Name",
		"Schedule.Every",
	}
	for field := range bounds {
		if !tried[field] && !slices.Contains(inWords, field) { // those are tried by refusals.go
			t.Errorf("the bound of %s isn't tried", field)
		}
	}
}
