package redis_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
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
