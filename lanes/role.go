package lanes

// The roles that a process may have, and what each needs is its own.
const (
	WorkerRole   = "worker"
	ScalerRole   = "scaler"
	ProducerRole = "producer"
)

// Roles returns all roles.
func Roles() []string { return []string{WorkerRole, ScalerRole, ProducerRole} }

// OperatorRole is that of a person, who looks and changes what runs. Redis alone tells it from the others.
const OperatorRole = "operator"
