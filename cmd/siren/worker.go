package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/ops"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/worker"
	"github.com/polyglot-media/siren/worker/media"
)

// mostThreads is how many threads a media program gets by default on a machine with more cores: x264 gains little from more, and each takes
// some of the slot's memory.
const mostThreads = 8

// flushWithin is how long a worker that has stopped waits for Redis to be back, to tell it how the last jobs ended.
const flushWithin = 8 * time.Second

// workerFlags is what `siren worker` may be told.
type workerFlags struct {
	pool     string
	name     string
	listen   string
	scratch  string
	drain    time.Duration
	threads  int
	noNice   bool
	slots    int            // 0: the policy says all of this
	shoulder map[string]int // beside slots
	slot     lanes.SlotLimits
}

func newWorker(a *app) *cobra.Command {
	var f workerFlags
	c := &cobra.Command{
		Use:   "worker --pool POOL",
		Short: "Run jobs with the slots and the shoulder of a pool",
		Long: `Run jobs with the slots and the shoulder of a pool, until SIGTERM. Then running jobs
may finish within --drain-timeout; what doesn't is returned to its lane. A second
SIGTERM returns everything at once.

Slots, shoulder and their limits are the pool's of the policy in force, and stay so
until the worker ends. --slots and what goes with it say them instead, where memory is
set aside by the same hand that writes the policy, as in a Deployment.`,
		Example: `  SIREN_AMQP_URL=amqp://… SIREN_REDIS_URL=redis://… siren worker --pool general
  siren worker --pool general --slots 1 --shoulder express=1 --slot-memory 1Gi --slot-scratch 2Gi`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runWorker(cmd.Context(), f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.pool, "pool", "", "pool of the policy whose slots this worker has (required)")
	fs.StringVar(&f.name, "name", "", "unique name of this worker (default the host name and the process id)")
	fs.StringVar(&f.listen, "listen", "127.0.0.1:0", "address of /metrics, /livez and /readyz; port 0 is any free one")
	fs.StringVar(&f.scratch, "scratch", "", "folder for the files of running jobs (default under the system's temporary folder)")
	fs.DurationVar(&f.drain, "drain-timeout", 30*time.Second, "how long running jobs may go on after SIGTERM")
	fs.IntVar(&f.threads, "threads", min(runtime.NumCPU(), mostThreads), "threads that one job's media programs may use; each takes memory (0: as many as they like)")
	fs.IntVar(&f.slots, "slots", 0, "shared slots, instead of those that the policy gives the pool")
	fs.StringToIntVar(&f.shoulder, "shoulder", nil, "extra slots for one lane, beside --slots: `LANE=N`")
	fs.TextVar(&f.slot.Memory, "slot-memory", lanes.Bytes(0), "address space of each process of a job, beside --slots: 2Gi (0: the policy's)")
	fs.TextVar(&f.slot.Scratch, "slot-scratch", lanes.Bytes(0), "size of each file of a job, beside --slots: 4Gi (0: the policy's)")
	fs.BoolVar(&f.noNice, "no-nice", false, "do not lower the OS priority of less urgent lanes (for benchmarks)")
	fs.Lookup("threads").DefValue = fmt.Sprintf("one a core, %d at most", mostThreads) // the same on every machine
	completeFlag(c, "pool", a.completePools)
	completeFlag(c, "scratch", folders)
	_ = fs.MarkHidden("no-nice")
	_ = c.MarkFlagRequired("pool")
	return c
}

func (a *app) runWorker(ctx context.Context, f workerFlags) error {
	log, err := a.logger(slog.LevelInfo)
	if err != nil {
		return err
	}
	if f.name == "" {
		f.name = processName()
	}
	if err := f.check(); err != nil {
		return exit.With(exit.Usage, err)
	}
	store, err := a.redisStore(log)
	if err != nil {
		return err
	}
	defer store.Close()
	consume, err := a.brokerBy(store.Now, "worker "+f.name, log)
	if err != nil {
		return err
	}
	defer consume.Close()
	publish, err := a.brokerBy(store.Now, "worker "+f.name+" (publish)", log)
	if err != nil {
		return err
	}
	defer publish.Close()

	registry := newRegistry()
	server, err := ops.Listen(f.listen, ops.Handler(registry, alive, readyOnce(consume)), log)
	if err != nil {
		return err
	}
	defer stopServer(server)
	log.Info("metrics and probes", "address", server.Addr)

	board := redis.NewBoard(store, slog.New(slog.DiscardHandler))
	policy, pool, err := awaitPolicy(ctx, board, f, log)
	if err != nil || policy == nil { // told to stop before it began
		return err
	}
	store.FollowClock(ctx)
	ledger := redis.NewLedger(store, log)
	ledger.SetPolicy(&policy.Policy)
	handler, err := media.New(media.Options{Scratch: f.scratch, S3: os.Getenv("SIREN_S3"), Log: log})
	if err != nil {
		return err
	}
	taker := rabbit.NewTaker(consume, rabbit.NewPublisher(publish, 0), f.pool)
	taker.Follow(policy)
	w := worker.New(worker.Options{
		Name: f.name, Pool: f.pool, Version: buildVersion(),
		Shared: sharedSlots(taker, pool), Shoulder: shoulderSlots(taker, pool),
		Handler: handler, Ledger: ledger, Roster: redis.NewRoster(store, log),
		Policy: policy, Online: consume.Up, Behind: func() bool { return ledger.Stats().Buffered > 0 }, Drain: f.drain, Slot: pool.Slot, Threads: f.threads, NiceOff: f.noNice,
		Follow: func(e *lanes.Effective) {
			taker.Follow(e)
			ledger.SetPolicy(&e.Policy)
		},
		Logs: ledger, Now: store.Now, Log: log, Metrics: worker.NewMetrics(registry),
	})
	work, stopWork := untilSecondSignal(ctx)
	defer stopWork()
	err = w.Run(ctx, work)
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer cancel()
	if n := ledger.Flush(flush); n > 0 {
		log.Warn("Redis is away: the ends of some jobs couldn't be recorded; `siren jobs retry` has those looked at that say running for ever", "jobs", n)
	}
	return err
}

// check refuses what can't be.
func (f workerFlags) check() error {
	for lane, n := range f.shoulder {
		if n < 1 || len(f.shoulder) > 1 {
			return fmt.Errorf("--shoulder %s=%d: a worker has one shoulder, with at least one slot, as in express=1", lane, n)
		}
	}
	switch {
	case f.slots < 0:
		return fmt.Errorf("--slots %d: give at least 1", f.slots)
	case f.slots == 0 && (len(f.shoulder) > 0 || f.slot != lanes.SlotLimits{}):
		return errors.New("--shoulder, --slot-memory and --slot-scratch go with --slots: without it the policy says all of them")
	}
	return nil
}

// awaitPolicy waits for the scaler to publish a policy, and returns it with the pool as this worker is to run it. There is none
// when ctx ends first. A pool that the policy doesn't have is an error, but waited for by a worker that was told its slots: then
// whoever started it has told the scaler too.
func awaitPolicy(ctx context.Context, board *redis.Board, f workerFlags, log *slog.Logger) (*lanes.Effective, lanes.Pool, error) {
	said := ""
	for {
		e, err := board.Policy(ctx)
		if err == nil {
			q, ok := e.Policy.Pool(f.pool)
			if ok {
				return &e, f.pooled(q), nil
			}
			err = fmt.Errorf("the policy in force (revision %d) has no pool %q; it has %s", e.Revision, f.pool, strings.Join(e.Policy.PoolNames(), ", "))
			if f.slots == 0 {
				return nil, q, exit.With(exit.NotFound, err)
			}
		}
		if said != err.Error() {
			log.Info("waiting for the policy: has a scaler published one?", "reason", err)
			said = err.Error()
		}
		select {
		case <-ctx.Done():
			return nil, lanes.Pool{}, nil
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// pooled is the policy's pool with the slots that this worker was told.
func (f workerFlags) pooled(q lanes.Pool) lanes.Pool {
	if f.slots == 0 {
		return q
	}
	q.Slots, q.Shoulder = f.slots, f.shoulder
	if f.slot.Memory > 0 {
		q.Slot.Memory = f.slot.Memory
	}
	if f.slot.Scratch > 0 {
		q.Slot.Scratch = f.slot.Scratch
	}
	return q
}

func sharedSlots(t *rabbit.Taker, q lanes.Pool) []worker.Source {
	slots := make([]worker.Source, q.Slots)
	for i := range slots {
		slots[i] = t.Shared()
	}
	return slots
}

func shoulderSlots(t *rabbit.Taker, q lanes.Pool) []worker.Source {
	lane, n := q.Shoulders()
	slots := make([]worker.Source, n)
	for i := range slots {
		slots[i] = t.Shoulder(lane)
	}
	return slots
}

// untilSecondSignal is a context that ends at the second SIGTERM or interrupt: the first one ended ctx.
func untilSecondSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer signal.Stop(signals)
		for range 2 {
			select {
			case <-signals:
			case <-work.Done():
				return
			}
		}
		stop()
	}()
	return work, stop
}

// newRegistry has the metrics of the Go runtime and the process; the rest is added by who makes it.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func alive() error { return nil }

// readyOnce is ready from the first session with the broker on, for good: pods that aren't ready are deleted first.
func readyOnce(c *rabbit.Conn) ops.Probe {
	was := false
	return func() error {
		if was = was || c.Up(); !was {
			return errors.New("no session with RabbitMQ yet")
		}
		return nil
	}
}

func stopServer(s *ops.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = s.Stop(ctx)
}
