package lanes

import "time"

// AuditEntry is one thing that a person did to the running system, or that ended by itself.
type AuditEntry struct {
	At     time.Time `json:"at"`               // by Redis' clock
	By     string    `json:"by"`               // who it was by their own account: a system user, with the kube context where there is one
	Login  string    `json:"login,omitempty"`  // the Redis user that it was done with
	Verb   string    `json:"verb"`             // tune, remove, expire, move, migrate, purge, promote, cancel, retry, replay
	On     string    `json:"on"`               // the field, lane or job
	Before string    `json:"before,omitempty"` // the value, lane or state
	After  string    `json:"after,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	Jobs   int       `json:"jobs,omitempty"` // move, migrate, purge, replay: how many
}
