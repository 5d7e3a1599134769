package law

import (
	"cmp"
	"slices"

	"github.com/polyglot-media/siren/lanes"
)

// urgency is the policy's lanes in the order that they have now: a promoted lane is as urgent as the one it takes turns
// with. It has each lane's place at hand, for a tick asks for every lane's more than once.
type urgency struct {
	lanes  []lanes.Lane
	places map[string]int
	turns  map[string]string
}

func newUrgency(p *lanes.Policy, turns map[string]string) urgency {
	u := urgency{p.Lanes, make(map[string]int, len(p.Lanes)), turns}
	for i := range p.Lanes {
		u.places[p.Lanes[i].Name] = i
	}
	return u
}

// lane returns the policy's lane with that name.
func (u urgency) lane(name string) lanes.Lane {
	if i, ok := u.places[name]; ok {
		return u.lanes[i]
	}
	return lanes.Lane{}
}

// rank returns how urgent a lane is now, 0 the most urgent; a lane that the policy doesn't have comes last.
func (u urgency) rank(lane string) int {
	if to, ok := u.turns[lane]; ok {
		lane = to
	}
	return u.place(lane)
}

func (u urgency) place(lane string) int {
	if i, ok := u.places[lane]; ok {
		return i
	}
	return len(u.lanes)
}

// sorted returns the lanes by their urgency; those of the same urgency keep the policy's order.
func (u urgency) sorted(names []string) []string {
	order := slices.Clone(names)
	slices.SortStableFunc(order, func(x, y string) int {
		return cmp.Or(cmp.Compare(u.rank(x), u.rank(y)), cmp.Compare(u.place(x), u.place(y)))
	})
	return order
}
