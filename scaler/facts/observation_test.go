package facts

import (
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func TestSubscribedTo(t *testing.T) {
	beat := func(jobs ...string) fleet.Heartbeat { // "express!" is on the shoulder
		w := fleet.Heartbeat{Worker: "a", Pool: "general", At: t0, Slots: 2, Shoulder: 1, Subscribed: true}
		for _, j := range jobs {
			w.Running = append(w.Running, fleet.Run{Lane: strings.Trim(j, "!"), Shoulder: j == "express!"})
		}
		return w
	}
	idle := func(change func(*fleet.Heartbeat)) fleet.Heartbeat {
		w := beat()
		change(&w)
		return w
	}
	p := &lanes.Policy{
		Lanes:  []lanes.Lane{{Name: "standard"}, {Name: "bulk"}, {Name: "halted", Paused: true}},
		Pools:  []lanes.Pool{{Name: "general", Lanes: []string{"standard", "halted"}, Guests: []string{"bulk"}}},
		Timing: lanes.Timing{Heartbeat: lanes.Duration(time.Second)},
	}
	tests := []struct {
		name   string
		worker fleet.Heartbeat
		lane   string
		want   bool
	}{
		{"idle", beat(), "standard", true},
		{"one slot idle", beat("standard"), "standard", true},
		{"a shoulder job leaves its slots idle", beat("standard", "express!"), "standard", true},
		{"busy", beat("standard", "standard"), "standard", false},
		{"a guest, which may be shut out", beat(), "bulk", false},
		{"a paused lane, from which nobody takes", beat(), "halted", false},
		{"no session", idle(func(w *fleet.Heartbeat) { w.Subscribed = false }), "standard", false},
		{"parked", idle(func(w *fleet.Heartbeat) { w.Parked = true }), "standard", false},
		{"retired", idle(func(w *fleet.Heartbeat) { w.Parked, w.Retired = true, true }), "standard", false},
		{"draining", idle(func(w *fleet.Heartbeat) { w.Draining = true }), "standard", false},
		{"silent", idle(func(w *fleet.Heartbeat) { w.At = at(-4) }), "standard", false},
		{
			"of a pool that left the policy", idle(func(w *fleet.Heartbeat) { w.Pool = "old" }), "standard",
			false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := subscribed(p, Observation{
				At:      t0,
				Workers: []fleet.Heartbeat{tt.worker},
			}); got[tt.lane] != tt.want {
				t.Errorf("subscribed = %v", got)
			}
		})
	}
}
