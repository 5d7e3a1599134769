// Package scaler runs the scaling law and carries out what it decides.
//
// Loop does the I/O around law.Decide, once a tick, through four small interfaces; their implementations live in
// internal/rabbit, internal/redis, internal/procs/localfleet and internal/kube. It puts people's live overrides over
// the policy before the law decides (tunings.go), and says what others would lead to (sight.go).
//
// It never talks to a queue, a store or a cluster itself, and it never handles a job.
package scaler
