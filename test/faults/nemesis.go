package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/polyglot-media/siren/test/wait"
)

// nemesis breaks the fleet as the schedule says, and undoes each fault at its end.
type nemesis struct {
	site *site
	log  *slog.Logger

	mu       sync.Mutex
	held     map[string]*sync.Mutex // by resource
	done     []window
	problems []error
	lost     []time.Time // when Redis lost its data
	hunted   int         // how often a worker was killed for the poisonous job that it ran
}

// window is a fault that has been there, in real time.
type window struct {
	fault
	from, to time.Time // to: when it was undone, and what recovers from it has had its time
	outage   string    // what was away for all; "": only these:
	lives    []string  // of workers that it hit
	link     string
}

func newNemesis(s *site) *nemesis {
	return &nemesis{site: s, log: s.log, held: map[string]*sync.Mutex{}}
}

// run carries out the schedule until ctx ends, and returns when all is undone.
func (n *nemesis) run(ctx context.Context, schedule []fault) {
	began := time.Now()
	var all sync.WaitGroup
	for _, f := range schedule {
		all.Go(func() {
			if wait.Pause(ctx, time.Until(began.Add(f.at))) == nil {
				n.strike(ctx, f)
			}
		})
	}
	all.Wait()
}

// strike plays one fault from its beginning to its end. It waits for whoever has what it needs.
func (n *nemesis) strike(ctx context.Context, f fault) {
	k := kinds[f.kind]
	needs := slices.Sorted(slices.Values(k.resources(f.target)))
	for _, r := range needs {
		n.resource(r).Lock()
		defer n.resource(r).Unlock()
	}
	if ctx.Err() != nil {
		return
	}
	w := window{fault: f, from: time.Now(), outage: k.outage}
	w.lives = append(w.lives, n.livesOf(f.target)...)
	if strings.Contains(f.target, "/") {
		w.link = f.target
	}
	n.log.Info("begins", "fault", f.number, "kind", f.kind, "target", f.target, "lasts",
		f.lasts.Round(100*time.Millisecond).String())
	undo, err := k.inject(n, f)
	if err == nil {
		_ = wait.Pause(ctx, f.lasts)
		err = undo()
	}
	w.lives = append(w.lives, n.livesOf(f.target)...) // and who came after it meanwhile
	w.to = time.Now().Add(k.after)
	n.log.Info("ends", "fault", f.number, "kind", f.kind, "target", f.target, "after",
		time.Since(w.from).Round(100*time.Millisecond).String())
	n.mu.Lock()
	defer n.mu.Unlock()
	n.done = append(n.done, w)
	if err != nil {
		n.problems = append(n.problems, fmt.Errorf("%s: %w", f, err))
	}
}

func (n *nemesis) resource(name string) *sync.Mutex {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held[name] == nil {
		n.held[name] = &sync.Mutex{}
	}
	return n.held[name]
}

// livesOf returns the workers that run now and that a fault with this target hits.
func (n *nemesis) livesOf(target string) (lives []string) {
	name, _, _ := strings.Cut(target, "/")
	for _, p := range n.site.workers {
		if now, _ := p.current(); now != "" && (p.name == name || target == "workers") {
			lives = append(lives, now)
		}
	}
	return lives
}

// process returns the place in the fleet with that name.
func (n *nemesis) process(name string) *process {
	for _, p := range slices.Concat(n.site.workers, n.site.scalers) {
		if p.name == name {
			return p
		}
	}
	return nil
}

// hunt kills every worker that runs a poisonous job, as often as one does, until ctx ends. Where a job's attempt has
// its scratch folder tells who runs it.
func (n *nemesis) hunt(ctx context.Context, poison map[string]bool) {
	killed := map[string]bool{} // a killed worker leaves its folder
	for wait.Pause(ctx, 15*time.Millisecond) == nil {
		for _, p := range n.site.workers {
			folders, _ := filepath.Glob(filepath.Join(n.site.dir, "scratch", p.name, "siren-attempts-*", "*-*"))
			for _, f := range folders {
				id, _, _ := cutLast(filepath.Base(f), "-")
				if !poison[id] || killed[f] {
					continue
				}
				killed[f] = true
				life, _ := p.current()
				from := time.Now()
				if p.signal(sigkill) == "" {
					continue
				}
				n.log.Info("killed the worker of a poisonous job", "job", id, "worker", life)
				n.mu.Lock()
				n.hunted++
				n.done = append(n.done, window{
					fault: fault{kind: "poison", target: p.name}, from: from,
					to: from.Add(2 * time.Second), lives: []string{life},
				})
				n.mu.Unlock()
			}
		}
	}
}

// cutLast does what strings.Cut does, at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// err returns what the nemesis couldn't do: then the run proves nothing.
func (n *nemesis) err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return errors.Join(n.problems...)
}

func (n *nemesis) windows() []window {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.done)
}
