package worker

import "github.com/prometheus/client_golang/prometheus"

// Metrics is what a worker tells Prometheus.
type Metrics struct {
	started, settled         *prometheus.CounterVec
	wait, ran                *prometheus.HistogramVec
	oddTimes                 *prometheus.CounterVec
	unclaimed, unknownFields prometheus.Counter
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
	}
	if r != nil {
		r.MustRegister(m.started, m.settled, m.wait, m.ran, m.oddTimes, m.unclaimed, m.unknownFields)
	}
	return m
}
