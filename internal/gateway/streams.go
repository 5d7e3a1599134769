package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/sse"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

// The events of streams. Each has a type of its own, by which it is named.
type (
	// JobEvent is a job as it is now.
	JobEvent job.Record
	// EndEvent is that nothing more comes.
	EndEvent struct {
		Why string `json:"why" doc:"Why nothing more comes: ended, or what is wrong."`
	}
	// TroubleEvent is that nobody knows at this moment; it goes on by itself.
	TroubleEvent struct {
		Why string `json:"why"`
	}
	// AliveEvent says that the stream is still there.
	AliveEvent struct {
		At time.Time `json:"at"`
	}
	// SnapshotEvent is what the leading scaler saw at its latest tick.
	SnapshotEvent fleet.Snapshot
	// DecisionEvent is a plan that the leading scaler made.
	DecisionEvent fleet.Plan
	// TuningsEvent is that the tunings have changed.
	TuningsEvent struct {
		Revision int64 `json:"revision"`
	}
)

const (
	aliveEvery    = 15 * time.Second
	snapshotEvery = time.Second
	stillEvery    = 2 * time.Second // it is looked whether the token still counts
)

type eventsIn struct {
	ByID
	Last string `header:"Last-Event-ID" doc:"What was seen last: it isn't sent again."`
}

func (g *Gateway) addStreams() {
	op := func(id, path, summary, about string, roles ...auth.Role) huma.Operation {
		return forRoles(huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Description: about,
			Tags: []string{"streams"}, Errors: []int{http.StatusNotFound},
		}, roles)
	}
	watch := op("watch-job", "/v1/jobs/{id}/events", "Watch a job until it has ended",
		"Server-sent events: the job now and after each change, then one that it has ended.",
		auth.Producer, auth.Reader)
	watch.Middlewares = huma.Middlewares{g.found}
	sse.Register(g.api, watch, map[string]any{
		"job": JobEvent{}, "end": EndEvent{}, "trouble": TroubleEvent{}, "alive": AliveEvent{},
	}, g.watchJob)
	sse.Register(g.api, op("watch-fleet", "/v1/events", "Watch the lanes, the pools, the decisions and the tunings",
		"Server-sent events: what the leading scaler saw, each second; each plan that it makes; and that the tunings "+
			"have changed.", auth.Reader),
		map[string]any{
			"snapshot": SnapshotEvent{}, "decision": DecisionEvent{}, "tunings": TuningsEvent{},
			"trouble": TroubleEvent{}, "alive": AliveEvent{},
		}, g.watchFleet)
}

// streaming returns a context that ends with the gateway, too, and soon after the token no longer counts.
func (g *Gateway) streaming(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancel(ctx)
	go func() {
		defer end()
		look := time.NewTicker(stillEvery)
		defer look.Stop()
		for {
			select {
			case <-g.stopping:
				return
			case <-look.C:
				if !g.still(ctx) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, end
}

// found has the stream of a job begin only if whoever asks may see the job: from then on it is too late for a status.
func (g *Gateway) found(c huma.Context, next func(huma.Context)) {
	_, err := g.find(c.Context(), c.Param("id"))
	if err == nil {
		next(c)
		return
	}
	var problem huma.StatusError
	if errors.As(g.problem(c.Context(), err), &problem) {
		_, w := humago.Unwrap(c)
		refuse(w, problem.GetStatus(), problem.Error())
	}
}

// watchJob sends a job's record now and after each change, until it has ended.
func (g *Gateway) watchJob(ctx context.Context, in *eventsIn, send sse.Sender) {
	ctx, end := g.streaming(ctx)
	defer end()
	records, errs := make(chan job.Record), make(chan error)
	go func() {
		defer close(records)
		for r, err := range g.Ledger.Watch(ctx, in.ID) {
			if err != nil {
				select {
				case errs <- err:
				case <-ctx.Done():
					return
				}
				continue
			}
			select {
			case records <- r:
			case <-ctx.Done():
				return
			}
		}
	}()
	last, alive := in.Last, time.NewTicker(aliveEvery)
	defer alive.Stop()
	for {
		select {
		case r, more := <-records:
			if !more {
				_ = send.Data(EndEvent{"ended"})
				return
			}
			if id := markOf(r); strconv.Itoa(id) != last {
				last = strconv.Itoa(id)
				if send(sse.Message{ID: id, Data: JobEvent(r)}) != nil {
					return
				}
			}
		case err := <-errs:
			if !errors.Is(err, lanes.ErrAway) {
				_ = send.Data(EndEvent{err.Error()})
				return
			}
			if send.Data(TroubleEvent{err.Error()}) != nil {
				return
			}
		case <-alive.C:
			if send.Data(AliveEvent{g.Now()}) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// markOf returns a number that stands for the record as it is, for Last-Event-ID.
func markOf(r job.Record) int {
	text, _ := json.Marshal(r)
	h := fnv.New64a()
	_, _ = h.Write(text)
	return int(h.Sum64()>>12) | 1 // exact in a double, and never 0
}

// watchFleet sends what the leading scaler sees and decides.
func (g *Gateway) watchFleet(ctx context.Context, _ *struct{}, send sse.Sender) {
	ctx, end := g.streaming(ctx)
	defer end()
	plans := make(chan fleet.Plan)
	go func() {
		for p, err := range g.Board.FollowPlans(ctx, "") {
			if err != nil {
				continue // snapshots tell of it
			}
			select {
			case plans <- p:
			case <-ctx.Done():
				return
			}
		}
	}()
	tick := time.NewTicker(snapshotEvery)
	defer tick.Stop()
	var at time.Time
	var revision int64 = -1
	var said string
	var sent time.Time
	for {
		var events []any
		s, err := operate.LastSeen(ctx, g.Board)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && err.Error() != said:
			said = err.Error()
			events = append(events, TroubleEvent{said})
		case err == nil && s.At.After(at):
			said, at = "", s.At
			events = append(events, SnapshotEvent(s))
		}
		if t, _, err := g.Tunings.Now(ctx); err == nil && t.Revision != revision {
			revision = t.Revision
			events = append(events, TuningsEvent{revision})
		}
		if len(events) == 0 && time.Since(sent) > aliveEvery {
			events = append(events, AliveEvent{g.Now()})
		}
		for _, e := range events {
			if send.Data(e) != nil {
				return
			}
			sent = time.Now()
		}
		select {
		case p := <-plans:
			if send.Data(DecisionEvent(p)) != nil {
				return
			}
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
