package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	examine "github.com/polyglot-media/siren/internal/doctor/media"
	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/ops"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker"
	"github.com/polyglot-media/siren/worker/media"
	"github.com/polyglot-media/siren/worker/storage"
)

// flushWithin is how long a worker that has stopped waits for Redis to be back, to tell it how the last jobs ended.
const flushWithin = 8 * time.Second

// Worker is the slots and the shoulder of a pool, in this process.
type Worker struct {
	Pool     string
	Name     string // unique among all processes; "": the host's, with the id of the process
	Version  string // of siren, for the heartbeats
	At       reach.Endpoints
	Listen   string         // address of metrics and probes
	Scratch  string         // folder for the files of running jobs; "": under the system's temporary folder
	Drain    time.Duration  // how long running jobs may go on after ctx has ended
	MarkPod  bool           // the pod of that name, in the cluster whose pod this is, is marked while it runs a job
	Notice   time.Duration  // with MarkPod, how long they may when nobody deleted the pod: its node ends; 0: Drain
	Threads  int            // that one job's media programs may use; 0: as many as they like
	NoNice   bool           // the OS priority of less urgent lanes isn't lowered
	Slots    int            // 0: the policy says all of this
	Shoulder map[string]int // beside slots
	Slot     lanes.SlotLimits
	Log      *slog.Logger
}

// Run runs jobs until ctx ends, and then those that have begun until they end, the time to drain is over, or a second
// signal comes.
func (w Worker) Run(ctx context.Context) error {
	if w.Name == "" {
		w.Name = processName()
	}
	log := w.Log
	var server *ops.Server
	defer func() { stopServer(server) }() // last: until it ends, it answers its probes
	pod, err := w.pod()
	if err != nil {
		return err
	}
	store, err := w.At.Store(log)
	if err != nil {
		return err
	}
	defer store.Close()
	consume, err := w.At.Broker(store.Now, "worker "+w.Name, log)
	if err != nil {
		return err
	}
	defer consume.Close()
	publish, err := w.At.Broker(store.Now, "worker "+w.Name+" (publish)", log)
	if err != nil {
		return err
	}
	defer publish.Close()

	registry := newRegistry()
	redislink.RegisterRefusals(registry, store)
	server, err = ops.Listen(w.Listen, ops.Handler(registry, alive, readyOnce(consume, store)), log)
	if err != nil {
		return err
	}
	log.Info("metrics and probes", "address", server.Addr)

	board := redis.NewBoard(store, slog.New(slog.DiscardHandler))
	policy, pool, err := awaitPolicy(ctx, board, w, log)
	if err != nil || policy == nil { // told to stop before it began
		return err
	}
	store.FollowClock(ctx)
	ledger := jobledger.New(store, log)
	ledger.SetPolicy(&policy.Policy)
	jobledger.RegisterMetrics(registry, ledger.Stats)
	handler, err := media.New(media.Options{
		Scratch: w.Scratch, Storage: storage.Options{S3: os.Getenv("SIREN_S3")}, Version: w.Version, Log: log,
	})
	if err != nil {
		return err
	}
	examine.LogConfined(ctx, "", log)
	taker := take.NewTaker(consume, confirms.NewPublisher(publish, 0), w.Pool)
	taker.Lowered = func(ctx context.Context, jobs []work.Delivery) {
		if err := ledger.Lower(ctx, jobs); err != nil {
			log.Debug("the records of jobs that were put back say a higher priority than they have", "jobs", len(jobs),
				"error", err)
		}
	}
	taker.Follow(policy)
	running := worker.New(worker.Options{
		Name: w.Name, Pool: w.Pool, Version: w.Version,
		Shared: sharedSlots(taker, pool), Shoulder: shoulderSlots(taker, pool),
		Handler: handler, Ledger: ledger, Roster: redis.NewRoster(store, log),
		Efforts: redis.NewEfforts(store), Host: host(), Cores: runtime.GOMAXPROCS(0),
		Policy: policy, Online: consume.Up, Behind: func() bool {
			return ledger.Stats().Buffered > 0
		}, Drain: w.Drain, Pod: pod, Notice: w.Notice, Slot: pool.Slot, Threads: w.Threads, NiceOff: w.NoNice,
		Follow: func(e *lanes.Effective) {
			taker.Follow(e)
			ledger.SetPolicy(&e.Policy)
		},
		Logs: ledger, Now: store.Now, Log: log, Metrics: worker.NewMetrics(registry),
	})
	work, stopWork := untilSecondSignal(ctx)
	defer stopWork()
	err = running.Run(ctx, work)
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer cancel()
	if n := ledger.Flush(flush); n > 0 {
		log.Warn("Redis is away: the ends of some jobs couldn't be recorded; the leading scaler has those looked at "+
			"that say running", "jobs", n)
	}
	return err
}

// pod returns this worker's own; nil when it isn't to be marked.
func (w Worker) pod() (worker.Pod, error) {
	if !w.MarkPod {
		return nil, nil
	}
	client, namespace, err := kube.Connect("", "worker")
	if err != nil {
		return nil, operate.Invalid.With(err)
	}
	return kube.NewPod(client, namespace, w.Name), nil
}

// awaitPolicy waits for the scaler to publish a policy, and returns it with the pool as this worker is to run it. There
// is none when ctx ends first. A pool that the policy doesn't have is an error, but waited for by a worker that was
// told its slots: then whoever started it has told the scaler too.
func awaitPolicy(
	ctx context.Context, board *redis.Board, w Worker, log *slog.Logger,
) (*lanes.Effective, lanes.Pool, error) {
	said := ""
	for {
		e, err := board.Policy(ctx)
		if err == nil {
			q, ok := e.Policy.Pool(w.Pool)
			if ok {
				return &e, w.pooled(q), nil
			}
			err = fmt.Errorf("the policy in force (revision %d) has no pool %q; it has %s", e.Revision, w.Pool,
				strings.Join(e.Policy.PoolNames(), ", "))
			if w.Slots == 0 {
				return nil, q, operate.NotFound.With(err)
			}
		}
		if said != plain.Trouble(err) {
			if errors.Is(err, lanes.ErrRefused) {
				log.Error("waiting for the policy: Redis refuses this login; siren redis-acl prints what a worker's "+
					"may do", "reason", err)
			} else {
				log.Info("waiting for the policy: has a scaler published one?", "reason", err)
			}
			said = plain.Trouble(err)
		}
		select {
		case <-ctx.Done():
			return nil, lanes.Pool{}, nil
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// pooled returns the policy's pool with the slots that this worker was told.
func (w Worker) pooled(q lanes.Pool) lanes.Pool {
	if w.Slots == 0 {
		return q
	}
	q.Slots, q.Shoulder = w.Slots, w.Shoulder
	if w.Slot.Memory > 0 {
		q.Slot.Memory = w.Slot.Memory
	}
	if w.Slot.Scratch > 0 {
		q.Slot.Scratch = w.Slot.Scratch
	}
	return q
}

func sharedSlots(t *take.Taker, q lanes.Pool) []worker.Source {
	slots := make([]worker.Source, q.Slots)
	for i := range slots {
		slots[i] = t.Shared()
	}
	return slots
}

func shoulderSlots(t *take.Taker, q lanes.Pool) []worker.Source {
	lane, n := q.Shoulders()
	slots := make([]worker.Source, n)
	for i := range slots {
		slots[i] = t.Shoulder(lane)
	}
	return slots
}

// host names the machine, or the pod; "" when it doesn't say.
func host() string {
	name, _ := os.Hostname()
	return name
}
