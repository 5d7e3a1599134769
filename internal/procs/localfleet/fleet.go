package localfleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Options says how to run local workers.
type Options struct {
	// Pools names the pools there are. Each begins with no worker.
	Pools []string
	// Command makes the command of a new worker: it must report to the roster under the given name. The fleet sets its
	// Stdout, Stderr, WaitDelay and SysProcAttr.
	Command func(pool, worker string) *exec.Cmd
	// Dir holds the run file and the workers' logs, in DIR/workers; "": a temporary directory, removed by Stop.
	Dir string
	// Log gets starts and ends; nil: nowhere.
	Log *slog.Logger
	// Output gets every line that a worker writes, with its name in front; nil: only the log files do.
	Output io.Writer
	// Drain is how long a worker that is told to stop may take; 0: 30 s. After it comes a second SIGTERM, which makes
	// a worker return its jobs, and 3 s later SIGKILL.
	Drain time.Duration
}

// Fleet runs the workers of each pool as child processes of this one, as a Deployment runs pods: it keeps as many
// replicas running as it was last told to. Its methods are safe for concurrent use.
type Fleet struct {
	o    Options
	log  *slog.Logger
	home *procs.Home
	logs *logDir

	// What "keeps crashing within seconds" means; tests are less patient.
	settled time.Duration // a worker that lived this long has started well
	backoff time.Duration // pause after the second failure in a row; doubles with each further one

	hurry   chan struct{} // closed when Stop can't wait any longer
	tending sync.WaitGroup

	mu      sync.Mutex
	pools   map[string]*pool
	names   map[string]bool // every worker name there ever was
	stopped bool
}

// pool is the workers of one pool. Fleet.mu guards it.
type pool struct {
	replicas   int // asked for
	generation int // grows with every Scale
	members    []*replica
}

// ErrStopped is returned by a fleet after Stop.
var ErrStopped = errors.New("the fleet was stopped")

// New makes a fleet without workers. It stops the workers that a crashed run left in the same directory, and fails
// when another run uses it.
func New(o Options) (*Fleet, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Drain == 0 {
		o.Drain = 30 * time.Second
	}
	h, err := procs.OpenHome(o.Dir, "workers", o.Log)
	if err != nil {
		return nil, fmt.Errorf("local fleet: %w", err)
	}
	logs, err := openLogDir(h.Path("logs"), o.Output)
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("local fleet: %w", err)
	}
	f := &Fleet{
		o: o, log: o.Log, home: h, logs: logs, settled: 10 * time.Second, backoff: 500 * time.Millisecond,
		hurry: make(chan struct{}), pools: map[string]*pool{}, names: map[string]bool{},
	}
	for _, name := range o.Pools {
		f.pools[name] = &pool{}
	}
	return f, nil
}

// Pools reports every pool. Its members are the workers that run, those that were told to stop and still run
// (Leaving), and the replicas that repeatedly fail to start (Stuck, with the end of their log).
func (f *Fleet) Pools(context.Context) (map[string]fleet.PoolState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return nil, ErrStopped
	}
	states := map[string]fleet.PoolState{}
	for name, p := range f.pools {
		s := fleet.PoolState{Replicas: p.replicas, Version: strconv.Itoa(p.generation)}
		for _, r := range p.members {
			s.Members = append(s.Members, r.member(time.Now(), f.settled))
		}
		states[name] = s
	}
	return states, nil
}

// Scale makes the pool have to replicas. Growing starts new workers. Shrinking stops exactly the workers named in
// remove (SIGTERM), which must be as many as the decrease. A pool that isn't as in seen any more is a
// lanes.ErrConflict. Scale doesn't wait: Pools shows what comes of it.
func (f *Fleet) Scale(_ context.Context, name string, seen fleet.PoolState, to int, remove []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return ErrStopped
	}
	p, ok := f.pools[name]
	if !ok {
		return fmt.Errorf("scale: no pool %q", name)
	}
	if now := strconv.Itoa(p.generation); seen.Version != now {
		return fmt.Errorf("pool %q: %w: version %s was seen, now it is %s", name, lanes.ErrConflict, seen.Version, now)
	}
	if decrease := max(0, p.replicas-to); to < 0 || len(remove) != decrease {
		return fmt.Errorf("scale pool %q from %d to %d: needs the names of %d workers to remove, got %d",
			name, p.replicas, to, decrease, len(remove))
	}
	leaving, err := p.find(name, remove)
	if err != nil {
		return err
	}
	if to == p.replicas {
		return nil
	}
	for _, r := range leaving {
		r.dismiss()
	}
	for range to - p.replicas {
		f.add(name, p)
	}
	p.replicas = to
	p.generation++
	return nil
}

// find returns the named members; each must be one that stays otherwise.
func (p *pool) find(name string, workers []string) ([]*replica, error) {
	var found []*replica
	for _, w := range workers {
		i := slices.IndexFunc(p.members, func(r *replica) bool { return r.name == w && !r.leaving })
		if i < 0 {
			return nil, fmt.Errorf("pool %q: %w: worker %q is gone or leaving", name, lanes.ErrConflict, w)
		}
		if slices.Contains(found, p.members[i]) {
			return nil, fmt.Errorf("scale pool %q: worker %q is named twice", name, w)
		}
		found = append(found, p.members[i])
	}
	return found, nil
}

// add starts one more replica. The caller holds mu.
func (f *Fleet) add(name string, p *pool) {
	r := &replica{pool: name, leave: make(chan struct{}), name: f.newName(name), created: time.Now()}
	p.members = append(p.members, r)
	f.tending.Go(func() {
		f.tend(r)
		f.mu.Lock()
		defer f.mu.Unlock()
		p.members = slices.DeleteFunc(p.members, func(m *replica) bool { return m == r })
	})
}

// newName makes a worker name that never was before. The caller holds mu.
func (f *Fleet) newName(pool string) string {
	const letters = "bcdfghjklmnpqrstvwxz" // no vowels, so no words
	for {
		suffix := make([]byte, 5)
		for i := range suffix {
			suffix[i] = letters[rand.IntN(len(letters))]
		}
		if name := pool + "-" + string(suffix); !f.names[name] {
			f.names[name] = true
			return name
		}
	}
}

// Kill ends one worker at once, as a crash would: its replica goes on with a fresh one.
func (f *Fleet) Kill(worker string) error {
	f.mu.Lock()
	var running *procs.Process
	for _, p := range f.pools {
		for _, r := range p.members {
			if r.name == worker {
				running = r.running
			}
		}
	}
	f.mu.Unlock()
	if running == nil {
		return fmt.Errorf("kill: no worker %q runs", worker)
	}
	return running.Kill()
}

// Yield tells every worker to stop, asks for none any more, and returns how many that were. It doesn't wait. A later
// Scale may ask for workers again. It is for a scaler that doesn't lead: the leader's fleet doesn't have these.
func (f *Fleet) Yield() (workers int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.pools {
		if f.stopped || p.replicas == 0 {
			continue
		}
		for _, r := range p.members {
			r.dismiss()
		}
		workers += p.replicas
		p.replicas = 0
		p.generation++
	}
	return workers
}

// Stop tells every worker to stop and returns when all are gone: at the latest a few seconds after the drain time, or
// after the end of ctx. A second Stop does nothing.
func (f *Fleet) Stop(ctx context.Context) error {
	f.mu.Lock()
	if f.stopped {
		f.mu.Unlock()
		return nil
	}
	f.stopped = true
	for _, p := range f.pools {
		for _, r := range p.members {
			r.dismiss()
		}
	}
	f.mu.Unlock()
	cancel := context.AfterFunc(ctx, func() { close(f.hurry) })
	defer cancel()
	f.tending.Wait()
	f.home.Close()
	return nil
}
