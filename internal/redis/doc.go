// Package redis keeps what the leading scaler, the workers and people tell each other in Redis: the roster (heartbeats
// of the workers, parking, retiring), the board (the policy in force, the snapshot, the plans, who leads, what the
// leader saw) and the tunings (live changes of the policy, and the audit of what people did).
//
// The rooms below it, each of which imports those before it alone:
//
//	keyspace   what the keys are called, and how values stand in them
//	redisurl   what a URL of Redis says
//	sentinel   where the master is, asked of sentinels
//	redislink  the connection; it knows nothing of jobs
//	access     which role may use which keys, and the ACL users that follow from it
//	jobrecord  reads, lists and watches the records of jobs
//	jobledger  makes and changes them, and grants the claims on jobs
//
// Storage decides, Redis only saves work: no job is lost and no result doubled when Redis is away or empty.
//
// Errors wrap lanes.ErrAway when Redis can't be reached or can't serve right now, lanes.ErrRefused when it doesn't let
// this login; none contains a password.
//
// They know lanes and go-redis. They decide nothing about jobs, retries or scaling: worker and scaler do.
package redis
