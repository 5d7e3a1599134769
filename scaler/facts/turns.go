package facts

import (
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// Turns returns which lanes take turns with a more urgent one now. Nobody takes from a paused one.
func (h History) Turns(p *lanes.Policy, at time.Time) map[string]string {
	var turns map[string]string
	for _, l := range p.Lanes {
		if l.Promote != nil && !l.Paused && h.promoted(p, l, at) {
			if turns == nil {
				turns = map[string]string{}
			}
			turns[l.Name] = l.Promote.To
		}
	}
	return turns
}

// promoted reports whether a lane takes turns: its oldest job has waited long enough, and either the more urgent lane
// can spare turns, since its own oldest job has waited for less than half of its objective, or the lane's oldest job is
// as urgent by now, since no more time is left until its objective. So no lane loses its objective for one that has
// time.
func (h History) promoted(p *lanes.Policy, l lanes.Lane, at time.Time) bool {
	wait := h.Lanes[l.Name].OldestWait(at)
	if wait <= l.Promote.After.D() {
		return false
	}
	to, _ := p.Lane(l.Promote.To)
	spares := h.Lanes[to.Name].OldestWait(at) <= to.StartWithin.D()/2
	return spares || l.StartWithin.D()-wait <= to.StartWithin.D()
}
