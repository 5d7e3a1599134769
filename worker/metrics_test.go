package worker

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics := NewMetrics(registry)
	bubble(t, func(t *testing.T, r *rig) {
		r.o.Metrics = metrics
		r.handler.will("bad", fails(0, work.BadInput))
		r.broker.put("standard", "a", "bad")
		r.broker.add(work.Delivery{
			Job: job.Job{ID: "foreign", Kind: "test"}, Lane: "bulk", Attempt: 1,
			Unknown: []string{"colour", "size"}, Odd: []string{"readyAt", "enqueuedAt"},
		})
		r.start()
		r.ledger.fail(true, false)
		r.broker.put("bulk", "unclaimed")
		r.at(1)
	})
	want := `
# HELP siren_worker_jobs_settled_total Deliveries settled, by what became of them: ack, retry, deadLetter or return.
# TYPE siren_worker_jobs_settled_total counter
siren_worker_jobs_settled_total{action="ack",lane="bulk"} 2
siren_worker_jobs_settled_total{action="ack",lane="standard"} 1
siren_worker_jobs_settled_total{action="deadLetter",lane="standard"} 1
# HELP siren_worker_jobs_started_total Starts of jobs, retries too.
# TYPE siren_worker_jobs_started_total counter
siren_worker_jobs_started_total{lane="bulk"} 2
siren_worker_jobs_started_total{lane="standard"} 2
# HELP siren_worker_jobs_unclaimed_total Jobs run without a claim because the ledger was away.
# TYPE siren_worker_jobs_unclaimed_total counter
siren_worker_jobs_unclaimed_total 1
# HELP siren_worker_odd_times_total Messages with a time in their headers that can't be meant, such as seconds ` +
		`instead of milliseconds; it counts as absent.
# TYPE siren_worker_odd_times_total counter
siren_worker_odd_times_total{lane="bulk"} 1
# HELP siren_worker_unknown_job_fields_total Top-level fields of jobs that this version doesn't know and ignored.
# TYPE siren_worker_unknown_job_fields_total counter
siren_worker_unknown_job_fields_total 2
`
	err := testutil.GatherAndCompare(registry, strings.NewReader(want), "siren_worker_jobs_settled_total",
		"siren_worker_jobs_started_total", "siren_worker_jobs_unclaimed_total", "siren_worker_odd_times_total",
		"siren_worker_unknown_job_fields_total")
	if err != nil {
		t.Error(err)
	}
	for name, want := range map[string]uint64{"siren_job_wait_seconds": 3, "siren_job_run_seconds": 4} {
		if got := observations(t, registry, name); got != want {
			t.Errorf("%s: %d observations, want %d", name, got, want)
		}
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

func observations(t *testing.T, g prometheus.Gatherer, name string) (n uint64) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			n += m.GetHistogram().GetSampleCount()
		}
	}
	return n
}
