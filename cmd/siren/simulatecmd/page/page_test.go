package page

import (
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
