package lanes

// WhatIf asks the leading scaler what would come of other tunings than those in force.
type WhatIf struct {
	Tunings []Tuning `json:"tunings"` // all that would be there
}

// Foresight is the leader's answer: its last plans, and what they would have been.
type Foresight struct {
	Leader string `json:"leader"`
	Before []Plan `json:"before"`
	After  []Plan `json:"after"`
	Error  string `json:"error,omitempty"` // why there is no answer
}
