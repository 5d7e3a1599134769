package page

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes"
)

// A page of nothing is a page, and what a stranger wrote is text in it.
func TestPageOfNothing(t *testing.T) {
	p := &lanes.Policy{Lanes: []lanes.Lane{{Name: "only", StartWithin: lanes.Duration(time.Second)}}, Budget: 1}
	r := &sim.Result{
		For: lanes.Duration(time.Minute), Lanes: []sim.LaneResult{{Name: "only"}},
		Series: []sim.Point{{
			At: lanes.Duration(time.Minute), Lanes: make([]sim.LanePoint, 1), Pools: make([]sim.PoolPoint, 1),
		}},
		Decisions: []sim.Decision{{Why: "<script>"}},
	}
	for n := range 3 {
		runs := slices.Repeat([]Run{{Name: "a", Result: r}}, n+1)
		text, err := Page{Load: "<b>nothing</b>", Policy: p, Runs: runs}.HTML()
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"NaN", "Inf", "<b>", "<script>"} {
			if strings.Contains(string(text), bad) {
				t.Errorf("%d runs: the page has %q", len(runs), bad)
			}
		}
	}
}

// Beside a run with other lanes, each figure stands below its lane's name, and each lane has its own objective.
func TestOtherLanes(t *testing.T) {
	p := &lanes.Policy{Lanes: []lanes.Lane{{Name: "new"}, {Name: "both"}}, Budget: 1}
	lane := func(name string, inTime int, within time.Duration) sim.LaneResult {
		return sim.LaneResult{Name: name, InTime: inTime, Late: 100 - inTime, StartWithin: lanes.Duration(within)}
	}
	run := func(all ...sim.LaneResult) Run {
		point := sim.Point{At: lanes.Duration(time.Minute), Lanes: make([]sim.LanePoint, len(all))}
		return Run{Name: "a", Result: &sim.Result{For: point.At, Lanes: all, Series: []sim.Point{point}}}
	}
	text, err := Page{Policy: p, Runs: []Run{
		run(lane("new", 11, time.Second), lane("both", 22, time.Second)),
		run(lane("both", 33, 7*time.Second), lane("old", 44, time.Second)),
	}}.HTML()
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?s)<tr><th>a</th>.*?</tr>`).FindAllString(string(text), -1)
	if len(row) != 2 || !regexp.MustCompile(`11.0 %.*22.0 %`).MatchString(row[0]) ||
		!regexp.MustCompile(`–.*–.*33.0 %`).MatchString(row[1]) || strings.Contains(row[1], "44.0 %") {
		t.Errorf("%q", row)
	}
	if !strings.Contains(string(text), `<polyline class="line c1" points="628.0,212.0"><title>both</title>`) ||
		!strings.Contains(string(text), "both within 7s") {
		t.Errorf("the other run's lanes are drawn as others:\n%s", text)
	}
}

// The line joins those that nobody beats in both, the cheapest first. Places further up are smaller.
func TestFront(t *testing.T) {
	dots := []dot{{X: 30, Y: 10}, {X: 10, Y: 90}, {X: 20, Y: 50}, {X: 25, Y: 60}, {X: 40, Y: 10}}
	if got := front(dots); got != "10.0,90.0 20.0,50.0 30.0,10.0" {
		t.Error(got)
	}
}

// A page has the latest decisions, and says how many it leaves out.
func TestLatest(t *testing.T) {
	r := Run{Result: &sim.Result{Decisions: make([]sim.Decision, shown+5)}}
	if len(r.Latest()) != shown || r.Left() != 5 {
		t.Error(len(r.Latest()), r.Left())
	}
}
