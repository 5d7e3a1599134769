// Package scaler decides how many workers each pool has, and carries that out.
//
// Decide is one tick of it, a pure function: from the policy, what was seen (Observation) and what is remembered
// (History) to a Decision. It finds each lane's need (law.go), Arbitrate divides the budget among the pools, and
// shrink.go picks the workers that stop taking jobs. Loop does the I/O around it through five small interfaces; their
// implementations live in internal/rabbit, internal/redis, internal/procs/localfleet and internal/kube. It puts
// people's live overrides over the policy before it decides (tunings.go), and says what others would lead to
// (sight.go).
//
// It never talks to a queue, a store or a cluster itself, and it never handles a job.
package scaler
