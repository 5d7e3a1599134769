// Package role is what a process or a person may be: each has a login of its own, with the rights that it needs.
package role

// The roles that a process may have, and what each needs is its own.
const (
	Worker   = "worker"
	Scaler   = "scaler"
	Producer = "producer"
)

// All returns all roles.
func All() []string { return []string{Worker, Scaler, Producer} }

// Operator is that of a person, who looks and changes what runs. Redis alone tells it from the others.
const Operator = "operator"

// Gateway is that of `siren gateway`, which does what producers and operators do, for those who have no login. Redis
// alone tells it from the others.
const Gateway = "gateway"
