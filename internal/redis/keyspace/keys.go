package keyspace

import "strconv"

// Every key and channel name. They are on one primary (judgeMode refuses a cluster): readers ask for several in one round trip, and waiting.lua
// finds the indexes' names by itself. The braces keep the two keys of tune.lua, the only script that is given more than one, together wherever something
// in front spreads keys.
const (
	Jobs      = "siren:jobs"            // sorted set: job id by enqueue time in ms
	Dead      = "siren:dead"            // the same, of dead jobs only
	Missing   = "siren:missing"         // sorted set: missing job by when it was found missing in ms; waiting.lua writes it
	Workers   = "siren:workers"         // hash: worker name → when it was last heard (ms), a space, its heartbeat
	Parked    = "siren:parked"          // hash: worker name → until when it is parked (ms)
	Retired   = "siren:retired"         // hash: worker name → ms that it waits to be removed; 1 from older scalers: it knows by itself
	Policy    = "siren:policy"          // hash: revision, content
	Snapshot  = "siren:snapshot"        // string: the snapshot
	Plans     = "siren:plans"           // stream, capped: plan
	Queues    = "siren:lanes"           // set: every queue that a lane ever had
	Leader    = "siren:leader"          // string with a TTL: who leads
	Tunings   = "siren:{tunings}"       // hash: revision, nonce (of the latest change), tuning:<field> → see tunings.go
	Audit     = "siren:{tunings}:audit" // stream, capped: entry; its time is the entry's ID
	Tuned     = "siren:tuned"           // says that the tunings have changed, or that somebody asks the leader
	Questions = "siren:questions"       // sorted set with a TTL: id, a space, the question, by when it was asked (ms)
)

func Job(id string) string        { return "siren:job:" + id }        // hash: see record.go
func Log(id string) string        { return "siren:log:" + id }        // string with a TTL: what the job's programs said
func Bears(id string) string      { return "siren:bears:" + id }      // string with a TTL: the record of the latest malformed message that bears the id
func Dedup(key string) string     { return "siren:dedup:" + key }     // string with a TTL: which job was the first with the key; see reserve.lua
func Answer(id string) string     { return "siren:answer:" + id }     // string with a TTL: the leader's answer
func Moves(id string) string      { return "siren:moves:" + id }      // says that the job's record has changed
func Retrying(lane string) string { return "siren:retrying:" + lane } // sorted set: job id by due time in ms
func Queued(lane string) string   { return "siren:queued:" + lane }   // sorted set: see waiting.lua, as of the next two
func Skips(lane string) string    { return "siren:skips:" + lane }

// QueuedOf is the index of those queued jobs of a lane that have a priority above 0.
func QueuedOf(lane string, priority int) string {
	return Queued(lane) + ":" + strconv.Itoa(priority)
}

// MovesOf is the id in the name of a moves channel.
func MovesOf(channel string) string { return channel[len(Moves("")):] }
