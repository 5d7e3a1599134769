package history

import (
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// Wait is one call that waited for a job to end.
type Wait struct {
	At   time.Time
	How  string // siren enqueue --wait, siren jobs watch, Client.Wait
	Job  string
	Over time.Time // when it returned; zero: it never did
	End  job.State // that it told; "": none, and
	Gave Lack      // why
	Said string    // what it said, of one that told none
	// Wrong is how it ended as no command may, also when it was told to stop; "": it didn't.
	Wrong string
}

// Lack is why a wait has told no end.
type Lack string

// Why a wait may tell none.
const (
	Vanished Lack = "vanished"  // nothing was heard of the job's worker for so long
	NoRecord Lack = "no record" // the ledger doesn't know the job
	NotBegun Lack = "not begun" // it couldn't enqueue the job
	Other    Lack = "other"     // none of these
)
