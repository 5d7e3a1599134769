package redis_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// BenchmarkWorkers reads the roster of 10,000 workers, as the leading scaler does at every tick: while nothing changes
// but the times of the heartbeats, and while two fifths of the workers have begun or ended a job since the last look.
func BenchmarkWorkers(b *testing.B) {
	const workers = 10_000
	raw := redistest.Raw(b, redistest.Shared.URL)
	roster := redis.NewRoster(redistest.Open(b, redistest.Shared.URL), redistest.Discard)
	beat := func(began int64, from, to int) {
		p := raw.Pipeline()
		for i := from; i < to; i++ {
			hb := fleet.Heartbeat{
				Worker: fmt.Sprintf("w-%d", i), Pool: "general", Slots: 2, Subscribed: true,
				Lanes: map[string]fleet.LaneWork{},
			}
			for lane := range 5 {
				hb.Lanes[fmt.Sprintf("lane-%d", lane)] = fleet.LaneWork{
					Started: began, First: began,
					Waits: slices.Repeat([]int64{1234}, fleet.RecentWaits),
				}
			}
			hb.Running = []fleet.Run{{Job: fmt.Sprintf("job-%d", began), Lane: "lane-0", Since: time.Now()}}
			body, err := json.Marshal(hb)
			if err != nil {
				b.Fatal(err)
			}
			p.HSet(b.Context(), "siren:workers", hb.Worker, fmt.Sprintf("%d %s", time.Now().UnixMilli(), body))
		}
		if _, err := p.Exec(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	read := func() {
		all, _, err := roster.Workers(b.Context())
		if err != nil || len(all) != workers {
			b.Fatalf("%d workers, %v", len(all), err)
		}
	}
	if err := raw.FlushDB(b.Context()).Err(); err != nil {
		b.Fatal(err)
	}
	beat(1, 0, workers)
	read()
	b.Run("quiet", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read()
		}
	})
	b.Run("busy", func(b *testing.B) {
		b.ReportAllocs()
		for began := int64(2); b.Loop(); began++ {
			b.StopTimer()
			from := int(began) % 5 * workers / 5
			beat(began, from, from+workers/5)
			from = (from + workers/5) % workers
			beat(began, from, from+workers/5)
			b.StartTimer()
			read()
		}
	})
}

// BenchmarkHistory writes a point of 1,000 lanes and 100 pools, and reads six hours of them. bytes is what both rings
// take of Redis' memory when they are full.
func BenchmarkHistory(b *testing.B) {
	raw := redistest.Raw(b, redistest.Shared.URL)
	h := redis.NewHistory(redistest.Open(b, redistest.Shared.URL))
	if err := raw.FlushDB(b.Context()).Err(); err != nil {
		b.Fatal(err)
	}
	at := noon
	note := func() {
		at = at.Add(10 * time.Second)
		if err := h.Note(b.Context(), busySnapshot(at)); err != nil {
			b.Fatal(err)
		}
	}
	for range 6*360 + 6 {
		note()
	}
	var size int64
	for _, step := range []string{"10s", "1m"} {
		size += raw.MemoryUsage(b.Context(), "siren:history:"+step, 0).Val()
	}
	b.Run("note", func(b *testing.B) {
		for b.Loop() {
			note()
		}
		b.ReportMetric(float64(size), "bytes")
	})
	for name, of := range map[string]redis.Of{"since": {}, "since of one lane": {Lane: "customer-7"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				points, _, err := h.Since(b.Context(), of, at.Add(-redis.HistoryKeep), at)
				if err != nil || len(points) < 359 {
					b.Fatalf("%d points, %v", len(points), err)
				}
			}
		})
	}
}

// busySnapshot returns one in which every lane has jobs, and no two the same.
func busySnapshot(at time.Time) fleet.Snapshot {
	s := fleet.Snapshot{At: at, Budget: 10_000}
	any := rand.New(rand.NewPCG(uint64(at.Unix()), 0))
	for i := range 1000 {
		started := any.IntN(1000)
		s.Lanes = append(s.Lanes, fleet.LaneStatus{
			Name: fmt.Sprintf("customer-%d", i), Ready: any.IntN(5000), Busy: any.IntN(100),
			OldestWait: lanes.Duration(time.Duration(any.IntN(600_000)) * time.Millisecond),
			P95Wait:    lanes.Duration(time.Duration(any.IntN(600_000)) * time.Millisecond),
			Started:    started, InTime: any.IntN(started + 1),
		})
	}
	for i := range 100 {
		n := any.IntN(100)
		s.Pools = append(s.Pools, fleet.PoolStatus{
			Name: fmt.Sprintf("pool-%d", i), Replicas: n, Ready: n, Busy: any.IntN(n + 1), Wanted: n, Target: n,
		})
	}
	return s
}
