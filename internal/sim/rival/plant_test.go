package rival

import (
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/lanes"
)

func policyOf(t *testing.T, text string) *lanes.Policy {
	t.Helper()
	p, err := lanes.Parse([]byte(text + "storage: [{prefix: \"file:///media/\", read: true, write: true}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const one = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s, reserve: 1}
  - {name: standard, startWithin: 30s}
pools: [{name: general, lanes: [express, standard], shoulder: {express: 1}, max: 10}]
budget: 10
timing: {coldStart: 10s}
`

// sixLong is six jobs of 100 s at second 31.
var sixLong = slices.Repeat(load.Listed{{At: 31 * s, Lane: 1, Service: 100 * s}}, 6)

// changes plays a load, and returns when the number of replicas changed, and to what.
func changes(t *testing.T, n Contender, jobs load.Listed, lasts time.Duration) (changes []int, r *sim.Result) {
	t.Helper()
	c := sim.NewConfig(policyOf(t, one), jobs.Jobs(), lasts)
	r, err := n.Run(t.Context(), c, Known{Service: 100 * s, Jobs: jobs.Jobs})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range r.Decisions {
		changes = append(changes, int(d.At.D()/s), d.To)
	}
	return changes, r
}

// KEDA as it comes, on six jobs: its poll at 60 s takes it from none to one, which is up at 70.3 s and takes a job.
// Five wait: the HPA makes 5 of it at 75 s. Those are up at 85.3 s and take four: one waits, which says 1 at 90 s, but
// the window keeps 5.
func TestKEDABySequence(t *testing.T) {
	got, r := changes(t, keda("", OneQueue, *Usual(1)), sixLong, 4*time.Minute)
	if want := []int{60, 1, 75, 5}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if r.Lanes[1].Started != 6 || r.Total.Hits != 0 {
		t.Errorf("%+v", r)
	}
}

// Without a window it takes away what runs: at 90 s one message is ready, so it wants one pod, and four that run are
// hit. Their jobs wait then: it wants four again at 105 s.
func TestKEDAWithoutAWindow(t *testing.T) {
	k := *Usual(1)
	k.Window = 0
	got, r := changes(t, keda("", OneQueue, k), sixLong, 100*s)
	if want := []int{60, 1, 75, 5, 90, 1}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if r.Total.Hits != 4 || r.Total.BusyRemoved != 4 {
		t.Errorf("%d hits on %d workers, want 4", r.Total.Hits, r.Total.BusyRemoved)
	}
}

// By http what runs counts too: 6 stay 6 while they run, and nothing is hit.
func TestKEDAByHTTP(t *testing.T) {
	k := *Usual(1)
	k.HTTP, k.Window, k.Fast = true, 0, true
	got, r := changes(t, keda("", OneQueue, k), sixLong, 150*s)
	if want := []int{60, 1, 75, 6}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if r.Total.Hits != 0 {
		t.Errorf("%d hits", r.Total.Hits)
	}
}

// A ScaledJob makes a pod for each job at its poll, and each ends with its job.
func TestScaledJobBySequence(t *testing.T) {
	got, r := changes(t, jobs(30*s), sixLong, 4*time.Minute)
	if want := []int{60, 6}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if r.Total.Starts != 6 || r.Lanes[1].Ended != 6 || r.Lanes[1].P50.D() < 39*s || r.Lanes[1].P50.D() > 40*s {
		t.Errorf("%+v", r)
	}
}

// The clairvoyant has six workers up as the jobs come, and none is hit or kept for long.
func TestClairvoyant(t *testing.T) {
	_, r := changes(t, seer(), sixLong, 4*time.Minute)
	if l := r.Lanes[1]; l.Max != 0 || l.Ended != 6 {
		t.Errorf("%+v", l)
	}
	if cost := r.Total.WorkerSeconds(); cost < 660 || cost > 6*125 {
		t.Errorf("%.0f worker-seconds, want little more than 6·(10 + 100)", cost)
	}
}

// A Deployment per lane divides the budget beforehand, and no rival's policy asks for more than it.
func TestTopologies(t *testing.T) {
	p := policyOf(t, one)
	if q := PerLane(p); len(q.Pools) != 2 || q.Pools[0].Max != 2 || q.Pools[1].Max != 8 {
		t.Errorf("%+v", q.Pools)
	}
	for _, q := range []*lanes.Policy{OneQueue(p), PerLane(p), Fixed(p, 3)} {
		if err := q.Validate(); err != nil {
			t.Error(err)
		}
	}
	if p.Lanes[0].Reserve != 1 {
		t.Error("Siren's policy was changed")
	}
}
