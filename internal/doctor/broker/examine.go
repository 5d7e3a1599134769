package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/rabbit/probe"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/role"
)

// Examination is what Examine is told.
type Examination struct {
	// Dial opens a connection of its own for a purpose: an alarm, and a refusal, stops all else on one.
	Dial   func(purpose string) (*rabbitlink.Conn, error)
	Policy *lanes.Policy // nil: not known, so queues and rights on them aren't looked at
	Known  []lanes.Queue // queues that lanes ever had; those that the policy doesn't use any more may still be there
	Roles  []string      // what the user is to be: role.All or some of them
	// Managed is whether the management API is asked, too: it knows more of quorum queues.
	Managed bool
}

// Examine looks at the broker as the processes of these roles would use it. It returns within some seconds after ctx
// has ended.
func Examine(ctx context.Context, e Examination) []doctor.Finding {
	p, err := probe.New(e.Dial)
	if err != nil {
		return []doctor.Finding{judgeUnreachable(err)}
	}
	defer p.Close()
	s, err := p.Reach(ctx)
	if err != nil {
		return []doctor.Finding{judgeUnreachable(err)}
	}
	x := &examiner{Examination: e, Probe: p, version: s.Version, refusals: map[string][]string{}}
	x.add(judgeReached(s)...)
	x.publishes(ctx)
	if e.Policy == nil {
		x.add(checkQueues.Note("queues and rights on them weren't looked at: no policy is known",
			"the policy says which queues there have to be",
			"say --policy FILE, or start `siren scaler`, which publishes the policy in force"))
	} else {
		x.queues(ctx)
	}
	for _, role := range e.Roles {
		x.add(judgeRights(role, s.User, s.Vhost, len(e.Roles) > 1, x.refusals[role]))
	}
	return x.found
}

type examiner struct {
	Examination
	*probe.Probe
	version  string
	found    []doctor.Finding
	refusals map[string][]string // by role: what the user may not do
}

func (x *examiner) add(found ...doctor.Finding) { x.found = append(x.found, found...) }

// refused notes what a user of the role may not do.
func (x *examiner) refused(role, what string) {
	if !slices.Contains(x.refusals[role], what) {
		x.refusals[role] = append(x.refusals[role], what)
	}
}

func (x *examiner) has(role string) bool { return slices.Contains(x.Roles, role) }

// publishes tries each exchange that a role publishes to, and so learns of an alarm.
func (x *examiner) publishes(ctx context.Context) {
	alarm, tried := "", false
	for _, to := range []struct {
		exchange string
		roles    []string
	}{
		{topology.JobsExchange, []string{role.Scaler, role.Producer, role.Gateway}},
		{"", []string{role.Worker, role.Gateway}},
	} {
		roles := slices.DeleteFunc(to.roles, func(role string) bool { return !x.has(role) })
		if len(roles) == 0 {
			continue
		}
		why, err := x.Publish(ctx, to.exchange)
		alarm = cmp.Or(why, alarm)
		switch {
		case err == nil, errors.Is(err, rabbitlink.ErrUndeclared): // queues says so
			tried = true
		case errors.Is(err, lanes.ErrRefused):
			for _, role := range roles {
				x.refused(role, "publish to exchange "+cmp.Or(to.exchange, "amq.default"))
			}
		default:
			x.add(doctor.Check("broker.publish").Error(fmt.Sprintf("publishing to %s: %v", cmp.Or(to.exchange,
				"the default exchange"), err),
				"jobs, retries and dead letters are published",
				"the broker's log says why; `rabbitmq-diagnostics check_local_alarms` and `status` beside it"))
		}
	}
	if tried || alarm != "" {
		x.add(judgeAlarm(alarm))
	}
}
