package gateway

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/operate/jobs"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/lanes/job"
)

type deadIn struct {
	Lane     string   `query:"lane" doc:"Only jobs of this lane."`
	Kind     string   `query:"kind" doc:"Only jobs of this kind."`
	Tenant   string   `query:"tenant" doc:"Only jobs with this tenant label."`
	Selector string   `query:"selector" doc:"Only jobs whose labels match, as in tier=premium,batch!=true."`
	DiedOf   []string `query:"diedOf" doc:"Only jobs that died of one of these, as in timed-out."`
	Since    string   `query:"since" doc:"Only jobs that died at most so long ago, as in 2h."`
	Older    string   `query:"olderThan" doc:"Only jobs that died at least so long ago, as in 2h."`
	Limit    int      `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many at most."`
	After    string   `query:"after" doc:"Go on behind an earlier answer: what its next said."`
}

type reasonsOut struct {
	Body struct {
		Count   int           `json:"count" doc:"How many dead jobs have a record."`
		Reasons []ReasonCount `json:"reasons" nullable:"false" doc:"The most frequent first."`
		More    bool          `json:"more,omitempty" doc:"There are more: reasons are of the latest 10,000."`
	}
}

// ReasonCount is how many jobs of a lane died of something.
type ReasonCount struct {
	Reason string    `json:"reason"`
	Lane   string    `json:"lane"`
	Count  int       `json:"count"`
	Latest time.Time `json:"latest,omitzero" doc:"When the latest of them died."`
	Error  string    `json:"error,omitempty" doc:"What happened to that one."`
}

// Chosen says which jobs are meant: by ids, or by a filter.
type Chosen struct {
	IDs      []string `json:"ids,omitempty" maxItems:"1000" doc:"The jobs; else the filter chooses."`
	Lane     string   `json:"lane,omitempty"`
	State    string   `json:"state,omitempty" enum:"queued,running,retrying,completed,dead,cancelled,missing"`
	Kind     string   `json:"kind,omitempty"`
	Tenant   string   `json:"tenant,omitempty"`
	Selector string   `json:"selector,omitempty" doc:"Of labels, as in tier=premium,batch!=true."`
	DiedOf   []string `json:"diedOf,omitempty" doc:"Of dead jobs: one of these reasons."`
	Since    string   `json:"since,omitempty" doc:"At most this old, as in 2h."`
	Older    string   `json:"olderThan,omitempty" doc:"At least this old, as in 2h."`
}

// Bulk is something that is to be done to many jobs.
type Bulk struct {
	Chosen
	To     string `json:"to,omitempty" doc:"The lane that they are put into; their own, unless it is given."`
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"Why, for the others and the audit log."`
	DryRun bool   `json:"dryRun,omitempty" doc:"Change nothing, and say how many jobs are meant."`
}

type replayIn struct {
	Body struct {
		Bulk
		Limit int     `json:"limit,omitempty" minimum:"0" doc:"How many at most; 0: all."`
		Rate  float64 `json:"rate,omitempty" minimum:"0" doc:"Jobs a second; 0: as fast as it goes."`
	}
}

type bulkIn struct {
	Verb string `path:"verb" enum:"cancel,retry,move"`
	Body Bulk
}

type bulkOut struct {
	Body Tally
}

// Tally is what was done to many jobs, or would be.
type Tally struct {
	Count   int            `json:"count" doc:"How many it was done to, or of a dry run: would be."`
	DryRun  bool           `json:"dryRun,omitempty"`
	By      map[string]int `json:"by,omitempty" doc:"Of a dry run, by state."`
	Sample  []string       `json:"sample,omitempty" doc:"The ids of some."`
	Refused []Refusal      `json:"refused,omitempty" doc:"The jobs that it couldn't be done to, a hundred at most."`
	Left    int            `json:"left,omitempty" doc:"How many it couldn't be done to."`
}

// Refusal is why something couldn't be done to a job.
type Refusal struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

const (
	mostRefused = 100
	mostCounted = 10_000 // dead jobs, by reason
)

func (g *Gateway) addDead() {
	errs := []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
	on(g, huma.Operation{
		OperationID: "list-dead", Method: http.MethodGet, Path: "/v1/dead", Tags: []string{"dead letters"},
		Summary: "List jobs that can't succeed, the latest first", Errors: errs,
	}, g.listDead, auth.Reader)
	on(g, huma.Operation{
		OperationID: "count-dead", Method: http.MethodGet, Path: "/v1/dead/reasons", Tags: []string{"dead letters"},
		Summary: "Count the jobs that can't succeed, by reason and lane",
	}, g.countDead, auth.Reader)
	on(g, huma.Operation{
		OperationID: "replay-dead", Method: http.MethodPost, Path: "/v1/dead/replay", Tags: []string{"dead letters"},
		Summary: "Put dead jobs into their lanes again", Description: "A filter has no state: all of them are dead.",
		Errors: errs, MaxBodyBytes: oneBody,
	}, g.replay, auth.Operator)
	on(g, huma.Operation{
		OperationID: "bulk-jobs", Method: http.MethodPost, Path: "/v1/bulk/{verb}", Tags: []string{"jobs"},
		Summary: "Cancel, retry or move all jobs that a filter chooses", Errors: errs, MaxBodyBytes: oneBody,
	}, g.bulk, auth.Operator)
}

// filter returns the filter of dead jobs.
func (c Chosen) filter() (f dead.Filter, err error) {
	f = dead.Filter{Lane: c.Lane, Kind: c.Kind, Tenant: c.Tenant, Selector: c.Selector}
	for _, r := range c.DiedOf {
		reason, err := dead.Reason(r)
		if err != nil {
			return f, invalid("%w", err)
		}
		f.DiedOf = append(f.DiedOf, reason)
	}
	if f.Since, err = ago("since", c.Since); err != nil {
		return f, err
	}
	if f.OlderThan, err = ago("olderThan", c.Older); err != nil {
		return f, err
	}
	if err := dead.CheckSelector(c.Selector); err != nil {
		return f, invalid("selector %q: %w", c.Selector, err)
	}
	return f, nil
}

// listDead lists dead jobs by their records.
func (g *Gateway) listDead(ctx context.Context, in *deadIn) (*listOut, error) {
	f, err := Chosen{
		Lane: in.Lane, Kind: in.Kind, Tenant: in.Tenant, Selector: in.Selector, DiedOf: in.DiedOf, Since: in.Since,
		Older: in.Older,
	}.filter()
	if err != nil {
		return nil, err
	}
	q := jobrecord.Filter{State: job.Dead, Lane: in.Lane, Match: f.Chooser(g.Now())}
	return g.page(ctx, q, in.Limit, in.After)
}

// countDead counts the latest dead jobs by reason.
func (g *Gateway) countDead(ctx context.Context, _ *struct{}) (*reasonsOut, error) {
	out, by, n := &reasonsOut{}, map[[2]string]*ReasonCount{}, 0
	var err error
	if out.Body.Count, err = g.Ledger.CountDead(ctx); err != nil {
		return nil, err
	}
	for r, err := range g.Ledger.Each(ctx, jobrecord.Filter{State: job.Dead}) {
		if err != nil {
			return nil, err
		}
		if n++; n > mostCounted {
			out.Body.More = true
			break
		}
		c := by[[2]string{r.Reason, r.Lane}]
		if c == nil {
			c = &ReasonCount{Reason: r.Reason, Lane: r.Lane, Latest: r.EndedAt, Error: r.Error}
			by[[2]string{r.Reason, r.Lane}] = c
		}
		c.Count++
	}
	out.Body.Reasons = []ReasonCount{}
	for _, c := range by {
		out.Body.Reasons = append(out.Body.Reasons, *c)
	}
	slices.SortFunc(out.Body.Reasons, func(x, y ReasonCount) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Reason, y.Reason), cmp.Compare(x.Lane, y.Lane))
	})
	return out, nil
}

// replay puts dead jobs into their lanes again.
func (g *Gateway) replay(ctx context.Context, in *replayIn) (*bulkOut, error) {
	b := in.Body.Bulk
	f, err := b.filter()
	if err != nil {
		return nil, err
	}
	if b.State != "" && b.State != string(job.Dead) {
		return nil, invalid("state %q: dead letters are dead; leave it out", b.State)
	}
	if err := b.only(f.String()); err != nil {
		return nil, err
	}
	e, err := g.lane(ctx, b.To)
	if err != nil {
		return nil, err
	}
	r := dead.NewReplay(g.desk(ctx), e.Policy, f, b.IDs)
	r.To, r.Limit, r.Rate, r.DryRun = b.To, in.Body.Limit, in.Body.Rate, b.DryRun
	if r.Reason, err = reasonOf(b.Reason); err != nil {
		return nil, err
	}
	if err := r.Run(ctx); err != nil {
		return nil, err
	}
	out := &bulkOut{Tally{Count: r.Done.Jobs, DryRun: b.DryRun, Sample: r.Done.Sample}}
	for _, id := range slices.Sorted(maps.Keys(r.Refused)) {
		out.Body.refuse(id, r.Refused[id])
	}
	return out, nil
}

// refuse notes that it couldn't be done to a job.
func (t *Tally) refuse(id string, why error) {
	if t.Left++; len(t.Refused) < mostRefused {
		t.Refused = append(t.Refused, Refusal{id, why.Error()})
	}
}

// only refuses a choice that is by ids and by a filter, or by neither.
func (c Chosen) only(filter string) error {
	switch {
	case len(c.IDs) == 0 && filter == "":
		return invalid("say which: ids, or a filter such as lane or selector")
	case len(c.IDs) > 0 && filter != "":
		return invalid("say ids, or a filter (%s): not both", filter)
	default:
		return nil
	}
}

// bulk does something to all jobs that are chosen.
func (g *Gateway) bulk(ctx context.Context, in *bulkIn) (*bulkOut, error) {
	b, now := in.Body, g.Now()
	f, err := b.filter()
	if err != nil {
		return nil, err
	}
	words := b.words(f)
	if err := b.only(words); err != nil {
		return nil, err
	}
	w, err := g.work(ctx, in.Verb, b)
	if err != nil {
		return nil, err
	}
	w.Filter = words
	records := jobs.Named(ctx, g.desk(ctx), b.IDs)
	if len(b.IDs) == 0 {
		records = g.Ledger.Each(ctx, w.Narrow(f.Records(job.State(b.State), now), now))
	}
	if b.DryRun {
		out, err := count(records)
		if err == nil && out.Body.Count == 0 {
			err = g.nothingOf(ctx, b.Lane)
		}
		return out, err
	}
	out := &bulkOut{}
	w.Heard = func(all []jobs.Result) {
		for _, r := range all {
			if r.Err != nil {
				out.Body.refuse(r.Job.ID, r.Err)
			}
		}
	}
	err = w.Run(ctx, records)
	out.Body.Count, out.Body.Sample = w.Done.Jobs, w.Done.Sample
	if err == nil && out.Body.Count == 0 && out.Body.Left == 0 {
		err = g.nothingOf(ctx, b.Lane)
	}
	return out, err
}

// words says what is chosen by; "" for all.
func (c Chosen) words(f dead.Filter) string {
	words := f.String()
	switch {
	case c.State != "" && words != "":
		return words + ", state " + c.State
	case c.State != "":
		return "state " + c.State
	default:
		return words
	}
}

// work returns what is to be done to many jobs.
func (g *Gateway) work(ctx context.Context, verb string, b Bulk) (w *jobs.Work, err error) {
	e, err := g.lane(ctx, b.To)
	if err != nil {
		return nil, err
	}
	switch {
	case verb == "cancel":
		w = jobs.Cancel(g.desk(ctx), job.State(b.State))
	case verb == "retry":
		w = jobs.Retry(g.desk(ctx), e.Policy, b.To)
	case b.To == "":
		return nil, invalid("to: say which lane they are moved to")
	default:
		w = jobs.Move(g.desk(ctx), e.Policy, b.To)
	}
	w.Reason, err = reasonOf(b.Reason)
	return w, err
}

// count counts jobs by state.
func count(records iter.Seq2[job.Record, error]) (*bulkOut, error) {
	out := &bulkOut{Tally{DryRun: true, By: map[string]int{}}}
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		if r.State == "" {
			out.Body.refuse(r.ID, operate.NoJob(r.ID))
			continue
		}
		out.Body.Count++
		out.Body.By[string(r.State)]++
		if len(out.Body.Sample) < 20 {
			out.Body.Sample = append(out.Body.Sample, r.ID)
		}
	}
	return out, nil
}
