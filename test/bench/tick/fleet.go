package tick

import (
	"context"
	"fmt"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// The large fleet: each pool is home to five lanes, and has fifty workers of two slots.
const (
	pools, lanesEach, workersEach = 200, 5, 50
	workers                       = pools * workersEach
)

// began is when all of its workers did.
var began = time.Unix(1_800_000_000, 0)

func laneName(pool, i int) string   { return fmt.Sprintf("customer-%d-%d", pool, i) }
func workerName(pool, i int) string { return fmt.Sprintf("pool-%d-%05d", pool, i) }

// policy is that of the large fleet.
func policy() (*lanes.Policy, error) {
	p := &lanes.Policy{
		Budget:  workers,
		Storage: []lanes.Storage{{Prefix: "file:///media/", Read: true, Write: true}},
	}
	for pool := range pools {
		q := lanes.Pool{Name: fmt.Sprintf("pool-%d", pool), Slots: 2, Min: workersEach, Max: 2 * workersEach}
		for i := range lanesEach {
			l := lanes.Lane{Name: laneName(pool, i), StartWithin: lanes.Duration(time.Duration(i+1) * time.Minute)}
			if pool+i > 0 { // the first one is the default lane
				l.Match = []string{"lane=" + l.Name}
			}
			p.Lanes, q.Lanes = append(p.Lanes, l), append(q.Lanes, l.Name)
		}
		q.Shoulder = map[string]int{q.Lanes[0]: 1}
		p.Pools = append(p.Pools, q)
	}
	p.Default()
	return p, p.Validate()
}

// beats keeps the workers' heartbeats in Redis as beat.lua does, each once a second, until ctx ends. Two fifths of them
// begin a job each second: their jobs take five seconds, in two slots. It is a tenth of a second's work at a time, so
// that no burst of it stands in the way of what is measured.
func beats(ctx context.Context, c *goredis.Client) error {
	ticker := time.NewTicker(time.Second / 10)
	defer ticker.Stop()
	started := make([]int64, workers)
	for turn := 0; ; turn++ {
		pipe := c.Pipeline()
		for n := turn % 10; n < workers; n += 10 {
			if n/10%5 < 2 == (turn/10%2 == 0) || n/10%5 == 4 && turn/10%5 == 0 {
				started[n]++
			}
			hb := heartbeat(n, started[n])
			text := fmt.Sprintf("%d %s", time.Now().UnixMilli(), keyspace.Encode(hb))
			pipe.HSet(ctx, keyspace.Workers, hb.Worker, text)
		}
		if _, err := pipe.Exec(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// heartbeat is what a worker says once it has started so many jobs of each of its lanes.
func heartbeat(n int, started int64) fleet.Heartbeat {
	pool, i := n/workersEach, n%workersEach
	hb := fleet.Heartbeat{
		Worker: workerName(pool, i), Pool: fmt.Sprintf("pool-%d", pool), Began: began, Version: "bench", Slots: 2,
		Shoulder: 1, Subscribed: true, Host: fmt.Sprintf("host-%d", n/8), Cores: 8,
		Lanes: make(map[string]fleet.LaneWork, lanesEach),
	}
	at := began.Add(time.Duration(started) * time.Second)
	for k := range int64(lanesEach) {
		done := (started + k) / lanesEach
		hb.Lanes[laneName(pool, int(k))] = fleet.LaneWork{
			Started: done + 1, Finished: done, Service: lanes.Duration(done * int64(5*time.Second)), LastReady: at,
			First: done + 1, Waits: slices.Repeat([]int64{900 + done%100}, fleet.RecentWaits),
		}
	}
	for slot := range int64(2) {
		hb.Running = append(hb.Running, fleet.Run{
			Job: fmt.Sprintf("01HV%022d", started+slot), Lane: laneName(pool, int(started+slot)%lanesEach), Since: at,
		})
	}
	return hb
}

// still is the fleet as the scaler sees it: all workers are there, and what is asked for changes nothing.
type still map[string]fleet.PoolState

func newStill() still {
	s := still{}
	for pool := range pools {
		state := fleet.PoolState{Replicas: workersEach, Version: "1"}
		for i := range workersEach {
			state.Members = append(state.Members, fleet.Member{Name: workerName(pool, i), CreatedAt: began})
		}
		s[fmt.Sprintf("pool-%d", pool)] = state
	}
	return s
}

// Pools implements scaler.Fleet.
func (s still) Pools(context.Context) (map[string]fleet.PoolState, error) { return s, nil }

// Scale implements scaler.Fleet.
func (still) Scale(context.Context, string, fleet.PoolState, int, []string) error { return nil }
