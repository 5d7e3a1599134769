package serve

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/procs/localfleet"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// drainingEvery is how often it is looked whether what the end waits for has changed.
const drainingEvery = 500 * time.Millisecond

// Draining is what the end of a local fleet waits for.
type Draining struct {
	Busy    []fleet.Heartbeat // the workers that still run jobs
	Until   time.Time         // when what still runs goes back to its lane
	Hurried bool              // a second signal has come: nothing is waited for any more
}

// tellDraining tells what the end of the workers waits for, in the background, until the returned function is called.
// hurry ends at the second signal.
func (f Local) tellDraining(hurry context.Context, roster *redis.Roster, workers *localfleet.Fleet) (end func()) {
	own := map[string]bool{} // others may use the same Redis
	pools, _ := workers.Pools(hurry)
	for _, p := range pools {
		for _, m := range p.Members {
			own[m.Name] = true
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(hurry))
	until := time.Now().Add(f.Drain)
	var telling sync.WaitGroup
	telling.Go(func() {
		ticker := time.NewTicker(drainingEvery)
		defer ticker.Stop()
		for told := ""; ; {
			if busy, err := busyOf(ctx, roster, own); err == nil {
				if now := fmt.Sprint(jobsOf(busy)); now != told {
					told = now
					f.Draining(Draining{Busy: busy, Until: until})
				}
			}
			select {
			case <-ticker.C:
			case <-hurry.Done():
				f.Draining(Draining{Until: until, Hurried: true})
				return
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); telling.Wait() }
}

// busyOf returns those of the workers that run jobs.
func busyOf(ctx context.Context, roster *redis.Roster, workers map[string]bool) (busy []fleet.Heartbeat, err error) {
	all, _, err := roster.Workers(ctx)
	for _, hb := range all {
		if workers[hb.Worker] && len(hb.Running) > 0 {
			busy = append(busy, hb)
		}
	}
	return busy, err
}

func jobsOf(workers []fleet.Heartbeat) (ids []string) {
	for _, hb := range workers {
		for _, r := range hb.Running {
			ids = append(ids, r.Job)
		}
	}
	return ids
}
