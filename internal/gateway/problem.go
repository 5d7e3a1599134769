package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/work"
)

// statuses is the HTTP status of each kind of error.
var statuses = map[operate.Kind]int{
	operate.NotFound: http.StatusNotFound, operate.Conflict: http.StatusConflict,
	operate.Invalid: http.StatusUnprocessableEntity, operate.NotPossible: http.StatusConflict,
	operate.Unreachable: http.StatusServiceUnavailable, operate.Refused: http.StatusServiceUnavailable,
}

// retryAfter is how many seconds whoever meets a passing trouble should wait.
const retryAfter = 2

// problem returns an error as the problem (RFC 9457) that is answered: with the words that the command line has, and
// without secrets. What nobody foresaw is logged, and told without its words.
func (g *Gateway) problem(ctx context.Context, err error) error {
	var already huma.StatusError
	if errors.As(err, &already) {
		return err
	}
	status, known := statuses[operate.KindOf(err)]
	switch {
	case errors.Is(err, operate.ErrNoPolicy):
		status = http.StatusServiceUnavailable // one will be
	case known:
	case errors.Is(err, client.ErrNoPolicy), errors.Is(err, client.ErrUncertain), errors.Is(err, client.ErrUnderWay),
		errors.Is(err, lanes.ErrAway), errors.Is(err, context.DeadlineExceeded):
		status = http.StatusServiceUnavailable
	case errors.Is(err, client.ErrNotFound):
		status = http.StatusNotFound
	case work.KindOf(err) == work.BadInput:
		status = http.StatusUnprocessableEntity
	case ctx.Err() != nil:
		status = http.StatusServiceUnavailable // nobody is there any more to read it
	default:
		g.log.Error("a request failed", "error", err)
		return huma.Error500InternalServerError("this shouldn't happen; the gateway's log says more")
	}
	return later(status, huma.NewError(status, plain.HideSecrets(err.Error())))
}

// said is what huma says of a request that isn't as the document has it; where, and what, is only in its errors.
const said = "validation failed"

// newProblem makes a problem whose detail says what is wrong.
func newProblem(make func(int, string, ...error) huma.StatusError) func(int, string, ...error) huma.StatusError {
	return func(status int, message string, errs ...error) huma.StatusError {
		p := make(status, message, errs...)
		if m, ok := p.(*huma.ErrorModel); ok && m.Detail == said && len(m.Errors) > 0 {
			m.Detail = m.Errors[0].Message
			if at := m.Errors[0].Location; at != "" {
				m.Detail = at + ": " + m.Detail
			}
		}
		return p
	}
}

func init() { huma.NewError = newProblem(huma.NewError) }

// later tells when to ask again, if that helps.
func later(status int, err error) error {
	if status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests {
		return err
	}
	return again(err)
}

// again tells when to ask again.
func again(err error) error {
	return huma.ErrorWithHeaders(err, http.Header{"Retry-After": {strconv.Itoa(retryAfter)}})
}

// invalid is a request that can't be meant so.
func invalid(format string, args ...any) error { return operate.Invalid.Errorf(format, args...) }

// noJob is that there is no such job: also of somebody else's.
func noJob(id string) error { return operate.NoJob(id) }

// mine returns noJob for a job that isn't theirs.
func mine(ctx context.Context, r job.Record) error {
	if t := who(ctx).Tenant; t != "" && r.Labels[dead.TenantLabel] != t {
		return noJob(r.ID)
	}
	return nil
}
