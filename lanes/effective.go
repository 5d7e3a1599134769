package lanes

// Effective is the policy in force, as the leading scaler publishes it: the file, and how lanes are taken right now.
type Effective struct {
	Revision int64             `json:"revision"` // grows with every change
	Policy   Policy            `json:"policy"`
	Turns    map[string]string `json:"turns,omitempty"`    // promoted lane → the lane it takes turns with
	NoGuests []string          `json:"noGuests,omitempty"` // pools that take no new guest jobs for now
	// Queues that the policy doesn't use (any more) and that aren't known to be empty: of lanes that left it, which are
	// served last, and of lanes that have changed their queue type, which are served before the lane's own.
	Former []Queue `json:"former,omitempty"`
	// What Policy would be without tunings and schedules, as it is written; nil when there are none.
	File    *Policy      `json:"file,omitempty"`
	Tunings []Tuning     `json:"tunings,omitempty"` // in force, one for each field; those of the file's schedules too
	Early   []Tuning     `json:"early,omitempty"`   // floors of schedules that begin soon: their workers start now
	Idle    []IdleTuning `json:"idle,omitempty"`    // can't be in force, and why
}

// Written returns the policy as it was written, without tunings.
func (e *Effective) Written() *Policy {
	if e.File != nil {
		return e.File
	}
	return &e.Policy
}
