package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/rabbit/probe"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/role"
)

// queues looks whether the queues are there as the policy asks for them, and what may be done with them.
func (x *examiner) queues(ctx context.Context) {
	all := probe.WantedQueues(x.Policy, x.version)
	types := typesOf(all)
	x.add(judgeTypes(x.version, types)...)
	x.add(judgeTimeout(x.version, types, x.Policy))
	var missing, doubtful []string
	depths := map[string]fleet.Depth{}
	same := 0
	for _, w := range all {
		d, err := x.look(ctx, w.Name)
		if errors.Is(err, rabbitlink.ErrUndeclared) {
			missing = append(missing, w.Name)
			continue
		}
		if err == nil {
			depths[w.Name] = d
			if w.Lane != "" && doubted(w.Type, d) {
				doubtful = append(doubtful, w.Name)
			}
			if x.has(role.Scaler) && x.compare(ctx, w) {
				same++
			}
		}
		if away(err) { // one question is enough
			continue
		}
		r := role.Worker
		if w.Lane == "" {
			r = role.Scaler
		}
		x.reads(ctx, w.Name, r, role.Gateway)
	}
	if x.has(role.Scaler) {
		x.declares(ctx)
		x.exchanges(ctx)
	}
	x.add(judgeQueues(len(all), same, missing, x.has(role.Scaler))...)
	x.add(judgeDepths(all, depths)...)
	if len(doubtful) > 0 && !x.Managed {
		x.add(judgeDoubtful(doubtful))
	}
	x.leftovers(ctx, all)
}

// reads tries whether the queue can be read, for those of the roles that are looked at.
func (x *examiner) reads(ctx context.Context, queue string, roles ...string) {
	roles = slices.DeleteFunc(roles, func(role string) bool { return !x.has(role) })
	if len(roles) == 0 || !errors.Is(x.Consume(ctx, queue), lanes.ErrRefused) {
		return
	}
	for _, role := range roles {
		x.refused(role, "read "+patternOf(queue))
	}
}

// typesOf lists the types among the queues.
func typesOf(all []probe.Wanted) (types []string) {
	for _, w := range all {
		if !slices.Contains(types, w.Type) {
			types = append(types, w.Type)
		}
	}
	return types
}

// away reports whether a queue is there, and its leader or its node isn't.
func away(err error) bool {
	return errors.Is(err, rabbitlink.ErrSilent) || errors.Is(err, rabbitlink.ErrDown)
}

// doubted reports whether that may also be the answer for a queue whose leader is away.
func doubted(kind string, d fleet.Depth) bool { return kind == lanes.Quorum && d == (fleet.Depth{}) }

// look asks for a queue. Who isn't told of it learns from a consume that is refused whether it is there.
func (x *examiner) look(ctx context.Context, queue string) (fleet.Depth, error) {
	d, err := x.Depth(ctx, queue)
	switch {
	case err == nil, errors.Is(err, rabbitlink.ErrUndeclared):
	case errors.Is(err, lanes.ErrRefused):
		if x.has(role.Scaler) {
			x.refused(role.Scaler, "configure "+patternOf(queue))
		}
		if consumed := x.Consume(ctx, queue); errors.Is(consumed, rabbitlink.ErrUndeclared) || away(consumed) {
			if away(consumed) {
				x.add(judgeAway(queue, consumed))
			}
			return d, consumed
		}
	case away(err):
		x.add(judgeAway(queue, err))
	case probe.Exclusive(err):
		x.add(checkQueues.Error(fmt.Sprintf("queue %q is exclusive to another connection: %v", queue, err),
			"nobody else may use it",
			"find out who declared it (rabbitmqctl list_queues name owner_pid), and have it deleted"))
	default:
		x.add(checkQueues.Error(fmt.Sprintf("queue %q: %v", queue, err), "a queue that doesn't answer can't be used",
			"rabbitmq-diagnostics list_unresponsive_queues, and the broker's log"))
	}
	return d, err
}

// compare reports whether a queue that is there has the arguments that are asked for.
func (x *examiner) compare(ctx context.Context, w probe.Wanted) (same bool) {
	err := x.Compare(ctx, w)
	var m *topology.MismatchError
	switch {
	case errors.Is(err, lanes.ErrRefused):
		x.refused(role.Scaler, refusal("declare", err))
	case errors.As(err, &m):
		x.add(checkQueues.Warning(m.What(), "it is used as it is, without what the argument is for", m.Fix()))
	}
	return err == nil
}

// declares tries what a scaler does with lanes.
func (x *examiner) declares(ctx context.Context) {
	switch err := x.DeclareLane(ctx, x.Policy); {
	case err == nil, errors.Is(err, rabbitlink.ErrUndeclared): // no exchange yet
	case errors.Is(err, lanes.ErrRefused):
		x.refused(role.Scaler, refusal("declare and bind lanes", err))
	default:
		x.add(doctor.Check("broker.declare").Error(fmt.Sprintf("declare and bind a queue: %v", err),
			"the scaler can't declare lanes", "the broker's log says why"))
	}
}

// exchanges looks whether the exchanges are there as they have to be.
func (x *examiner) exchanges(ctx context.Context) {
	const check = doctor.Check("broker.exchanges")
	for _, name := range []string{topology.DefaultExchange, topology.JobsExchange} {
		err := x.CompareExchange(ctx, name)
		var m *topology.MismatchError
		switch {
		case err == nil:
			x.add(check.OK(fmt.Sprintf("exchange %q is as it has to be", name)))
		case errors.Is(err, lanes.ErrRefused):
			x.refused(role.Scaler, refusal("declare exchanges", err))
		case errors.Is(err, rabbitlink.ErrUndeclared):
			x.add(check.Warning(fmt.Sprintf("exchange %q is not declared", name),
				"jobs can't be enqueued, or a wrong routing key loses them",
				"start `siren scaler`, which declares it; if one runs, its log says why it doesn't"))
		case errors.As(err, &m):
			x.add(check.Error(m.What(), "jobs with a wrong routing key are lost, or none arrives", m.Fix()))
		}
	}
}

// leftovers looks for queues of lanes that left the policy, and of the type that a lane had before.
func (x *examiner) leftovers(ctx context.Context, all []probe.Wanted) {
	known := slices.Clone(x.Known)
	for _, lane := range x.Policy.LaneNames() { // Redis may have lost what it knew
		known = append(known, lanes.Queue{Lane: lane, Type: lanes.Classic}, lanes.Queue{Lane: lane, Type: lanes.Quorum})
	}
	for _, q := range known {
		name := topology.QueueName(q)
		if slices.ContainsFunc(all, func(w probe.Wanted) bool { return w.Name == name }) {
			continue
		}
		all = append(all, probe.Wanted{Name: name}) // each once
		if d, err := x.look(ctx, name); err == nil {
			_, current := x.Policy.Lane(q.Lane)
			x.add(judgeLeftover(q, d, current))
		}
	}
}
