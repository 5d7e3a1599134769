package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

// Pool explains a pool.
func (s *Sight) Pool(ctx context.Context, name string) (Explanation, error) {
	x := Explanation{Kind: "pool", Name: name}
	if err := operate.RequirePool(s.policy, name); err != nil {
		return x, err
	}
	q, _ := s.policy.Policy.Pool(name)
	p, _ := s.poolStatus(name)
	x.say("Pool %s has %s, between min %d and max %d: %d %s jobs, %d starting, %d parked, %d retired, %d stuck.",
		name, say.Plural(p.Replicas, "worker"), p.Min, p.Max, p.Ready, say.Verb(p.Ready, "takes",
			"take"), p.Starting, p.Parked, p.Retired, p.Stuck)
	x.say("%d of their %s %s busy.", p.Busy, say.Plural(p.Slots, "shared slot"), say.Verb(p.Busy, "is", "are"))
	x.say("Why this many: %s (%s).", p.Why, p.Reason)
	for _, lane := range q.Lanes {
		l, _ := s.laneStatus(lane)
		x.say("%s", s.waiting(l))
	}
	used := 0
	for _, other := range s.snap.Pools {
		used += other.Replicas
	}
	x.say("The budget: %d of %d used by all pools. Before it shrinks, its largest plan is kept for %s.", used,
		s.snap.Budget, say.Short(p.Hold.D()))
	for _, t := range slices.Concat(s.tuned, s.policy.Written().ScheduledTunings()) {
		switch {
		case t.Field != lanes.BudgetField && !strings.HasPrefix(t.Field, "pools."+name+"."):
		case t.When != nil:
			x.say("%s", s.planned(t))
		default:
			x.say("%s is tuned to %s%s.", t.Field, t.Spelled(), s.tunedBy(t.Field))
		}
	}
	x.Limits = append(s.doubts(), s.poolLimits(name, "")...)
	for _, lane := range q.Lanes {
		if s.policy.Policy.Paused(lane) {
			x.Limits = append(x.Limits, fmt.Sprintf("lane %s is paused%s: the pool isn't sized for it", lane,
				s.tunedBy(lanes.LaneField(lane, "paused"))))
		}
	}
	var err error
	x.Plans, err = s.plans(ctx, name)
	return x, err
}
