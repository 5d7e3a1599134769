package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/lanes/job"
)

// Bounds is how much may be asked for.
type Bounds struct {
	Rate     float64       // requests a second that one subject may make, with bursts of twice as many; 0: 1000
	AtOnce   int           // requests that are answered at the same time, streams aside; 0: 256
	Streams  int           // streams that are open at the same time; 0: 1000
	Each     int           // of them, those of one subject; 0: 100
	Patience time.Duration // for a request's body, and for its answer; 0: 10 s
}

func (b Bounds) withDefaults() Bounds {
	if b.Rate == 0 {
		b.Rate = 1000
	}
	if b.AtOnce == 0 {
		b.AtOnce = 256
	}
	if b.Streams == 0 {
		b.Streams = 1000
	}
	if b.Each == 0 {
		b.Each = 100
	}
	if b.Patience == 0 {
		b.Patience = 10 * time.Second
	}
	return b
}

const (
	mostJobs = 1000               // of a request
	mostBody = 8 << 20            // bytes of one with many jobs
	oneBody  = 4 * job.MaxMessage // bytes of one with one job, which may be spaced out
	mostDeep = 32                 // levels of a body
	mostKey  = 255                // bytes of an Idempotency-Key
)

// bounded bounds what comes in, before anything else is done with it.
func (g *Gateway) bounded(next http.Handler) http.Handler {
	answers, streams := make(chan struct{}, g.bounds.AtOnce), make(chan struct{}, g.bounds.Streams)
	foreign := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer g.recover(w)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := foreign.Check(r); err != nil {
			refuse(w, http.StatusForbidden, "another site's page may not ask this: "+err.Error())
			return
		}
		if err := g.local(r); err != nil {
			refuse(w, http.StatusForbidden, err.Error())
			return
		}
		if status, why := body(r); why != "" {
			refuse(w, status, why)
			return
		}
		places := answers
		if isStream(r) {
			places = streams
			defer g.endsWhole(w)
		} else {
			var end context.CancelFunc
			r, end = g.hurry(w, r)
			defer end()
		}
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			refuse(w, http.StatusServiceUnavailable,
				"too many requests are being answered at this moment; ask again soon")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// local refuses a name that isn't this machine's where everybody may do everything: a foreign page could have had its
// own name lead here.
func (g *Gateway) local(r *http.Request) error {
	if _, anybody := g.guard.(auth.Anybody); !anybody {
		return nil
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	if host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("without tokens only this machine is answered, under its own name, and not as %q", host)
}

// body refuses a body that nobody would read; why is "" for any other.
func body(r *http.Request) (status int, why string) {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return http.StatusUnsupportedMediaType,
			"a body must come as it is, without Content-Encoding: " + strconv.Quote(e)
	}
	if r.ContentLength == 0 {
		return 0, ""
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return http.StatusUnsupportedMediaType, "a body must be JSON: Content-Type: application/json"
	}
	if r.ContentLength > mostBody {
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("a body has at most %d bytes; this one has %d", mostBody,
			r.ContentLength)
	}
	return 0, ""
}

// hurry bounds how long a request may take: to come, and to be answered.
func (g *Gateway) hurry(w http.ResponseWriter, r *http.Request) (*http.Request, context.CancelFunc) {
	now, c := time.Now(), http.NewResponseController(w)
	_ = c.SetReadDeadline(now.Add(g.bounds.Patience))
	_ = c.SetWriteDeadline(now.Add(3 * g.bounds.Patience))
	ctx, end := context.WithTimeout(r.Context(), g.bounds.Patience)
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, mostBody)
	return r, end
}

// endsWhole gives a stream's end time to be sent, whenever something was sent last: whoever listens can tell it from a
// connection that broke.
func (g *Gateway) endsWhole(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(g.bounds.Patience))
}

// recover has a request that panics fail alone.
func (g *Gateway) recover(w http.ResponseWriter) {
	e := recover()
	if e == nil || e == http.ErrAbortHandler { //nolint:errorlint // it is compared as net/http does
		return
	}
	g.log.Error("a request panicked", "panic", e, "stack", string(debug.Stack()))
	refuse(w, http.StatusInternalServerError, "this shouldn't happen; the gateway's log says more")
}

// refuse answers with a problem.
func refuse(w http.ResponseWriter, status int, why string) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(huma.NewError(status, why))
}

// paces is how often each subject has asked lately, and how many streams it has open.
type paces struct {
	rate    float64
	mu      sync.Mutex
	of      map[string]*rate.Limiter
	streams map[string]int
}

// open counts a stream of the subject; false: it has as many as it may.
func (p *paces) open(subject string, most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streams[subject] >= most {
		return false
	}
	if p.streams == nil {
		p.streams = map[string]int{}
	}
	p.streams[subject]++
	return true
}

func (p *paces) close(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streams[subject]--; p.streams[subject] == 0 {
		delete(p.streams, subject)
	}
}

// mostPaces is how many subjects are remembered; then all begin anew.
const mostPaces = 10_000

func (p *paces) allow(subject string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.of[subject]
	if l == nil {
		if p.of == nil || len(p.of) >= mostPaces {
			p.of = map[string]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Limit(p.rate), int(2*p.rate)+1)
		p.of[subject] = l
	}
	return l.Allow()
}
