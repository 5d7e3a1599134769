// Package history is all that is known of a run: which jobs there were and what must become of them, what was broken
// meanwhile, and what was seen. Values only.
package history

import (
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// Clock is the form of the times of day of a run.
const Clock = "15:04:05.000"

// History is all that is known of a run when it is over. The checker looks at nothing else.
type History struct {
	Jobs      []*Attempts
	Outputs   map[string]Output     // by file name, what is to be seen at the end
	Seen      map[string]*Sight     // by file name, what was to be seen meanwhile
	Letters   map[string][]Letter   // by job
	Records   map[string]job.Record // by job; none for a job that the ledger doesn't know
	Events    map[string][]Event    // by job, in the order of time: what the workers' logs tell
	Left      map[string]int        // messages by queue, siren.dead left out; where there are any
	RecordsAt time.Time             // when the records were read
	// What operators' commands said and how they ended, how many workers the scalers had started, and how many they may
	// start.
	Answers  []Answer
	Commands []Command
	Staff    []Headcount
	Most     int
	Replayed map[string]bool // the jobs that operators had run again once they were dead
	Waits    []Wait
	// What runs and lies about that shouldn't.
	Programs []string
	Scratch  []string
	// Broken are processes that ended although nobody wanted them to, or wouldn't end.
	Broken  []string
	Windows []Window
	Lost    []time.Time // when Redis lost its data
	// FailedOver is when another Redis may have become the primary.
	FailedOver []time.Time
	Unrest     error // why the fleet hasn't worked off everything within its time; nil: it has
}

// Output is a file where outputs are.
type Output struct {
	Recipe string   // that makes such a file; "" for none
	Owners []string // jobs of which an attempt has made this very file
}

// Letter is a message in siren.dead.
type Letter struct {
	Reason, Text string
	Copy         int // the number of the message that its job died of
}

// Event is one line of a worker's log about a job.
type Event struct {
	At      time.Time
	Worker  string // its life: w1-3
	What    string // taken, started, completed, …
	Again   bool   // taken: the broker says that somebody had it before
	Already bool   // completed: by an earlier attempt
	Claim   string // not run: what the ledger said
	Line    string
}
