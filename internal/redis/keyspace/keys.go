package keyspace

import "strconv"

// The keys are on one primary (siren doctor refuses a cluster): readers ask for several in one round trip, and
// waiting.lua finds the indexes' names by itself. The braces keep the two keys of tune.lua, the only script that is
// given more than one, together wherever something in front spreads keys.
const (
	Jobs     = "siren:jobs"            // sorted set: job id by enqueue time in ms
	Dead     = "siren:dead"            // the same, of dead jobs only
	Missing  = "siren:missing"         // sorted set: missing job by when it was found so in ms; waiting.lua writes it
	Workers  = "siren:workers"         // hash: worker name → when it was last heard (ms), a space, its heartbeat
	Parked   = "siren:parked"          // hash: worker name → until when it is parked (ms)
	Retired  = "siren:retired"         // hash: worker name → ms that it waits to be removed; 1: it knows by itself
	Running  = "siren:running"         // sorted set: running jobs by when they were claimed in ms; see waiting.lua
	Policy   = "siren:policy"          // hash: revision, content
	Snapshot = "siren:snapshot"        // string: the snapshot
	Plans    = "siren:plans"           // stream, capped: plan
	Queues   = "siren:lanes"           // set: every queue that a lane ever had
	Leader   = "siren:leader"          // string with a TTL: who leads
	Tunings  = "siren:{tunings}"       // hash: revision, nonce (of the latest change), tuning:<field> → see tunings.go
	Audit    = "siren:{tunings}:audit" // stream, capped: entry; its time is the entry's ID
	Effort   = "siren:effort"          // hash with a TTL: class of jobs → what is known of it: see learn.lua
	Tuned    = "siren:tuned"           // says that the tunings have changed
	Sight    = "siren:sight"           // string with a TTL: what the leader saw and remembered: see scaler.Sight
)

// Job names the hash of a job's record: see jobrecord.
func Job(id string) string { return "siren:job:" + id }

// Log names the string, with a TTL, of what the job's programs said.
func Log(id string) string { return "siren:log:" + id }

// Bears names the string, with a TTL, of the record of the latest malformed message that bears the id.
func Bears(id string) string { return "siren:bears:" + id }

// Dedup names the string, with a TTL, of the job that was the first with the key; see reserve.lua.
func Dedup(key string) string { return "siren:dedup:" + key }

// Once names the string, with a TTL, of a request to the gateway that is carried out once.
func Once(key string) string { return "siren:once:" + key }

// History names the list, with a TTL, of a history's points that are a step apart, the latest first: see redis.History.
func History(step string) string { return "siren:history:" + step }

// Moves names the channel that says that the job's record has changed.
func Moves(id string) string { return "siren:moves:" + id }

// MovesOf returns the id in the name of such a channel.
func MovesOf(channel string) string { return channel[len(Moves("")):] }

// Retrying names the sorted set of a lane's retrying jobs, by when they are due in ms.
func Retrying(lane string) string { return "siren:retrying:" + lane }

// Queued names the sorted set of a lane's queued jobs: see waiting.lua, as of QueuedOf and Skips.
func Queued(lane string) string { return "siren:queued:" + lane }

// QueuedOf names the same for jobs of a priority above 0.
func QueuedOf(lane string, priority int) string {
	return Queued(lane) + ":" + strconv.Itoa(priority)
}

// Skips names the sorted set of messages in a lane's queue that will be skipped.
func Skips(lane string) string { return "siren:skips:" + lane }
