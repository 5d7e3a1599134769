package main

import (
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// history is all that is known of a run when it is over. The checker looks at nothing else.
type history struct {
	jobs    []*attempts
	outputs map[string]output     // by file name, what is to be seen at the end
	seen    map[string]*sight     // by file name, what was to be seen meanwhile
	letters map[string][]letter   // by job
	records map[string]job.Record // by job; none for a job that the ledger doesn't know
	events  map[string][]event    // by job, in the order of time: what the workers' logs tell
	left    map[string]int        // messages by queue, siren.dead left out; where there are any
	// What runs and lies about that shouldn't.
	programs []string
	scratch  []string
	// broken are processes that ended although nobody wanted them to, or wouldn't end.
	broken  []string
	windows []window
	lost    []time.Time // when Redis lost its data
	drained bool        // whether the fleet has worked off everything within its time
}

// output is a file where outputs are.
type output struct {
	recipe string   // that makes such a file; "" for none
	owners []string // jobs of which an attempt has made this very file
}

// letter is a message in siren.dead.
type letter struct {
	reason, text string
}

// event is one line of a worker's log about a job.
type event struct {
	at      time.Time
	worker  string // its life: w1-3
	what    string // taken, started, completed, …
	again   bool   // taken: the broker says that somebody had it before
	already bool   // completed: by an earlier attempt
	claim   string // not run: what the ledger said
	line    string
}
