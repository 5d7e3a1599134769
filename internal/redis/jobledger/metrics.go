package jobledger

import (
	"github.com/prometheus/client_golang/prometheus"
)

// RegisterMetrics registers metrics of how a ledger fares with Redis.
func RegisterMetrics(r prometheus.Registerer, stats func() Stats) {
	gauge := func(name, help string, value func(Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "siren", Subsystem: "ledger", Name: name,
			Help: help,
		},
			func() float64 { return value(stats()) })
	}
	r.MustRegister(
		gauge("away", "1 while Redis is away: jobs run without claims, and their ends are buffered.",
			func(s Stats) float64 {
				if s.Away {
					return 1
				}
				return 0
			}),
		gauge("buffered_ends", "Ends of jobs that wait for Redis to be back.",
			func(s Stats) float64 { return float64(s.Buffered) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "siren", Subsystem: "ledger", Name: "dropped_ends_total",
			Help: "Ends of jobs that no record will ever have: the buffer was full, Redis refused them, " +
				"or it was away until this process ended.",
		}, func() float64 { return float64(stats().Dropped) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "siren", Subsystem: "ledger", Name: "restored_ends_total",
			Help: "Ends of jobs that Redis had lost, as by a failover, and that it was told again.",
		}, func() float64 { return float64(stats().Restored) }),
	)
}
