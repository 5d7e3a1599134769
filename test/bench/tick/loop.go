package tick

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/polyglot-media/siren/cmd/siren/serve/upkeep"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler"
)

const (
	warmUp   = 10 // ticks until all that is remembered is there
	measures = 30 // ticks that are measured
)

// counted is a roster whose every read is a tick's beginning, and a history whose every note is its end.
type counted struct {
	*redis.Roster
	history *redis.History
	ticks   int
	began   time.Time
	took    []time.Duration
	from    time.Duration // CPU time at the first tick that is measured
	done    context.CancelFunc
}

// Workers implements scaler.Roster.
func (c *counted) Workers(ctx context.Context) ([]fleet.Heartbeat, time.Time, error) {
	if c.ticks == warmUp {
		c.from = cpuTime()
	}
	c.began = time.Now()
	return c.Roster.Workers(ctx)
}

// note counts the tick.
func (c *counted) note(ctx context.Context, s fleet.Snapshot) error {
	err := c.history.Note(ctx, s)
	if c.ticks++; c.ticks > warmUp {
		c.took = append(c.took, time.Since(c.began))
	}
	if c.ticks == warmUp+measures {
		c.done()
	}
	return err
}

// loop runs the scaler's loop as a scaler process does, until enough ticks are measured.
func loop(ctx context.Context, amqpURL, redisURL string) (m measured, err error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	p, err := policy()
	if err != nil {
		return m, err
	}
	store, err := redislink.Open(redisURL, log)
	if err != nil {
		return m, err
	}
	defer store.Close()
	conn, err := rabbitlink.Open(rabbitlink.Options{URL: amqpURL, Name: "bench backlog", Log: log, Now: store.Now})
	if err != nil {
		return m, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	store.FollowClock(ctx)
	board, ledger, tunings := redis.NewBoard(store, log), jobledger.New(store, log), redis.NewTunings(store, log)
	ledger.SetPolicy(p)
	counts := &counted{Roster: redis.NewRoster(store, log), history: redis.NewHistory(store), done: cancel}
	err = scaler.New(scaler.Options{
		Name: "bench", Policy: p, Backlog: rabbit.NewBacklog(conn), Roster: counts, Board: board, Fleet: newStill(),
		Retries: ledger.Retrying, Waiting: ledger.Waiting, Compare: ledger.Compare, Last: board.Snapshot,
		Tunings: (&upkeep.TuningKeeper{Store: tunings, Log: log}).Now, Nudge: tunings.Changed(ctx),
		Sight: board.PutSight, History: counts.note, Version: "bench",
		Known: (&upkeep.QueueMemory{Board: board}).Known, Log: log,
		Metrics: scaler.NewMetrics(prometheus.NewRegistry()),
	}).Run(ctx)
	if err != nil {
		return m, err
	}
	if counts.ticks < warmUp+measures {
		return m, fmt.Errorf("only %d ticks came to their end", counts.ticks)
	}
	spent := cpuTime() - counts.from
	slices.Sort(counts.took)
	m.CPU = float64(spent.Microseconds()) / 1000 / measures
	m.Took = float64(counts.took[len(counts.took)/2].Microseconds()) / 1000
	m.Memory, err = peak()
	return m, err
}

// cpuTime returns the CPU time of this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it can't fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak returns how many MiB of this process were resident at most.
func peak() (float64, error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			var kib float64
			_, err := fmt.Sscanf(rest, "%g kB", &kib)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no VmHWM")
}
