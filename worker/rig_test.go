package worker

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

const testPolicy = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s}
  - {name: standard, startWithin: 30s, maxRuntime: 10m, retry: {attempts: 3, first: 5s, factor: 3, max: 1m}}
  - {name: bulk, match: ["batch=true"], startWithin: 30m}
pools:
  - {name: general, lanes: [express, standard, bulk], slots: 2, shoulder: {express: 1}, max: 4,
     slot: {memory: 1Gi, scratch: 3Gi}}
budget: 4
storage: [{prefix: "file:///media/", read: true, write: true}]
`

// rig is a worker with two shared slots among fakes. Time is the bubble's: it begins at a fixed instant and passes only
// while everybody waits.
type rig struct {
	*journal
	t       *testing.T
	broker  *broker
	ledger  *ledger
	handler *handler
	roster  *roster
	o       Options
	w       *Worker
	began   time.Time
	stop    context.CancelFunc      // first signal
	kill    context.CancelCauseFunc // second signal
	err     error                   // what Run returned
	ended   chan struct{}           // closed when it has
}

// bubble runs a test with a rig in a bubble of its own time. At its end the worker is stopped, if it still runs.
func bubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		r := &rig{
			journal: j, t: t, broker: newBroker(j), ledger: newLedger(j), roster: &roster{},
			handler: &handler{journal: j, script: map[string]handling{}}, began: time.Now(), ended: make(chan struct{}),
		}
		r.o = Options{
			Name: "general-1", Pool: "general", Version: "v1", Shared: []Source{r.broker, r.broker},
			Handler: r.handler, Ledger: r.ledger, Roster: r.roster,
			Policy: &lanes.Effective{Revision: 7, Policy: parsePolicy(t, testPolicy)}, Drain: 30 * time.Second,
		}
		test(t, r)
	})
}

func parsePolicy(t *testing.T, text string) lanes.Policy {
	t.Helper()
	p, err := lanes.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return *p
}

// start starts the worker and waits until its slots do.
func (r *rig) start() {
	r.t.Helper()
	r.w = New(r.o)
	take, stop := context.WithCancel(context.Background())
	work, kill := context.WithCancelCause(context.Background())
	r.stop, r.kill = stop, kill
	go func() {
		defer close(r.ended)
		r.err = r.w.Run(take, work)
	}()
	r.t.Cleanup(func() {
		stop()
		kill(nil)
		r.over()
	})
	synctest.Wait()
}

// over waits for the end of Run, and looks at what it left behind.
func (r *rig) over() {
	r.t.Helper()
	<-r.ended
	if r.err != nil {
		r.t.Errorf("Run: %v", r.err)
	}
	if _, left := r.roster.heard(); !slices.Equal(left, []string{"general-1"}) {
		r.t.Errorf("left the roster: %v", left)
	}
	if _, out, _ := r.broker.counts(); out != 0 {
		r.t.Errorf("%d jobs are neither settled nor running", out)
	}
}

// endsAt waits for the end of Run, which must come at that time.
func (r *rig) endsAt(want time.Duration) {
	r.t.Helper()
	r.over()
	if got := r.passed(); got != want {
		r.t.Errorf("Run ended after %s, want %s", got, want)
	}
}

// at lets time pass until then, counted from the beginning.
func (r *rig) at(d time.Duration) {
	time.Sleep(time.Until(r.began.Add(d)))
	synctest.Wait()
}

func (r *rig) passed() time.Duration { return time.Since(r.began) }

// expect compares what happened to a job.
func (r *rig) expect(id string, want ...string) {
	r.t.Helper()
	if got := r.of(id); !slices.Equal(got, want) {
		r.t.Errorf("job %s:\n got %q\nwant %q", id, got, want)
	}
}

// settledOnce returns how the job was settled, the only time that it was.
func (r *rig) settledOnce(id string) settlement {
	r.t.Helper()
	s := r.broker.settles(id)
	if len(s) != 1 {
		r.t.Fatalf("job %s was settled %d times: %v", id, len(s), s)
	}
	return s[0]
}
