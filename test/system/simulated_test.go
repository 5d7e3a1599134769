package system_test

import (
	"log/slog"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/test/real/replay"
)

// What a real fleet does with a burst, the simulator foresees: how long its jobs wait, and what the workers cost. It is
// told how long each job, each start of a worker and each change of jobs took, so that it doesn't matter how quick the
// machine is. `make real` measures it with a longer trace, and more closely.
func TestSimulatorForesees(t *testing.T) {
	s := newSite(t, `  - {name: general, lanes: [express, standard, bulk], shoulder: {express: 1}, min: 1, max: 4}`)
	s.allow(`  - {prefix: "s3://slow/", read: true}`)
	p, err := lanes.Load(s.policy)
	s.must(err)
	for i := range p.Lanes {
		p.Lanes[i].Match = nil
		if l := &p.Lanes[i]; l.Name != p.DefaultLane() {
			l.Match = []string{"lane=" + l.Name}
		}
	}
	var jobs load.Listed
	add := func(at time.Duration, lane, n int, service time.Duration) {
		for range n {
			jobs = append(jobs, load.Listed{{At: at, Lane: lane, Service: service}}...)
		}
	}
	const standard, express = 1, 0
	add(time.Second, standard, 1, 2*time.Second)
	add(2*time.Second, standard, 24, 4*time.Second)
	add(12*time.Second, express, 2, 2*time.Second)
	const lasts = 55 * time.Second
	real, m, err := replay.Real(t.Context(), replay.Ground{
		Siren: sirenPath, AMQPURL: s.amqpURL, Redis: s.redisFor, Dir: filepath.Join(s.dir, "out"),
		Log: slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}),
	}, p, jobs, lasts)
	s.must(err)
	all, err := replay.Simulate(t.Context(), p, m, lasts, 9)
	s.must(err)
	simulated := replay.Median(all)
	t.Logf("workers took %s to start, %s to leave; slots %s to begin the next job\nreal      %s\nsimulated %s",
		m.Cold.Median, m.Leave, m.Turn, real, simulated)
	close := func(what string, is, would, part, beyond float64) {
		if math.Abs(is-would) > max(part*is, beyond) {
			t.Errorf("%s: %.2f, simulated %.2f", what, is, would)
		}
	}
	for i, l := range real.Lanes[:2] {
		close(l.Lane+", p50", l.P50.Seconds(), simulated.Lanes[i].P50.Seconds(), 0.3, 3)
		close(l.Lane+", p95", l.P95.Seconds(), simulated.Lanes[i].P95.Seconds(), 0.3, 3)
	}
	close("worker-seconds", real.WorkerSeconds, simulated.WorkerSeconds, 0.25, 0)
}
