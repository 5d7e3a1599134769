package history

import (
	"path"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// Fate is what must become of a job.
type Fate string

// What may become of one.
const (
	Succeeds  Fate = "succeeds"  // one visible, correct output
	BadInput  Fate = "bad input" // dead as that
	Contested Fate = "contested" // has its output with another job: one succeeds, the other is dead as "output exists"
	Poisonous Fate = "poisonous" // its workers are killed until it is dead as poison
)

// Spec is one job as the schedule has it.
type Spec struct {
	At     time.Duration // from the start: when it is enqueued
	Job    job.Job
	Lane   string
	Recipe string // what its output must be; "" for a bad input
	Fate   Fate
	Raw    bool   // sent by plain AMQP, without a record and without Siren's headers
	Key    string // of a raw job: the routing key, which may be one that nobody knows
	Copies int    // how often it is enqueued, under its one id
	Stored bool   // its output goes to S3
}

// Attempts is what a producer knows of one job. It is the producer's until all are done.
type Attempts struct {
	Spec
	Asked     time.Time // when the first copy was sent
	Confirmed time.Time // of the first copy that the broker confirmed; zero: never
	Confirms  int
	Tries     int
	LastError string
}

// OutputName returns the file name that the job's output has.
func (j *Attempts) OutputName() string { return path.Base(j.Job.Output) }
