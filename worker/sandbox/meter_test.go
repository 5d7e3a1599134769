package sandbox

import (
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/worker/workertest"
)

// How long programs compute is told while they run and when they have ended, all together; sleeping isn't computing.
func TestMeter(t *testing.T) {
	var mu sync.Mutex
	var told []time.Duration
	tell := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, d)
	}
	var m meter
	for range 2 { // until a second has been computed, however slow the machine is
		workertest.Must(t, m.run(exec.Command("bash", "-c",
			`while [ "$(cut -d ' ' -f 14 /proc/$$/stat)" -lt 60 ]; do
				for i in {1..20000}; do :; done
			done`), tell))
	}
	last := told[len(told)-1]
	if !slices.IsSorted(told) || len(told) < 3 || last < time.Second {
		t.Errorf("told %v, want a second at least, and some of it before", told)
	}
	workertest.Must(t, m.run(exec.Command("sleep", "0.1"), tell))
	if more := told[len(told)-1] - last; more > 50*time.Millisecond {
		t.Errorf("sleeping counts as %s of computing", more)
	}
	if err := m.run(exec.Command("no-such-program"), tell); err == nil {
		t.Error("a program that can't be started is no error")
	}
}
