package facts

import (
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// A lane that has waited long enough takes turns as long as the more urgent one can spare them, and when it must.
func TestTurns(t *testing.T) {
	p, err := lanes.Parse([]byte(`
lanes:
- {name: express, match: [urgent=true], startWithin: 2s}
- {name: standard, startWithin: 30s}
- {name: bulk, match: [batch=true], startWithin: 30m, promote: {after: 20m, to: standard}}
pools: [{name: general, lanes: [express, standard, bulk], max: 4}]
budget: 4
`))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_000_000, 0)
	waiting := func(d time.Duration) LaneHistory {
		if d == 0 {
			return LaneHistory{}
		}
		return LaneHistory{Backlog: 1, LastEmpty: at.Add(-d)}
	}
	for _, c := range []struct {
		name           string
		standard, bulk time.Duration // how long the oldest job of each has waited
		paused         bool
		want           bool
	}{
		{name: "nothing waits"},
		{name: "not long enough", bulk: 20 * time.Minute},
		{name: "long enough, and nothing else waits", bulk: 20*time.Minute + 1, want: true},
		{name: "the other one has half its time", bulk: 21 * time.Minute, standard: 15 * time.Second, want: true},
		{name: "it has less", bulk: 21 * time.Minute, standard: 15*time.Second + 1},
		{name: "it is late", bulk: 29 * time.Minute, standard: time.Hour},
		{name: "both are late soon", bulk: 29*time.Minute + 30*time.Second, standard: time.Hour, want: true},
		{name: "both are late", bulk: time.Hour, standard: time.Hour, want: true},
		{name: "paused", bulk: time.Hour, paused: true},
	} {
		p.Lanes[2].Paused = c.paused
		h := History{Lanes: map[string]LaneHistory{"standard": waiting(c.standard), "bulk": waiting(c.bulk)}}
		turns := h.Turns(p, at)
		if got := turns["bulk"] == "standard"; got != c.want || len(turns) > 1 {
			t.Errorf("%s: %v", c.name, turns)
		}
	}
}
