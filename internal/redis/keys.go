package redis

// Every key and channel name. No script touches more than one key, so all of it works on a cluster too.
const (
	jobsKey     = "siren:jobs"     // sorted set: job id by enqueue time in ms
	deadKey     = "siren:dead"     // the same, of dead jobs only
	workersKey  = "siren:workers"  // hash: worker name → when it was last heard (ms), a space, its heartbeat
	parkedKey   = "siren:parked"   // hash: worker name → until when it is parked (ms)
	retiredKey  = "siren:retired"  // hash: worker name → 1
	policyKey   = "siren:policy"   // hash: revision, content
	snapshotKey = "siren:snapshot" // string: the snapshot
	plansKey    = "siren:plans"    // stream, capped: pool, plan
	lanesKey    = "siren:lanes"    // set: every lane that a policy ever had
	leaderKey   = "siren:leader"   // string with a TTL: who leads
)

func jobKey(id string) string        { return "siren:job:" + id }        // hash: see record.go
func movesChannel(id string) string  { return "siren:moves:" + id }      // says that the job's record has changed
func retryingKey(lane string) string { return "siren:retrying:" + lane } // sorted set: job id by due time in ms

// jobOf is the id in the name of a moves channel.
func jobOf(channel string) string { return channel[len(movesChannel("")):] }
