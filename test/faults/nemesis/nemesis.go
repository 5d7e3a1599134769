// Package nemesis breaks a site as a seed says, one fault beside the other, and undoes each at its end. schedule.go
// decides what and when, faults.go is how.
package nemesis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
	"github.com/polyglot-media/siren/test/wait"
)

// Nemesis breaks the fleet as the schedule says, and undoes each fault at its end.
type Nemesis struct {
	site *site.Site
	log  *slog.Logger

	mu       sync.Mutex
	held     map[string]*sync.Mutex // by resource
	done     []history.Window
	problems []error
	Lost     []time.Time // when Redis lost its data
	// FailedOver is when another Redis may have become the primary.
	FailedOver []time.Time
	hunted     int // how often a worker was killed for the poisonous job that it ran
	pardoned   map[string]bool
}

// New makes one that breaks this site.
func New(s *site.Site) *Nemesis {
	return &Nemesis{site: s, log: s.Log, held: map[string]*sync.Mutex{}, pardoned: map[string]bool{}}
}

// Run carries out the schedule until ctx ends, and returns when all is undone.
func (n *Nemesis) Run(ctx context.Context, schedule []history.Fault) {
	began := time.Now()
	var all sync.WaitGroup
	for _, f := range schedule {
		all.Go(func() {
			if wait.Pause(ctx, time.Until(began.Add(f.At))) == nil {
				n.strike(ctx, f)
			}
		})
	}
	all.Wait()
}

// strike plays one fault from its beginning to its end. It waits for whoever has what it needs.
func (n *Nemesis) strike(ctx context.Context, f history.Fault) {
	k := kinds[f.Kind]
	needs := slices.Sorted(slices.Values(k.resources(f.Target)))
	for _, r := range needs {
		n.resource(r).Lock()
		defer n.resource(r).Unlock()
	}
	if ctx.Err() != nil {
		return
	}
	w := history.Window{Fault: f, Outage: k.outage}
	w.Lives = append(w.Lives, n.livesOf(f.Target)...)
	met := n.meet(&w)
	w.From = time.Now()
	if strings.Contains(f.Target, "/") {
		w.Link = f.Target
	}
	n.log.Info("begins", "fault", f.Number, "kind", f.Kind, "target", f.Target, "lasts",
		f.Lasts.Round(100*time.Millisecond).String())
	undo, err := k.inject(n, f)
	if err = errors.Join(met, err); err == nil {
		_ = wait.Pause(ctx, f.Lasts)
		err = undo()
	}
	w.Lives = append(w.Lives, n.livesOf(f.Target)...) // and who came after it meanwhile
	w.To = time.Now().Add(k.after)
	n.log.Info("ends", "fault", f.Number, "kind", f.Kind, "target", f.Target, "after",
		time.Since(w.From).Round(100*time.Millisecond).String())
	n.note(w)
	if err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.problems = append(n.problems, fmt.Errorf("%s: %w", f, err))
	}
}

// note keeps what has been broken.
func (n *Nemesis) note(w history.Window) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.done = append(n.done, w)
}

func (n *Nemesis) resource(name string) *sync.Mutex {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held[name] == nil {
		n.held[name] = &sync.Mutex{}
	}
	return n.held[name]
}

// livesOf returns the workers that run now and that a fault with this target hits.
func (n *Nemesis) livesOf(target string) (lives []string) {
	name, _, _ := strings.Cut(target, "/")
	for _, p := range n.site.Workers {
		if now, _ := p.Current(); now != "" && (p.Name == name || target == "workers") {
			lives = append(lives, now)
		}
	}
	return lives
}

// process returns the place in the fleet with that name.
func (n *Nemesis) process(name string) *site.Process {
	for _, p := range slices.Concat(n.site.Workers, n.site.Scalers) {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Hunt kills every worker that runs a poisonous job, as often as one does, until ctx ends. Where a job's attempt has
// its scratch folder tells who runs it.
func (n *Nemesis) Hunt(ctx context.Context, poison map[string]bool) {
	killed := map[string]bool{} // a killed worker leaves its folder
	for wait.Pause(ctx, 15*time.Millisecond) == nil {
		for _, p := range n.site.Workers {
			for _, f := range p.Attempts() {
				name := filepath.Base(f) // the job's id, and the attempt's
				id := name[:strings.LastIndex(name, "-")]
				if !poison[id] || killed[f] || n.spares(id) {
					continue
				}
				killed[f] = true
				life, _ := p.Current()
				from := time.Now()
				if p.Signal(syscall.SIGKILL) == "" {
					continue
				}
				n.log.Info("killed the worker of a poisonous job", "job", id, "worker", life)
				n.mu.Lock()
				n.hunted++
				n.done = append(n.done, history.Window{
					Fault: history.Fault{Kind: "poison", Target: p.Name}, From: from,
					To: from.Add(2 * time.Second), Lives: []string{life},
				})
				n.mu.Unlock()
			}
		}
	}
}

// Pardon ends the hunt for whoever runs that poisonous job.
func (n *Nemesis) Pardon(job string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pardoned[job] = true
}

func (n *Nemesis) spares(job string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pardoned[job]
}

// Err returns what the nemesis couldn't do: then the run proves nothing.
func (n *Nemesis) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return errors.Join(n.problems...)
}

// Windows returns the faults that there have been.
func (n *Nemesis) Windows() []history.Window {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.done)
}
