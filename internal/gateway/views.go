package gateway

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/explain"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
)

// Seen is what the leading scaler saw last, without its lanes and pools.
type Seen struct {
	At       time.Time `json:"at" doc:"When the leading scaler saw this."`
	Leader   string    `json:"leader"`
	Revision int64     `json:"revision" doc:"Of the policy in force."`
	Refused  string    `json:"refused,omitempty" doc:"Why the policy as it is written now isn't the one in force."`
	Budget   int       `json:"budget" doc:"How many workers all pools may have together; 0: any number."`
	Others   int       `json:"others,omitempty" doc:"Workers that count against the budget and aren't this scaler's."`
}

func seenOf(s fleet.Snapshot) Seen {
	return Seen{s.At, s.Leader, s.Revision, s.Refused, s.Budget, s.Others}
}

type lanesOut struct {
	Body struct {
		Seen
		Lanes []fleet.LaneStatus `json:"lanes" nullable:"false" doc:"The most urgent first."`
	}
}

type poolsOut struct {
	Body struct {
		Seen
		Pools []fleet.PoolStatus `json:"pools" nullable:"false"`
	}
}

type byName struct {
	Name string `path:"name" maxLength:"256"`
}

type workersIn struct {
	Pool  string `query:"pool" doc:"Only workers of this pool."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"200" doc:"How many at most."`
	After string `query:"after" doc:"Go on behind an earlier answer: what its next said."`
	Jobs  bool   `query:"jobs" doc:"Say how far the jobs are that these workers run."`
}

// Ran is how far a job is that a worker runs.
type Ran struct {
	Kind     string       `json:"kind"`
	Progress job.Progress `json:"progress"`
}

type workersOut struct {
	Body struct {
		At      time.Time         `json:"at" doc:"By Redis' clock."`
		Count   int               `json:"count" doc:"How many there are in all."`
		Workers []fleet.Heartbeat `json:"workers" nullable:"false"`
		Jobs    map[string]Ran    `json:"jobs,omitempty" doc:"By id, if they were asked for."`
		Next    string            `json:"next,omitempty" doc:"There are more: go on with after=…"`
	}
}

type decisionsIn struct {
	Pool  string `query:"pool" doc:"Only plans for this pool."`
	Since string `query:"since" default:"1h" doc:"Only plans at most this old, as in 2h."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"200" doc:"How many at most, the latest."`
}

type decisionsOut struct {
	Body struct {
		Decisions []fleet.Plan `json:"decisions" nullable:"false" doc:"The latest first."`
	}
}

type auditIn struct {
	Since string `query:"since" doc:"Only what was done at most so long ago, as in 24h."`
	Did   string `query:"did" doc:"Only what was done by this verb, as in tune."`
	On    string `query:"on" doc:"Only what was done to this field, lane or job, or what begins so."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most, the latest."`
}

type auditOut struct {
	Body struct {
		Audit []audit.Entry `json:"audit" nullable:"false" doc:"The latest first."`
	}
}

type kindsOut struct {
	Body struct {
		Kinds []Kind `json:"kinds" nullable:"false"`
	}
}

// Kind is a kind of job.
type Kind struct {
	Name   string  `json:"name"`
	About  string  `json:"about"`
	Params []Param `json:"params" nullable:"false"`
}

// Param is one of its params.
type Param struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	About string `json:"about"`
}

type presetsOut struct {
	Body struct {
		Presets []lanes.NamedPreset `json:"presets" nullable:"false"`
	}
}

func (g *Gateway) addViews() {
	op := func(id, path, summary string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: "/v1/" + path, Summary: summary, Tags: []string{"fleet"},
			Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
		}
	}
	on(g, op("list-lanes", "lanes", "Show what waits and runs in each lane, and whether the objectives are met"),
		func(ctx context.Context, _ *struct{}) (*lanesOut, error) {
			s, err := operate.LastSeen(ctx, g.Board)
			out := &lanesOut{}
			out.Body.Seen, out.Body.Lanes = seenOf(s), append([]fleet.LaneStatus{}, s.Lanes...)
			return out, err
		}, auth.Reader)
	on(g, op("list-pools", "pools", "Show the workers of each pool, and why there are so many"),
		func(ctx context.Context, _ *struct{}) (*poolsOut, error) {
			s, err := operate.LastSeen(ctx, g.Board)
			out := &poolsOut{}
			out.Body.Seen, out.Body.Pools = seenOf(s), append([]fleet.PoolStatus{}, s.Pools...)
			return out, err
		}, auth.Reader)
	on(g, op("explain-lane", "lanes/{name}/explain", "Explain how a lane fares, and what limits it"),
		g.explain((*explain.Sight).Lane), auth.Reader)
	on(g, op("explain-pool", "pools/{name}/explain", "Explain why a pool has as many workers as it has"),
		g.explain((*explain.Sight).Pool), auth.Reader)
	on(g, op("list-workers", "workers", "Show each worker and what it runs"), g.workers, auth.Reader)
	on(g, op("list-decisions", "decisions", "Show what the scaler decided, and why"), g.decisions, auth.Reader)
	on(g, op("list-audit", "audit", "Show who changed what, and why"), g.audit, auth.Reader)
	everybody := []auth.Role{auth.Producer, auth.Reader}
	on(g, op("list-kinds", "kinds", "Show the kinds of job with their params"), g.kinds, everybody...)
	on(g, op("list-presets", "presets", "Show the presets that jobs may name"),
		func(ctx context.Context, _ *struct{}) (*presetsOut, error) {
			e, err := operate.InForce(ctx, g.Board)
			out := &presetsOut{}
			if err == nil {
				out.Body.Presets = append([]lanes.NamedPreset{}, e.Policy.AllPresets()...)
			}
			return out, err
		}, everybody...)
}

// explain returns what explains a lane or a pool.
func (g *Gateway) explain(
	of func(*explain.Sight, context.Context, string) (explain.Explanation, error),
) func(context.Context, *byName) (*explainOut, error) {
	return func(ctx context.Context, in *byName) (*explainOut, error) {
		s, err := g.sight(ctx)
		if err != nil {
			return nil, err
		}
		x, err := of(s, ctx, in.Name)
		return &explainOut{x}, err
	}
}

// workers lists the workers by name.
func (g *Gateway) workers(ctx context.Context, in *workersIn) (*workersOut, error) {
	p, err := g.Roster.Page(ctx, in.Pool, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	if in.Pool != "" && p.Count == 0 {
		if e, err := operate.InForce(ctx, g.Board); err == nil {
			if err := operate.RequirePool(e, in.Pool); err != nil {
				return nil, err
			}
		}
	}
	out := &workersOut{}
	out.Body.At, out.Body.Count, out.Body.Workers = p.Now, p.Count, append([]fleet.Heartbeat{}, p.Workers...)
	if n := len(p.Workers); p.More && n > 0 {
		out.Body.Next = p.Workers[n-1].Worker
	}
	if in.Jobs {
		out.Body.Jobs, err = g.ranBy(ctx, p.Workers)
	}
	return out, err
}

// ranBy returns how far the jobs are that the workers run.
func (g *Gateway) ranBy(ctx context.Context, workers []fleet.Heartbeat) (map[string]Ran, error) {
	var ids []string
	for _, w := range workers {
		for _, r := range w.Running {
			ids = append(ids, r.Job)
		}
	}
	records, err := g.Ledger.GetAll(ctx, ids)
	jobs := make(map[string]Ran, len(records))
	for id, r := range records {
		jobs[id] = Ran{r.Kind, r.Progress}
	}
	return jobs, err
}

// decisions lists the plans, the latest first.
func (g *Gateway) decisions(ctx context.Context, in *decisionsIn) (*decisionsOut, error) {
	since, err := ago("since", in.Since)
	if err != nil {
		return nil, err
	}
	plans, err := g.Board.Plans(ctx, in.Pool, g.Now().Add(-since), in.Limit)
	if err != nil {
		return nil, err
	}
	if in.Pool != "" && len(plans) == 0 { // a pool that left the policy may still have plans
		e, err := operate.InForce(ctx, g.Board)
		if err == nil {
			err = operate.RequirePool(e, in.Pool)
		}
		if err != nil {
			return nil, err
		}
	}
	out := &decisionsOut{}
	out.Body.Decisions = append([]fleet.Plan{}, plans...)
	return out, nil
}

// audit lists what was changed by hand, the latest first.
func (g *Gateway) audit(ctx context.Context, in *auditIn) (*auditOut, error) {
	since, err := ago("since", in.Since)
	if err != nil {
		return nil, err
	}
	var from time.Time
	if since > 0 {
		from = g.Now().Add(-since)
	}
	entries, err := g.Tunings.Audit(ctx, from, auditMost)
	entries = slices.DeleteFunc(entries, func(e audit.Entry) bool {
		return in.Did != "" && e.Verb != in.Did || !e.About(in.On)
	})
	out := &auditOut{}
	out.Body.Audit = append([]audit.Entry{}, entries[:min(len(entries), in.Limit)]...)
	return out, err
}

// auditMost is how many entries are looked through.
const auditMost = 10_000

// kinds lists the catalogue of kinds.
func (g *Gateway) kinds(context.Context, *struct{}) (*kindsOut, error) {
	out := &kindsOut{}
	for _, k := range kinds.All() {
		shown := Kind{Name: k.Name, About: k.About, Params: []Param{}}
		for _, p := range k.Params {
			shown.Params = append(shown.Params, Param{p.Name, string(p.Type), p.About})
		}
		out.Body.Kinds = append(out.Body.Kinds, shown)
	}
	return out, nil
}
