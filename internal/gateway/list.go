package gateway

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/lanes/job"
)

type listIn struct {
	Choice
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many at most."`
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

// listJobs lists the jobs that whoever asks may see.
func (g *Gateway) listJobs(ctx context.Context, in *listIn) (*listOut, error) {
	q, err := in.filter(ctx, g.Now())
	if err != nil {
		return nil, err
	}
	q.Limit, q.After = in.Limit, in.After
	if in.After != "" && !jobrecord.IsCursor(in.After) {
		return nil, invalid("after=%q: write what an earlier answer's next said", in.After)
	}
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
	q := jobrecord.Filter{Lane: c.Lane, State: job.State(c.State), Kind: c.Kind}
	if _, err := labels.Parse(c.Selector); err != nil {
		return q, invalid("selector=%q: %w", c.Selector, err)
	}
	since, err := ago("since", c.Since)
	if err != nil {
		return q, err
	}
	older, err := ago("olderThan", c.Older)
	if err != nil {
		return q, err
	}
	if since > 0 {
		q.Since = now.Add(-since)
	}
	if older > 0 {
		q.Until = now.Add(-older)
	}
	q.Match = dead.Filter{Selector: c.Selector, Tenant: who(ctx).Tenant}.Chooser(now)
	return q, nil
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
