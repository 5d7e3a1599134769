// Package redis keeps what Siren remembers between its processes in Redis: the ledger (job records and the claims on
// them), the roster (heartbeats of the workers, parking, retiring), the board (the policy in force, the snapshot, the
// plans, who leads, what the leader is asked) and the tunings (live changes of the policy, and the audit of what people did).
//
// Storage decides, Redis only saves work: no job is lost and no result doubled when Redis is away or empty. Then jobs
// run without claims, and what became of them is kept in a bounded buffer until it is back.
//
// Errors wrap lanes.ErrAway when Redis can't be reached or can't serve right now, lanes.ErrRefused when it doesn't let this login; none contains
// a password.
//
// It knows lanes and go-redis. It decides nothing about jobs, retries or scaling: worker and scaler do.
package redis
