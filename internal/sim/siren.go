package sim

import (
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/scaler/facts"
	"github.com/polyglot-media/siren/scaler/law"
)

// Siren is the project's own scaler: the same code as in production.
type Siren struct {
	policy  *lanes.Policy
	history facts.History
	laid    lanes.Laid      // with the schedules that are in force
	leads   []time.Duration // of the pools, when it was laid
}

// NewSiren returns a scaler that remembers nothing.
func NewSiren(p *lanes.Policy) *Siren { return &Siren{policy: p} }

// Every returns the scaler's tick.
func (*Siren) Every() time.Duration { return time.Second }

// Decide implements Controller.
func (s *Siren) Decide(v *View) Wanted {
	var d law.Decision
	o := v.Observation()
	p := s.inForce(o.At)
	d, s.history = law.Plan(p, o, s.history)
	return Wanted{Plans: d.Plans, Turns: d.Turns, NoGuests: d.NoGuests, Policy: p}
}
