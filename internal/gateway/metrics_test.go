package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/polyglot-media/siren/internal/redis/redistest"
)

func TestMetrics(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	m := NewMetrics(r)
	d := open(t, func(o *Options) { o.Metrics = m })
	id := d.enqueue(t, "prod")
	for range 3 {
		d.ask(t, "op", http.MethodGet, "/v1/kinds", "")
	}
	d.ask(t, "", http.MethodGet, "/v1/kinds", "")
	d.ask(t, "op", http.MethodGet, "/v1/jobs/nobody", "")
	d.ask(t, "op", http.MethodGet, "/v1/nothing", "")
	d.ask(t, "op", http.MethodGet, "/v1/jobs/"+id+"/events", "") // goes away after the first event
	redistest.Eventually(t, "the stream to be closed", func() bool { return testutil.ToFloat64(m.streams) == 0 })
	for labels, want := range map[[2]string]float64{
		{"enqueue", "202"}: 1, {"list-kinds", "200"}: 3, {"list-kinds", "401"}: 1, {"get-job", "404"}: 1,
		{"", "404"}: 1, {"watch-job", "200"}: 1,
	} {
		if got := testutil.ToFloat64(m.requests.WithLabelValues(labels[0], labels[1])); got != want {
			t.Errorf("%v: %g requests, want %g", labels, got, want)
		}
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "siren_gateway_request_seconds" {
			continue
		}
		for _, timed := range f.GetMetric() {
			if of := timed.GetLabel()[0].GetValue(); of == "watch-job" {
				t.Error("a stream is among the answers that are timed")
			}
		}
	}
}

// Whoever tries many tokens doesn't fill the log.
func TestManyRefusedTokens(t *testing.T) {
	d := open(t, nil)
	for range 100 {
		d.ask(t, "", http.MethodGet, "/v1/kinds", "", "Authorization", "Bearer wrong")
	}
	if n := strings.Count(d.logged(), "a token was refused"); n == 0 || n > 20 { // a slow machine takes a while
		t.Errorf("100 refused tokens are logged %d times", n)
	}
}
