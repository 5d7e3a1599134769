package sim

import (
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// inForce returns the policy with those of its schedules that are in force at a time, as the loop lays them. It is
// worked out again only when it may be another one.
func (s *Siren) inForce(at time.Time) *lanes.Policy {
	if len(s.policy.Schedules) == 0 {
		return s.policy
	}
	lead := func(pool string) time.Duration { return s.history.Pools[pool].Lead(s.policy.Timing.ColdStart.D()) }
	leads := make([]time.Duration, len(s.policy.Pools))
	for i, q := range s.policy.Pools {
		leads[i] = lead(q.Name)
	}
	known := s.laid.Policy != nil && (s.laid.Changes.IsZero() || at.Before(s.laid.Changes))
	if !known || !slices.Equal(leads, s.leads) {
		s.laid, s.leads = s.policy.Lay(nil, at, lead), leads
	}
	return s.laid.Policy
}

// follow puts a policy into force that differs from the one before in what schedules can change, and says whether it
// does.
func (p *Plant) follow(next *lanes.Policy) bool {
	if next == nil || next == p.policy {
		return false
	}
	p.policy, p.effective.Policy = next, *next
	for i := range p.lanes {
		p.lanes[i].Lane = next.Lanes[i]
	}
	for before := -1; before != p.existing; { // a larger budget has room for those that wait for it
		before = p.existing
		p.placeNext()
	}
	return true
}
