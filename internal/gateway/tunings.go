package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/calendar"
	"github.com/polyglot-media/siren/lanes/fleet"
)

type tuningsOut struct {
	ETag string `header:"ETag"`
	Body tune.List
}

// Changing says which tuning is changed, and how.
type Changing struct {
	Field string `path:"field" maxLength:"300" doc:"Of the policy, as in budget; to remove, FIELD@SCHEDULE too."`
	Match string `header:"If-Match" doc:"Change nothing unless the tunings still have this ETag, of an earlier answer."`
	Dry   bool   `query:"dryRun" doc:"Change nothing, and show the plans that it leads to, before and after."`
}

type setIn struct {
	Changing
	Body Setting
}

// Setting is another value for a field of the policy, for a while: from now on, or by a schedule.
type Setting struct {
	Value  json.RawMessage `json:"value" doc:"As the policy file would have it."`
	For    lanes.Duration  `json:"for,omitempty" doc:"How long, as in 2h; left out, until it is removed."`
	Reason string          `json:"reason,omitempty" maxLength:"200" doc:"Why, for the others and the audit log."`

	At       string `json:"at,omitempty" maxLength:"40" doc:"When it starts: fri 18:00, 18:00 or 2026-12-24 18:00."`
	Every    string `json:"every,omitempty" enum:"day,week" doc:"Repeat it so often; needs at."`
	Cron     string `json:"cron,omitempty" maxLength:"100" doc:"Instead of at and every: 0 18 * * fri; needs schedule."`
	Timezone string `json:"timezone,omitempty" maxLength:"60" doc:"Of at and cron: Europe/Berlin; left out, UTC."`
	Schedule string `json:"schedule,omitempty" maxLength:"40" doc:"Its name; left out, what it is about and when."`
}

type removeIn struct {
	Changing
	Why
}

type changeOut struct {
	ETag string `header:"ETag"`
	Body Change
}

// Change is a change of the tunings, and how far it has got.
type Change struct {
	Field  string       `json:"field"`
	Was    string       `json:"was"`
	Is     string       `json:"is"`
	DryRun bool         `json:"dryRun,omitempty"`
	State  string       `json:"state,omitempty" doc:"How far scaler and workers follow it."`
	Says   []string     `json:"says,omitempty" doc:"What is odd about the policy, and which tunings can't be in force."`
	Before []fleet.Plan `json:"plansBefore,omitempty" doc:"Of a dry run: the plans of now."`
	After  []fleet.Plan `json:"plansAfter,omitempty" doc:"Of a dry run: the plans that it leads to."`
	Until  *time.Time   `json:"until,omitempty" doc:"When it ends by itself."`

	Schedule string               `json:"schedule,omitempty" doc:"The name of its schedule."`
	Next     *calendar.Occurrence `json:"next,omitempty" doc:"When what is scheduled is in force now, or will be next."`
}

func (g *Gateway) addTunings() {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: "/v1/tunings" + path, Summary: summary, Tags: []string{"tunings"},
			Errors: []int{
				http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed,
				http.StatusUnprocessableEntity,
			},
			MaxBodyBytes: oneBody,
		}
	}
	on(g, op("list-tunings", http.MethodGet, "", "List the tunings, with the values that the policy file has"),
		func(ctx context.Context, _ *struct{}) (*tuningsOut, error) {
			l, err := g.tuneDesk(ctx).List(ctx)
			return &tuningsOut{etag(l.Revision), l}, err
		}, auth.Reader)
	on(g, op("set-tuning", http.MethodPut, "/{field}", "Override a field of the policy for a while"), g.setTuning,
		auth.Operator)
	on(g, op("remove-tuning", http.MethodDelete, "/{field}", "End a tuning: the policy file counts again"),
		g.removeTuning, auth.Operator)
}

func etag(revision int64) string { return strconv.Quote(strconv.FormatInt(revision, 10)) }

// terms returns the terms of a change.
func (c Changing) terms(reason string, period time.Duration) (t tune.Terms, err error) {
	t = tune.Terms{DryRun: c.Dry, For: period}
	if t.Reason, err = reasonOf(reason); err != nil {
		return t, err
	}
	if c.Match == "" || c.Match == "*" {
		return t, nil
	}
	n, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(c.Match, "W/"), `"`), 10, 64)
	if err != nil {
		return t, huma.Error400BadRequest(
			`If-Match: write the ETag of an earlier answer, a revision as in "12"`)
	}
	t.Revision = &n
	return t, nil
}

// setTuning puts another value into force.
func (g *Gateway) setTuning(ctx context.Context, in *setIn) (*changeOut, error) {
	if in.Body.For < 0 {
		return nil, invalid("for %q: say how long from now on, as in 2h", in.Body.For)
	}
	terms, err := in.terms(in.Body.Reason, in.Body.For.D())
	if err != nil {
		return nil, err
	}
	b := in.Body
	terms.Name = b.Schedule
	if w := (lanes.When{At: b.At, Every: b.Every, Cron: b.Cron, Timezone: b.Timezone}); w != (lanes.When{}) {
		terms.When = &w
	}
	c, err := g.tuneDesk(ctx).Set(ctx, terms, tune.To(in.Field, b.Value))
	return g.changed(ctx, in.Changing, terms, c, err)
}

// removeTuning ends a tuning.
func (g *Gateway) removeTuning(ctx context.Context, in *removeIn) (*changeOut, error) {
	terms, err := in.terms(in.Reason, 0)
	if err != nil {
		return nil, err
	}
	c, err := g.tuneDesk(ctx).Remove(ctx, terms, in.Field)
	return g.changed(ctx, in.Changing, terms, c, err)
}

// changed says what a change has led to, or would lead to.
func (g *Gateway) changed(
	ctx context.Context, in Changing, terms tune.Terms, c tune.Change, err error,
) (*changeOut, error) {
	desk := g.tuneDesk(ctx)
	if err != nil {
		if terms.Revision != nil {
			if l, failed := desk.List(ctx); failed == nil && l.Revision != *terms.Revision {
				return nil, huma.Error412PreconditionFailed(err.Error())
			}
		}
		return nil, err
	}
	out := &changeOut{Body: Change{Field: in.Field, DryRun: in.Dry, Was: c.Before[0]}}
	b := &out.Body
	if len(c.Set) > 0 {
		b.Is, b.Schedule = c.Set[0].Spelled(), c.Set[0].Name
		if when := c.Set[0].When; when != nil {
			if o, comes := when.Next(c.At); comes {
				b.Next = &o
			}
		}
		if !c.Set[0].Until.IsZero() {
			b.Until = &c.Set[0].Until
		}
	} else {
		b.Is, b.Schedule = c.File[0], c.Removed[0].Name
	}
	for _, odd := range c.Odd {
		b.Says = append(b.Says, odd.Path+": "+odd.Message)
	}
	for _, idle := range c.Idled {
		b.Says = append(b.Says, "the tuning of "+idle.Field+" can't be in force any more: "+idle.Why)
	}
	for _, m := range c.Missed {
		b.Says = append(b.Says, m.String())
	}
	if _, waits := c.Starts(); waits {
		b.State = desk.Await(ctx, c).String()
	} else if in.Dry {
		o, err := desk.Foresee(ctx, c)
		b.Before, b.After = o.Before, o.After
		if err != nil {
			b.Says = append(b.Says, err.Error())
		}
	} else {
		b.State = desk.Await(ctx, c).String()
	}
	l, err := desk.List(ctx)
	out.ETag = etag(l.Revision)
	return out, err
}
