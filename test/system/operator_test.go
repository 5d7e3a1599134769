package system_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// growing is a fleet that grows and shrinks while people operate it.
const growing = `  - {name: general, lanes: [express, standard], guests: [bulk], slots: 1, shoulder: {express: 1},
     min: 1, max: 3, hold: 2s}
  - {name: batch, lanes: [bulk], slots: 1, min: 0, max: 2, hold: 2s}`

const (
	operations = 200
	operators  = 3                     // people at work at the same time
	seedVar    = "SIREN_OPERATOR_SEED" // repeats the choices of an earlier run; what they meet is never quite the same
)

// Three people do whatever comes into their minds to a live fleet under load: they pause lanes, move jobs, move one,
// cancel and retry them, also the same ones at the same time. Every job ends as it should: once, uninterrupted, and
// with an output only if it wasn't cancelled.
func TestOperators(t *testing.T) {
	s := newSite(t, growing)
	s.patient()
	s.scaler()
	c := newCrowd(s)
	c.enqueue(40)
	stop := make(chan struct{})
	var feeding, working sync.WaitGroup
	feeding.Go(func() { c.feed(stop) })
	var next atomic.Int32
	for n := range operators {
		working.Go(func() {
			choose := rand.New(rand.NewPCG(c.seed, uint64(n)))
			for next.Add(1) <= operations {
				c.operate(choose)
			}
		})
	}
	working.Wait()
	close(stop)
	feeding.Wait()
	if t.Failed() {
		return
	}
	for _, lane := range crowdLanes {
		if r := s.siren("", "lanes", "resume", lane, "--wait=false"); r.code != 0 {
			t.Fatalf("resume lane %s at the end: %s", lane, r)
		}
	}
	c.check()
	t.Logf("%d jobs; operations and what came of them: %v", len(c.jobs), c.came)
}

// patient gives the workers' claims more time than other tests do: a lease that runs out because the machine is busy is
// not what is tested.
func (s *site) patient() {
	s.t.Helper()
	text, err := os.ReadFile(s.policy)
	s.must(err)
	s.must(os.WriteFile(s.policy, []byte(strings.Replace(string(text), "lease: 3s", "lease: 15s", 1)), 0o644))
}

var crowdLanes = []string{"express", "standard", "bulk"}

// crowd is jobs, and the people who operate on them.
type crowd struct {
	s     *site
	sight *sight
	seed  uint64

	mu        sync.Mutex
	jobs      []job.Job
	cancelled map[string]bool // what was said to be cancelled, and not retried since
	retried   map[string]int  // how often somebody began to
	came      map[string]int  // operation and answer → how often
}

func newCrowd(s *site) *crowd {
	c := &crowd{
		s: s, sight: s.look(), seed: uint64(time.Now().UnixNano()), cancelled: map[string]bool{},
		retried: map[string]int{}, came: map[string]int{},
	}
	if text := os.Getenv(seedVar); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		s.must(err)
		c.seed = seed
	}
	s.t.Logf("%s=%d", seedVar, c.seed)
	s.put("clip.mp4")
	s.put("film.mp4")
	return c
}

// enqueue puts so many jobs into the lanes: most of a fraction of a second, some of several.
func (c *crowd) enqueue(n int) {
	var jobs []job.Job
	for range n {
		c.mu.Lock()
		i := len(c.jobs) + len(jobs)
		c.mu.Unlock()
		j := job.Job{ID: fmt.Sprintf("job-%03d", i), Kind: "thumbnail", Input: c.s.input("clip.mp4")}
		ext := ".jpg"
		switch i % 10 {
		case 1, 4:
			j.Kind, ext = "probe", ".json"
		case 2, 5:
			j.Kind, ext = "transcode", ".mp4"
		case 8:
			j.Kind, ext, j.Input = "transcode", ".mp4", c.s.input("film.mp4")
		}
		j.Output = c.s.output(j.ID + ext)
		j.Labels = []map[string]string{{"urgent": "true"}, nil, {"batch": "true"}}[i%3]
		jobs = append(jobs, j)
	}
	for _, o := range c.s.client.EnqueueBatch(c.s.t.Context(), jobs) {
		if o.Err != nil {
			c.s.t.Errorf("enqueue job %s: %v", o.ID, o.Err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs = append(c.jobs, jobs...)
}

// feed keeps the lanes filled: so that each operation meets waiting jobs, and not so many that the end takes long.
func (c *crowd) feed(stop <-chan struct{}) {
	const most = 300
	for {
		select {
		case <-stop:
			return
		case <-time.After(300 * time.Millisecond):
		}
		ready, paused := 0, 0
		snap, err := c.sight.board.Snapshot(c.s.t.Context())
		for _, l := range snap.Lanes {
			if ready += l.Ready; l.Paused {
				paused += l.Ready
			}
		}
		if c.mu.Lock(); err == nil && ready-paused < 15 && ready < 60 && len(c.jobs) < most {
			c.mu.Unlock()
			c.enqueue(6)
			continue
		}
		c.mu.Unlock()
	}
}

// operate does one thing, and looks at what the command says to it.
func (c *crowd) operate(choose *rand.Rand) {
	lane := func() string { return crowdLanes[choose.IntN(len(crowdLanes))] }
	switch n := choose.IntN(100); {
	case n < 12:
		c.do("pause", nil, "lanes", "pause", lane(), "--wait=false", "--reason", "a whim")
	case n < 30:
		c.do("resume", []string{"there is no tuning"}, "lanes", "resume", lane(), "--wait=false")
	case n < 45:
		from, to := lane(), lane()
		if from != to {
			c.do("move", nil, "lanes", "move", from, to, "--limit", strconv.Itoa(1+choose.IntN(12)))
		}
	case n < 60:
		if id := c.pick(choose, job.Queued); id != "" {
			c.do("move one", []string{"only a queued job can be moved", "what they did counts"}, "jobs", "move",
				id, "--lane", lane())
		}
	case n < 85:
		state := job.Queued
		if choose.IntN(2) == 0 {
			state = job.Running
		}
		if id := c.pick(choose, state); id != "" {
			c.cancel(id)
		}
	default:
		if id := c.pick(choose, job.Cancelled); id != "" {
			c.retry(id)
		}
	}
}

// pick returns a job in that state, as far as that is known a moment later; "" when a few attempts find none.
func (c *crowd) pick(choose *rand.Rand, state job.State) string {
	c.mu.Lock()
	order := choose.Perm(len(c.jobs))
	jobs := slices.Clone(c.jobs)
	c.mu.Unlock()
	for _, i := range order {
		if r, err := c.s.client.Get(c.s.t.Context(), jobs[i].ID); err == nil && r.State == state {
			return r.ID
		}
	}
	return ""
}

// do runs a command. It may fail for a reason that others at work give it, and for no other one.
func (c *crowd) do(name string, excuses []string, args ...string) result {
	r := c.s.siren("", args...)
	excuse := ""
	for _, e := range append(excuses, "changed meanwhile", "changed by somebody else meanwhile") {
		if r.code != 0 && strings.Contains(r.err, e) {
			excuse = e
		}
	}
	if r.code != 0 && excuse == "" {
		c.s.t.Errorf("siren %s: %s", strings.Join(args, " "), r)
	}
	if excuse != "" {
		name += ": " + excuse
	}
	c.mu.Lock()
	c.came[name]++
	c.mu.Unlock()
	return r
}

func (c *crowd) cancel(id string) {
	c.mu.Lock()
	retried := c.retried[id]
	c.mu.Unlock()
	r := c.do("cancel", []string{"there is nothing to cancel", "committed its output already"}, "jobs", "cancel", id)
	still := c.s.programs(id) // looked for first: should it have been retried, the record says so below
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retried[id] != retried {
		return // somebody else began to retry it, so anything may be
	}
	c.cancelled[id] = r.code == 0
	if strings.Contains(r.out, "programs have ended") && len(still) > 0 {
		c.s.t.Errorf("siren says that the programs of job %s have ended, and there is %v", id, still)
	}
}

func (c *crowd) retry(id string) {
	c.mu.Lock()
	c.retried[id]++
	delete(c.cancelled, id)
	c.mu.Unlock()
	c.do("retry", []string{
		"only a dead, retrying, cancelled or missing job can be retried",
		"only one whose worker vanished", "what they did counts", "committed its output already",
	}, "jobs", "retry", id)
}

// check waits for the end of all jobs and looks at it.
func (c *crowd) check() {
	s := c.s
	records := map[string]job.Record{}
	s.awaitNone("all jobs to end", 90*time.Second, func() (int, string) {
		var open []string
		for _, j := range c.jobs {
			if records[j.ID].State.Final() {
				continue
			}
			r, err := s.client.Get(s.t.Context(), j.ID)
			if records[j.ID] = r; err != nil || !r.State.Final() {
				open = append(open, fmt.Sprintf("%s %s in %s, %v", j.ID, r.State, r.Lane, err))
			}
		}
		return len(open), fmt.Sprint(open)
	})
	s.await("the lanes to be empty", 30*time.Second, func() (bool, string) {
		left := map[string]int{}
		for _, q := range append(slices.Clone(laneQueues), deadQueue) {
			if n := s.ready(q); n > 0 {
				left[q] = n
			}
		}
		return len(left) == 0, fmt.Sprint(left)
	})
	completed := s.completions()
	ended := map[job.State]int{}
	for _, j := range c.jobs {
		r, n := records[j.ID], completed[j.ID]
		ended[r.State]++
		_, err := os.Stat(path(j.Output))
		switch {
		case r.State == job.Completed:
			s.must(whole(path(j.Output)))
		case r.State == job.Cancelled && err == nil:
			s.t.Errorf("a cancelled job has an output: %+v", r)
		case r.State != job.Cancelled:
			s.t.Errorf("nobody wanted that of a job: %+v", r)
		}
		if c.cancelled[j.ID] && r.State != job.Cancelled {
			s.t.Errorf("job %s was said to be cancelled, and is %s", j.ID, r.State)
		}
		if r.Attempts > 1 || r.Crashes > 0 || r.State == job.Completed && r.Attempts != 1 {
			s.t.Errorf("a job was interrupted: %+v", r)
		}
		if n > 1 || (n > 0) != (r.State == job.Completed) {
			s.t.Errorf("workers say %d times that they completed job %s, which was retried %d times: %+v", n, j.ID,
				c.retried[j.ID], r)
		}
	}
	s.t.Logf("ended: %v", ended)
}

var completedLine = regexp.MustCompile(`msg=completed .*\bjob=(\S+)`)

// completions returns how often workers say that they have completed each job.
func (s *site) completions() map[string]int {
	s.t.Helper()
	logs, err := filepath.Glob(filepath.Join(s.fleet(), "workers", "logs", "*.log"))
	s.must(err)
	times := map[string]int{}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		s.must(err)
		for _, line := range completedLine.FindAllStringSubmatch(string(text), -1) {
			times[line[1]]++
		}
	}
	return times
}
