package scaler

import (
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// The fleet is told of whom nothing has been heard for long, and what was seen stays as it is.
func TestToScale(t *testing.T) {
	now := time.Now()
	old := now.Add(-time.Hour)
	seen := fleet.PoolState{Version: "v", Members: []fleet.Member{
		{Name: "beats", CreatedAt: old},
		{Name: "late", CreatedAt: old},
		{Name: "gone", CreatedAt: old},
		{Name: "never", CreatedAt: old},
		{Name: "new", CreatedAt: now.Add(-10 * time.Second)},
	}}
	o := facts.Observation{
		At: now, Pools: map[string]fleet.PoolState{"general": seen},
		Workers: []fleet.Heartbeat{
			{Worker: "beats", At: now},
			{Worker: "late", At: now.Add(-30 * time.Second)},
			{Worker: "gone", At: now.Add(-2 * time.Minute)},
		},
	}
	var silent []string
	got := toScale(o, "general")
	for _, m := range got.Members {
		if m.Silent {
			silent = append(silent, m.Name)
		}
	}
	if !slices.Equal(silent, []string{"gone", "never"}) || got.Version != "v" {
		t.Errorf("silent: %v; %+v", silent, got)
	}
	if slices.ContainsFunc(seen.Members, func(m fleet.Member) bool { return m.Silent }) {
		t.Errorf("changed what was seen: %+v", seen)
	}
}
