package worker

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/polyglot-media/siren/lanes/work"
)

// Metrics is what a worker tells Prometheus.
type Metrics struct {
	started, settled         *prometheus.CounterVec
	wait, ran, predicted     *prometheus.HistogramVec
	oddTimes                 *prometheus.CounterVec
	unclaimed, unknownFields prometheus.Counter
	marks                    *prometheus.CounterVec
}

// NewMetrics registers a worker's metrics; with a nil Registerer they go nowhere.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		started: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "siren", Name: "worker_jobs_started_total", Help: "Starts of jobs, retries too.",
		}, []string{"lane"}),
		settled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "siren", Name: "worker_jobs_settled_total",
			Help: "Deliveries settled, by what became of them: ack, retry, deadLetter or return.",
		}, []string{"lane", "action"}),
		wait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "siren", Name: "job_wait_seconds", Help: "Time from ready to started, first starts only.",
			Buckets: []float64{.001, .005, .02, .05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 1800, 3600},
		}, []string{"lane"}),
		ran: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "siren", Name: "job_run_seconds", Help: "How long attempts ran.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 1800},
		}, []string{"lane"}),
		predicted: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "siren", Name: "job_prediction_ratio",
			Help:    "Predicted run time of completed jobs, divided by how long they ran: 1 is right.",
			Buckets: []float64{.1, .25, .5, .67, .8, .9, 1, 1.1, 1.25, 1.5, 2, 4, 10},
		}, []string{"lane"}),
		oddTimes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "siren", Name: "worker_odd_times_total",
			Help: "Messages with a time in their headers that can't be meant, such as seconds instead of " +
				"milliseconds; it counts as absent.",
		}, []string{"lane"}),
		unclaimed: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "siren", Name: "worker_jobs_unclaimed_total",
			Help: "Jobs run without a claim because the ledger was away.",
		}),
		unknownFields: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "siren", Name: "worker_unknown_job_fields_total",
			Help: "Top-level fields of jobs that this version doesn't know and ignored.",
		}),
		marks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "siren", Name: "worker_mark_writes_total",
			Help: "Writes to the worker's own pod that say whether it runs a job, by how they ended: ok or failed.",
		}, []string{"result"}),
	}
	if r != nil {
		r.MustRegister(m.started, m.settled, m.wait, m.ran, m.predicted, m.oddTimes, m.unclaimed, m.unknownFields,
			m.marks)
	}
	return m
}

// marked notes a write of the pod's mark.
func (m *Metrics) marked(err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.marks.WithLabelValues(result).Inc()
}

// started notes the start of an attempt, for heartbeat and metrics. The wait is that of a first start, when somebody
// said when the job was ready.
func (w *Worker) started(d work.Delivery, c work.Claim) {
	first := c.First && !d.ReadyAt.IsZero()
	w.tally.Start(d, first)
	w.o.Metrics.started.WithLabelValues(d.Lane).Inc()
	if first {
		w.o.Metrics.wait.WithLabelValues(d.Lane).Observe(d.Wait(w.o.Now()).Seconds())
	}
}

// compare measures how good the prediction of a completed run was, and learns from it. What can't be learnt is no
// reason to do anything else about the job.
func (w *Worker) compare(ctx context.Context, d work.Delivery, seen *watched, took time.Duration) {
	if predicted := seen.get().Predicted.D(); predicted > 0 {
		w.o.Metrics.predicted.WithLabelValues(d.Lane).Observe(predicted.Seconds() / max(took.Seconds(), 0.001))
	}
	if err := w.foresight.learn(context.WithoutCancel(ctx), d.Lane, seen.sample(took)); err != nil {
		w.o.Log.Debug("learn how much a job computes", "job", d.Job.ID, "error", err)
	}
}

// noteOdd notes a message with times that can't be meant.
func (w *Worker) noteOdd(d work.Delivery) {
	if len(d.Odd) == 0 {
		return
	}
	w.tally.Odd(d.Lane)
	w.o.Metrics.oddTimes.WithLabelValues(d.Lane).Inc()
	w.o.Log.Debug("a time that can't be meant counts as absent: milliseconds since 1970 are expected", "job", d.Job.ID,
		"lane", d.Lane, "headers", d.Odd)
}

// ended notes the end of an attempt. One that the worker stopped neither finished nor failed.
func (w *Worker) ended(d work.Delivery, disp work.Disposition, err error, took time.Duration) {
	w.o.Metrics.ran.WithLabelValues(d.Lane).Observe(took.Seconds())
	switch {
	case err == nil:
		w.tally.Finish(d.Lane, took)
	case disp.Counted, disp.Action == work.DeadLetter:
		w.tally.Fail(d.Lane)
	}
}
