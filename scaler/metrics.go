package scaler

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Metrics is what the scaler tells Prometheus.
type Metrics struct {
	ready, skipped, retrying, busy, oldest, p95, attained, objective, stale, paused *prometheus.GaugeVec // by lane
	replicas, target, most, working, parked, stuck, cold, frozen                    *prometheus.GaugeVec // by pool
	plans, missing                                                                  *prometheus.CounterVec
	failed                                                                          prometheus.Counter
	leads, refused, tunings, idle, budget                                           prometheus.Gauge
	ticks                                                                           prometheus.Histogram
	shownLanes, shownPools                                                          map[string]bool
}

// NewMetrics registers the scaler's metrics; with a nil Registerer they go nowhere.
func NewMetrics(r prometheus.Registerer) *Metrics {
	gauge := func(by, name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "siren", Name: name, Help: help}, []string{by})
	}
	m := &Metrics{
		ready: gauge("lane", "lane_ready_jobs", "Jobs that wait in the lane's queue (the backlog)."),
		skipped: gauge("lane", "lane_skipped_messages",
			"Messages in the lane's queue that will be skipped: their jobs are cancelled, or carried by another "+
				"message."),
		retrying: gauge("lane", "lane_retrying_jobs", "Jobs that wait for their next attempt."),
		busy:     gauge("lane", "lane_running_jobs", "Jobs of the lane that run, on shoulders too."),
		oldest:   gauge("lane", "lane_oldest_wait_seconds", "How long the oldest ready job has waited."),
		p95: gauge("lane", "lane_wait_p95_seconds",
			"95th percentile of the waits of the last five minutes' first starts."),
		attained: gauge("lane", "lane_started_in_time_ratio",
			"Share of the last five minutes' first starts within the lane's objective; 1 without starts."),
		objective: gauge("lane", "lane_start_objective_seconds", "The lane's startWithin."),
		stale:     gauge("lane", "lane_stale", "1 while the broker's answer for the lane is missing or not believed."),
		paused:    gauge("lane", "lane_paused", "1 while nobody takes the lane's jobs, because somebody paused it."),
		replicas:  gauge("pool", "pool_replicas", "Replicas asked for."),
		target:    gauge("pool", "pool_target_replicas", "Replicas that the last plan asked for."),
		most:      gauge("pool", "pool_max_replicas", "The pool's max."),
		working:   gauge("pool", "pool_ready_workers", "Workers with a fresh heartbeat that take jobs."),
		stuck:     gauge("pool", "pool_stuck_replicas", "Replicas that can't be scheduled, pulled or started."),
		parked:    gauge("pool", "pool_parked_workers", "Workers that take no new jobs, reversibly."),
		cold: gauge("pool", "pool_cold_start_seconds",
			"Median time from a worker's creation to its first heartbeat."),
		frozen: gauge("pool", "pool_frozen", "1 while the number of the pool's workers is left as it is, because "+
			"somebody froze it."),
		plans: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "siren", Name: "scaler_plans_total", Help: "Plans that changed a pool or its reason.",
		}, []string{"pool", "reason"}),
		missing: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "siren", Name: "jobs_missing_total",
			Help: "Jobs that were recorded as queued and whose messages were no longer in the broker, by lane.",
		}, []string{"lane"}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "siren", Name: "scaler_failed_ticks_total",
			Help: "Ticks that could not see or act; the fleet stayed as it was.",
		}),
		leads: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "siren", Name: "scaler_leading", Help: "1 on the scaler that leads.",
		}),
		refused: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "siren", Name: "scaler_policy_refused",
			Help: "1 while the policy file says something that can't be followed; an earlier policy stays in force.",
		}),
		tunings: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "siren", Name: "tunings", Help: "Live overrides of the policy that are in force.",
		}),
		idle: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "siren", Name: "tunings_idle",
			Help: "Live overrides of the policy that aren't in force: they don't fit it, or their time is over.",
		}),
		budget: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "siren", Name: "budget_replicas", Help: "The most replicas that all pools may have together.",
		}),
		ticks: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "siren", Name: "scaler_tick_duration_seconds",
			Help:    "How long a tick took, failed ones too. A scaler that waits for the lead has none.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 9),
		}),
	}
	if r != nil {
		r.MustRegister(m.plans, m.missing, m.failed, m.leads, m.refused, m.tunings, m.idle, m.budget, m.ticks)
		for _, g := range slices.Concat(m.byLane(), m.byPool()) {
			r.MustRegister(g)
		}
	}
	return m
}

func (m *Metrics) byLane() []*prometheus.GaugeVec {
	return []*prometheus.GaugeVec{
		m.ready, m.skipped, m.retrying, m.busy, m.oldest, m.p95, m.attained, m.objective,
		m.stale, m.paused,
	}
}

func (m *Metrics) byPool() []*prometheus.GaugeVec {
	return []*prometheus.GaugeVec{m.replicas, m.target, m.most, m.working, m.parked, m.stuck, m.cold, m.frozen}
}

// lead tells whether this scaler leads.
func (m *Metrics) lead(is bool) { m.leads.Set(one(is)) }

// tune tells how many tunings there are.
func (m *Metrics) tune(e lanes.Effective) {
	m.tunings.Set(float64(len(e.Tunings)))
	m.idle.Set(float64(len(e.Idle)))
}

// one returns 1 for true and 0 for false.
func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// show sets the gauges. Those of lanes and pools that the snapshot doesn't have any more go.
func (m *Metrics) show(s fleet.Snapshot) {
	lanes, pools := make(map[string]bool, len(s.Lanes)), make(map[string]bool, len(s.Pools))
	for i := range s.Lanes {
		lanes[s.Lanes[i].Name] = true
	}
	for i := range s.Pools {
		pools[s.Pools[i].Name] = true
	}
	forget(m.shownLanes, lanes, m.byLane())
	forget(m.shownPools, pools, m.byPool())
	m.shownLanes, m.shownPools = lanes, pools
	m.budget.Set(float64(s.Budget))
	for _, l := range s.Lanes {
		m.ready.WithLabelValues(l.Name).Set(float64(l.Ready))
		m.skipped.WithLabelValues(l.Name).Set(float64(l.Skipped))
		m.retrying.WithLabelValues(l.Name).Set(float64(l.Retrying))
		m.busy.WithLabelValues(l.Name).Set(float64(l.Busy))
		m.oldest.WithLabelValues(l.Name).Set(l.OldestWait.D().Seconds())
		m.p95.WithLabelValues(l.Name).Set(l.P95Wait.D().Seconds())
		attained := 1.0
		if l.Started > 0 {
			attained = float64(l.InTime) / float64(l.Started)
		}
		m.attained.WithLabelValues(l.Name).Set(attained)
		m.objective.WithLabelValues(l.Name).Set(l.StartWithin.D().Seconds())
		m.stale.WithLabelValues(l.Name).Set(one(l.Stale))
		m.paused.WithLabelValues(l.Name).Set(one(l.Paused))
	}
	for _, p := range s.Pools {
		m.replicas.WithLabelValues(p.Name).Set(float64(p.Replicas))
		m.target.WithLabelValues(p.Name).Set(float64(p.Target))
		m.most.WithLabelValues(p.Name).Set(float64(p.Max))
		m.working.WithLabelValues(p.Name).Set(float64(p.Ready))
		m.parked.WithLabelValues(p.Name).Set(float64(p.Parked))
		m.stuck.WithLabelValues(p.Name).Set(float64(p.Stuck))
		m.cold.WithLabelValues(p.Name).Set(p.ColdStart.D().Seconds())
		m.frozen.WithLabelValues(p.Name).Set(one(p.Frozen))
	}
}

// forget takes away the gauges of those that aren't there any more.
func forget(shown, there map[string]bool, gauges []*prometheus.GaugeVec) {
	for name := range shown {
		if there[name] {
			continue
		}
		for _, g := range gauges {
			g.DeleteLabelValues(name)
		}
	}
}

func (m *Metrics) plan(p fleet.Plan) { m.plans.WithLabelValues(p.Pool, string(p.Reason)).Inc() }
