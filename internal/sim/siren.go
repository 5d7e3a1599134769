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
}

// NewSiren returns a scaler that remembers nothing.
func NewSiren(p *lanes.Policy) *Siren { return &Siren{policy: p} }

// Every returns the scaler's tick.
func (*Siren) Every() time.Duration { return time.Second }

// Decide implements Controller.
func (s *Siren) Decide(v *View) Wanted {
	var d law.Decision
	d, s.history = law.Plan(s.policy, v.Observation(), s.history)
	return Wanted{Plans: d.Plans, Turns: d.Turns, NoGuests: d.NoGuests}
}
