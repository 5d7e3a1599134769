package law

import (
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/scaler/facts"
)

// The cluster would remove a worker that isn't ready before any retired one, whatever it runs: so it is the first to
// go, though others idle.
func TestUnreadyWorkersGoFirst(t *testing.T) {
	w := newWorld(t, oneLane)
	w.run(5 * time.Second)
	w.put("standard", 60)
	w.until("it has grown", time.Minute, func() bool { return w.pools["general"].replicas > 4 })
	all := w.pools["general"].workers
	unready := all[len(all)-1].Worker // by its name it would go last
	w.see = func(o *facts.Observation) {
		for i := range o.Pools["general"].Members {
			m := &o.Pools["general"].Members[i]
			m.Unready = m.Name == unready
		}
	}
	w.until("some park", 5*time.Minute, func() bool { return len(w.plan("general").Park) > 0 })
	if p := w.plan("general"); !slices.Contains(p.Park, unready) {
		t.Errorf("parks %v, and not %s", p.Park, unready)
	}
	w.until("back at min", 5*time.Minute, func() bool { return len(w.pools["general"].workers) == 2 })
	for _, n := range w.pools["general"].workers {
		if n.Worker == unready {
			t.Errorf("%s stayed", unready)
		}
	}
}
