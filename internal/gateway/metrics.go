package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is what a gateway shows of itself.
type Metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	streams  prometheus.Gauge
}

// NewMetrics registers them; r may be nil.
func NewMetrics(r prometheus.Registerer) *Metrics {
	auto := promauto.With(r)
	return &Metrics{
		requests: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "siren_gateway_requests_total",
			Help: "Requests, by operation as in openapi.json, and by status. Those for the page, or refused before " +
				"it was clear what they ask for, have no operation.",
		}, []string{"operation", "code"}),
		seconds: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "siren_gateway_request_seconds",
			Help:    "How long requests took to be answered, but for streams.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"operation"}),
		streams: auto.NewGauge(prometheus.GaugeOpts{
			Name: "siren_gateway_streams",
			Help: "Streams of events that are open.",
		}),
	}
}

// operationKey is the name under which a request's context has room for the operation that it asks for.
type operationKey struct{}

// asksFor notes the operation that a request asks for.
func asksFor(ctx context.Context, operation string) {
	if room, ok := ctx.Value(operationKey{}).(*string); ok {
		*room = operation
	}
}

// measured measures the requests to next.
func (m *Metrics) measured(next http.Handler) http.Handler {
	operation := promhttp.WithLabelFromCtx("operation", func(ctx context.Context) string {
		return *ctx.Value(operationKey{}).(*string)
	})
	answers := promhttp.InstrumentHandlerDuration(m.seconds, next, operation)
	streams := promhttp.InstrumentHandlerInFlight(m.streams, next)
	either := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isStream(r) {
			streams.ServeHTTP(w, r)
			return
		}
		answers.ServeHTTP(w, r)
	})
	all := promhttp.InstrumentHandlerCounter(m.requests, either, operation)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), operationKey{}, new(string))))
	})
}

// isStream reports whether a request asks for a stream of events.
func isStream(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/events") }
