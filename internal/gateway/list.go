package gateway

import (
	"context"
	"time"

	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/lanes/job"
)

type listIn struct {
	Choice
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many at most: see the operation."`
	After string `query:"after" doc:"Go on behind an earlier answer: what its next said."`
}

// Choice is the parameters that choose jobs.
type Choice struct {
	Lane     string `query:"lane" doc:"Only jobs of this lane."`
	State    string `query:"state" enum:"queued,running,retrying,completed,dead,cancelled,missing" doc:"In this state."`
	Kind     string `query:"kind" doc:"Only jobs of this kind."`
	Selector string `query:"selector" doc:"Only jobs whose labels match, as in tier=premium,batch!=true."`
	Since    string `query:"since" doc:"Only jobs at most this old, as in 2h."`
	Older    string `query:"olderThan" doc:"Only jobs at least this old, as in 2h."`
}

type listOut struct {
	Body struct {
		Jobs []job.Record `json:"jobs" nullable:"false"`
		Next string       `json:"next,omitempty" doc:"There may be more: go on with after=…"`
	}
}

// mostLooked is how many records are looked through for an answer: all of a million take half a minute.
const mostLooked = 5_000

// listJobs lists the jobs that whoever asks may see.
func (g *Gateway) listJobs(ctx context.Context, in *listIn) (*listOut, error) {
	q, err := in.filter(ctx, g.Now())
	if err != nil {
		return nil, err
	}
	out, err := g.page(ctx, q, in.Limit, in.After)
	if err == nil && len(out.Body.Jobs) == 0 && in.After == "" {
		err = g.nothingOf(ctx, in.Lane)
	}
	return out, err
}

// page lists a page of the chosen records.
func (g *Gateway) page(ctx context.Context, q jobrecord.Filter, limit int, after string) (*listOut, error) {
	if after != "" && !jobrecord.IsCursor(after) {
		return nil, invalid("after=%q: write what an earlier answer's next said", after)
	}
	q.Limit, q.After, q.Look = limit, after, mostLooked
	page, err := g.Ledger.List(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &listOut{}
	out.Body.Jobs, out.Body.Next = append([]job.Record{}, page.Records...), page.Next
	return out, nil
}

// filter returns the filter that the parameters mean.
func (c Choice) filter(ctx context.Context, now time.Time) (jobrecord.Filter, error) {
	f := dead.Filter{Lane: c.Lane, Kind: c.Kind, Selector: c.Selector, Tenant: who(ctx).Tenant}
	if err := dead.CheckSelector(c.Selector); err != nil {
		return jobrecord.Filter{}, invalid("selector=%q: %w", c.Selector, err)
	}
	var err error
	if f.Since, err = ago("since", c.Since); err != nil {
		return jobrecord.Filter{}, err
	}
	if f.OlderThan, err = ago("olderThan", c.Older); err != nil {
		return jobrecord.Filter{}, err
	}
	return f.Records(job.State(c.State), now), nil
}

// ago reads how long ago something was; 0 for "".
func ago(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, invalid("%s=%q: say how long ago, as in 2h or 90s", name, text)
	}
	return d, nil
}
