// Package gateway is Siren over HTTP, for programs and people that speak neither AMQP nor Redis: jobs go into their
// lanes by lanes/client, and everything else that a request asks for is done by internal/operate, as it is for the
// command line. The OpenAPI document is made of the code.
//
// How bearer tokens are known lives in auth, the web page in page. Nothing is decided here but what a request means,
// who may make it, and how much of it there may be.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/time/rate"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/explain"
	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
)

// House is what the gateway reaches of a running system.
type House struct {
	Producer *client.Client
	Ledger   *jobledger.Ledger
	Board    *redis.Board
	Roster   *redis.Roster
	Tunings  *redis.Tunings
	Efforts  *redis.Efforts
	History  *redis.History
	Once     *redis.Once
	Blocked  func() string                                                    // why RabbitMQ takes no jobs now, or ""
	Connect  func(ctx context.Context, name string) (*rabbitlink.Conn, error) // to the broker
	Now      func() time.Time                                                 // Redis' clock
}

// Options says how a gateway works.
type Options struct {
	House
	Guard   auth.Guard
	Bounds  Bounds
	Metrics *Metrics // nil: there are none
	Version string   // of Siren
	Outputs []string // origins from which the page may show what jobs made, such as https://media.example.com
	Log     *slog.Logger
}

// Gateway answers requests.
type Gateway struct {
	House
	guard    auth.Guard
	bounds   Bounds
	version  string
	log      *slog.Logger
	paces    paces
	refusals rate.Sometimes // of tokens, that are logged
	stopping chan struct{}  // closed: streams end
	api      huma.API
	http.Handler
}

// New makes a gateway.
func New(o Options) *Gateway {
	huma.DefaultArrayNullable = false // answers have [] for none
	g := &Gateway{
		House: o.House, guard: o.Guard, bounds: o.Bounds.withDefaults(), version: o.Version, log: o.Log,
		stopping: make(chan struct{}), refusals: rate.Sometimes{First: 5, Interval: refusedEvery},
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	g.paces.rate = g.bounds.Rate
	mux := http.NewServeMux()
	g.api = humago.New(mux, config())
	g.api.UseMiddleware(g.admit)
	g.addJobs()
	g.addJob()
	g.addViews()
	g.addHistory()
	g.addDead()
	g.addTunings()
	g.addStreams()
	g.addWhoami()
	g.Handler = o.Metrics.measured(g.bounded(g.routed(mux, o.Outputs)))
	return g
}

// Stop has streams end, so that a server that shuts down need not wait for them: whoever listens connects again.
func (g *Gateway) Stop() { close(g.stopping) }

// OpenAPI returns the document that says what may be asked, as JSON.
func (g *Gateway) OpenAPI() ([]byte, error) { return g.api.OpenAPI().MarshalJSON() }

// bearer is the name of the way that requests say who makes them.
const bearer = "bearer"

func config() huma.Config {
	c := huma.DefaultConfig("Siren", "1")
	c.Info.Description = "Enqueue media jobs, and see what becomes of them, and why. Times are RFC 3339; durations " +
		"are written as 1m30s. Fields may be added to answers; ignore those that you don't know."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{bearer: {Type: "http", Scheme: "bearer"}}
	c.DocsPath, c.SchemasPath = "", ""
	c.CreateHooks = nil // no $schema in answers
	c.Transformers = nil
	c.OpenAPIPath = "/openapi"
	return c
}

// on adds an operation that the given roles may ask for.
func on[In, Out any](g *Gateway, o huma.Operation, do func(context.Context, *In) (*Out, error), roles ...auth.Role) {
	huma.Register(g.api, forRoles(o, roles), func(ctx context.Context, in *In) (*Out, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, g.problem(ctx, err)
		}
		return out, nil
	})
}

// forRoles notes who may ask for an operation.
func forRoles(o huma.Operation, roles []auth.Role) huma.Operation {
	o.Metadata = map[string]any{rolesOf: roles}
	o.Security = []map[string][]string{{bearer: {}}}
	if o.Method == http.MethodPost || o.Method == http.MethodPut {
		o.Errors = append(o.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType)
	}
	if !slices.Contains(o.Errors, http.StatusUnprocessableEntity) {
		o.Errors = append(o.Errors, http.StatusUnprocessableEntity)
	}
	o.Errors = append(o.Errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests,
		http.StatusServiceUnavailable)
	return o
}

// desk returns the desk at which whoever makes the request works.
func (g *Gateway) desk(ctx context.Context) *operate.Desk {
	return &operate.Desk{
		Ledger: g.Ledger, Board: g.Board, Audit: operate.Signed{Audit: g.Tunings, By: who(ctx).Subject},
		Connect: g.Connect, Now: g.Now,
		Warn: func(format string, args ...any) {
			g.log.Warn("a request was carried out with a warning", "warning", fmt.Sprintf(format, args...))
		},
	}
}

// tuneDesk returns the same for tunings.
func (g *Gateway) tuneDesk(ctx context.Context) *tune.Desk {
	return &tune.Desk{Tunings: g.Tunings, Board: g.Board, Roster: g.Roster, By: who(ctx).Subject, Version: g.version}
}

// sight returns the running system as it is now.
func (g *Gateway) sight(ctx context.Context) (*explain.Sight, error) {
	return explain.Sources{
		Board: g.Board, Ledger: g.Ledger, Roster: g.Roster, Tunings: g.Tunings, Efforts: g.Efforts,
	}.Look(ctx)
}

// nothingOf returns the error that there is no such lane, for an answer that has nothing of it; "" is any. Lanes that
// left the policy may still have jobs.
func (g *Gateway) nothingOf(ctx context.Context, lane string) error {
	if lane == "" {
		return nil
	}
	e, err := operate.InForce(ctx, g.Board)
	if err != nil {
		return nil //nolint:nilerr // it isn't known which lanes there are
	}
	if err := operate.RequireLane(e, lane, true); err != nil {
		return invalid("%v", err) // of a filter: it isn't the lane that was asked for
	}
	return nil
}

// lane returns the policy in force, which has to have the lane, unless it is "".
func (g *Gateway) lane(ctx context.Context, name string) (lanes.Effective, error) {
	e, err := operate.InForce(ctx, g.Board)
	if err == nil && name != "" {
		err = operate.RequireLane(e, name, false)
	}
	return e, err
}
