package upkeep

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

const (
	rescueEvery = 5 * time.Second
	// lapsedFor is how long a lease has to be over: the broker brings the message of a worker that crashed sooner.
	lapsedFor = 30 * time.Second
	// heardFor is how old a heartbeat may be to be believed about what its worker runs.
	heardFor = 30 * time.Second
)

// Rescuer sees to jobs that say running though their worker vanished and no message brings them: their end was lost
// with a Redis. It puts one more message of each into its lane. The worker that takes it finds the output in storage,
// or runs the job again.
type Rescuer struct {
	Ledger  *jobledger.Ledger
	Roster  *redis.Roster
	Publish *confirms.Publisher
	Leading func(ctx context.Context) (bool, error)
	InForce func() *lanes.Policy
	Log     *slog.Logger
	Rescued prometheus.Counter
}

// NewRescued registers the counter of rescued jobs.
func NewRescued(r prometheus.Registerer) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "siren", Name: "jobs_rescued_total",
		Help: "Jobs that said running though their worker had vanished, and were put into their lanes again.",
	})
	r.MustRegister(c)
	return c
}

// Keep rescues jobs while this scaler leads, until ctx ends.
func (r *Rescuer) Keep(ctx context.Context) error {
	ticker := time.NewTicker(rescueEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if leads, err := r.Leading(ctx); err != nil || !leads || r.InForce() == nil {
			continue
		}
		if err := r.Rescue(ctx, lapsedFor); err != nil {
			r.Log.Debug("rescue jobs whose workers vanished", "error", err)
		}
	}
}

// Rescue rescues the jobs whose lease has been over for so long and which no worker runs, as far as heartbeats say.
func (r *Rescuer) Rescue(ctx context.Context, after time.Duration) error {
	workers, now, err := r.Roster.Workers(ctx)
	if err != nil {
		return err
	}
	lapsed, err := r.Ledger.Lapsed(ctx, now.Add(-after))
	if err != nil || len(lapsed) == 0 {
		return err
	}
	runs := map[string]bool{}
	for _, w := range workers {
		for _, run := range w.Running {
			runs[run.Job] = runs[run.Job] || now.Sub(w.At) < heardFor
		}
	}
	var jobs []job.Record
	var messages []wire.Entry
	for _, j := range lapsed {
		if runs[j.ID] { // without a claim: Redis was away when it began
			continue
		}
		message, err := r.message(j)
		if err != nil {
			r.Log.Debug("a job can't be rescued: its record is no job", "job", j.ID, "error", err)
			continue
		}
		jobs, messages = append(jobs, j), append(messages, message)
	}
	return r.put(ctx, jobs, messages)
}

// message returns one more message of a job. It has the number of the one that carries the job, which may still come
// up: then that one keeps its place in the lane.
func (r *Rescuer) message(j job.Record) (wire.Entry, error) {
	d, err := operate.FromRecord(j)
	if err != nil {
		return wire.Entry{}, err
	}
	policy := r.InForce()
	m := operate.CopyOf(d, operate.LaneFor(*policy, "", j.Lane), policy).Entry
	m.Copy = j.Copy
	return m, nil
}

// put puts the messages into their lanes, and then notes that.
func (r *Rescuer) put(ctx context.Context, jobs []job.Record, messages []wire.Entry) error {
	ctx, end := operate.Finishing(ctx)
	defer end()
	var sent []job.Record
	for i, err := range rabbit.Enqueue(ctx, r.Publish, messages) {
		if err != nil {
			r.Log.Debug("put the job of a worker that vanished into its lane", "job", jobs[i].ID, "error", err)
			continue
		}
		sent = append(sent, jobs[i])
	}
	rescued, err := r.Ledger.Rescue(ctx, sent)
	for i, done := range rescued {
		if done {
			r.Rescued.Inc()
			r.Log.Warn("a job said running though its worker vanished; it is in its lane again", "job", sent[i].ID,
				"worker", sent[i].Worker, "lease", sent[i].LeaseUntil)
		}
	}
	return err
}
