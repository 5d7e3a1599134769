package lanecmd

import (
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/fleet"
)

// A worker that has just begun isn't said to lack the broker.
func TestWorkerState(t *testing.T) {
	now := time.Now()
	for want, w := range map[string]fleet.Heartbeat{
		"starting":  {At: now, Began: now.Add(-9 * time.Second)},
		"no broker": {At: now, Began: now.Add(-11 * time.Second)},
		"taking":    {At: now, Began: now, Subscribed: true},
		"parked":    {At: now, Began: now, Parked: true},
	} {
		if state, _ := workerState(w, false); state != want {
			t.Errorf("%s, want %s", state, want)
		}
	}
}
