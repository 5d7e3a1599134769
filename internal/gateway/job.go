package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/explain"
	"github.com/polyglot-media/siren/internal/operate/jobs"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/plain"
)

// ByID names a job.
type ByID struct {
	ID string `path:"id" maxLength:"256" doc:"The job's id."`
}

// Why is the reason for a change.
type Why struct {
	Reason string `query:"reason" doc:"Why, for the others and the audit log: at most 200 characters."`
}

type recordOut struct{ Body job.Record }

type verbOut struct {
	Body struct {
		ID   string    `json:"id"`
		Fate jobs.Fate `json:"fate" enum:"done,already" doc:"done, or already: it was as it is to be."`
		Lane string    `json:"lane,omitempty" doc:"The lane that it was put into."`
	}
}

func (g *Gateway) addJob() {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: "/v1/jobs/{id}" + path, Summary: summary, Tags: []string{"jobs"},
			Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
		}
	}
	verb := func(id, method, path, summary string) huma.Operation {
		o := op(id, method, path, summary)
		o.Errors = append(o.Errors, http.StatusConflict)
		return o
	}
	on(g, op("get-job", http.MethodGet, "", "Show everything known of a job"),
		func(ctx context.Context, in *ByID) (*recordOut, error) {
			r, err := g.find(ctx, in.ID)
			return &recordOut{r}, err
		}, auth.Producer, auth.Reader)
	on(g, op("get-job-logs", http.MethodGet, "/logs", "Show what a job's programs said last"), g.logs,
		auth.Producer, auth.Reader)
	on(g, op("explain-job", http.MethodGet, "/explain", "Explain where a job is, why it waits, and when it starts"),
		g.explainJob, auth.Producer, auth.Reader)

	on(g, verb("cancel-job", http.MethodDelete, "", "Call off a job, a running one too"),
		func(ctx context.Context, in *struct {
			ByID
			Why
		},
		) (*verbOut, error) {
			return g.do(ctx, in.ID, in.Reason, jobs.Cancel(g.desk(ctx), ""))
		}, auth.Producer, auth.Operator)
	on(g, verb("retry-job", http.MethodPost, "/retry", "Run a dead, retrying, cancelled or missing job again at once"),
		func(ctx context.Context, in *struct {
			ByID
			Why
		},
		) (*verbOut, error) {
			e, err := operate.InForce(ctx, g.Board)
			if err != nil {
				return nil, err
			}
			return g.do(ctx, in.ID, in.Reason, jobs.Retry(g.desk(ctx), e.Policy, ""))
		}, auth.Producer, auth.Operator)
	on(g, verb("promote-job", http.MethodPost, "/promote", "Put a queued job into another lane: the most urgent one, "+
		"unless a lane is given"),
		func(ctx context.Context, in *struct {
			ByID
			Why
			Lane string `query:"lane" doc:"The lane to put it into."`
		},
		) (*verbOut, error) {
			e, err := operate.InForce(ctx, g.Board)
			if err != nil {
				return nil, err
			}
			if in.Lane == "" {
				in.Lane = e.Policy.Lanes[0].Name
			}
			if err := operate.RequireLane(e, in.Lane, false); err != nil {
				return nil, err
			}
			return g.do(ctx, in.ID, in.Reason, jobs.Move(g.desk(ctx), e.Policy, in.Lane))
		}, auth.Operator)
}

// find returns a job's record, if whoever asks may see it.
func (g *Gateway) find(ctx context.Context, id string) (job.Record, error) {
	r, err := g.Ledger.Find(ctx, id)
	if errors.Is(err, redislink.ErrNotFound) {
		return r, noJob(id)
	}
	if err == nil {
		err = mine(ctx, r)
	}
	return r, err
}

// do does something about one job.
func (g *Gateway) do(ctx context.Context, id, reason string, w *jobs.Work) (*verbOut, error) {
	if _, err := g.find(ctx, id); err != nil {
		return nil, err
	}
	var err error
	if w.Reason, err = reasonOf(reason); err != nil {
		return nil, err
	}
	var result jobs.Result
	w.Heard = func(all []jobs.Result) { result = all[0] }
	if err := w.Run(ctx, jobs.Named(ctx, g.desk(ctx), []string{id})); err != nil {
		return nil, err
	}
	out := &verbOut{}
	out.Body.ID, out.Body.Fate, out.Body.Lane = id, result.Fate, result.Lane
	return out, result.Err
}

// mostReason is how many characters a reason has.
const mostReason = 200

// reasonOf returns a reason as it is kept: on one line, and without secrets.
func reasonOf(text string) (string, error) {
	if n := utf8.RuneCountInString(text); n > mostReason {
		return "", invalid("the reason has %d characters; say it in %d", n, mostReason)
	}
	return strings.Map(func(c rune) rune {
		if plain.Steers(c) {
			return ' '
		}
		return c
	}, plain.HideSecrets(text)), nil
}

type logsOut struct {
	Body struct {
		Log string `json:"log" doc:"The last lines, of the latest attempt."`
	}
}

// logs returns what a job's programs said last; "" when nothing is kept.
func (g *Gateway) logs(ctx context.Context, in *ByID) (*logsOut, error) {
	if _, err := g.find(ctx, in.ID); err != nil {
		return nil, err
	}
	text, err := g.Ledger.Log(ctx, in.ID)
	if errors.Is(err, redislink.ErrNotFound) {
		err = nil
	}
	out := &logsOut{}
	out.Body.Log = plain.HideSecrets(text)
	return out, err
}

type explainOut struct{ Body explain.Explanation }

// explainJob explains a job. A tenant isn't told of the scaler's plans.
func (g *Gateway) explainJob(ctx context.Context, in *ByID) (*explainOut, error) {
	if _, err := g.find(ctx, in.ID); err != nil {
		return nil, err
	}
	s, err := g.sight(ctx)
	if err != nil {
		return nil, err
	}
	x, err := s.Job(ctx, in.ID)
	if who(ctx).Tenant != "" {
		x.Plans = nil
	}
	x.Says = append([]string{}, x.Says...)
	return &explainOut{x}, err
}
