package rival

import (
	"time"

	"github.com/polyglot-media/siren/internal/sim"
)

// Static leaves the fleet as it is: each pool has its min.
type Static struct{}

// Every implements sim.Controller.
func (Static) Every() time.Duration { return time.Minute }

// Decide implements sim.Controller.
func (Static) Decide(*sim.View) sim.Wanted { return sim.Wanted{} }
