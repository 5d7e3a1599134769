package work

import (
	"io"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

// MaxLog is how much is kept of what the programs of one run say, in bytes.
const MaxLog = 8 << 10

// Task is a claimed job as a handler gets it, with what it may use.
type Task struct {
	Job     job.Job
	Lane    string
	Attempt string // names this attempt's files; unique for each claim
	Limits  Limits
	Storage []lanes.Storage // what the job may read and write
	// Report takes progress, as often as the handler likes and from any one goroutine; the worker throttles it.
	Report func(job.Progress)
	// Found takes what the input is, once, when it has been looked at; nil: nobody listens.
	Found func(Facts)
	// Computed takes how long the job's programs have computed by now, on all cores together: every second or so, from
	// any goroutine. nil: nobody listens.
	Computed func(time.Duration)
	// Log takes what the job's programs say, for the job's owner; nil: nobody listens.
	Log io.Writer
}

// Facts is what tells how much work an input is. What isn't known, or isn't in it, is 0.
type Facts struct {
	Seconds       float64 // how long it is
	Width, Height int     // of its picture
	Rate          float64 // frames per second
}

// Limits bounds the processes of one task.
type Limits struct {
	Nice       int           // OS priority, 0 (first lane) to 19 (last): how it pulls over
	Memory     lanes.Bytes   // address space of each process
	Scratch    lanes.Bytes   // size of each file it writes
	MaxRuntime time.Duration // wall clock; the worker cancels the context. Also bounds CPU time, per core
	Threads    int           // worker threads that a media program may use; 0: as many as it likes
}

// Result is what a handler made. It is returned only after the commit.
type Result struct {
	Outputs  []job.Output `json:"outputs"`
	Warnings []string     // what is wrong with the input, although there is an output
	// AlreadyDone is set when the output was there already, made by an earlier attempt of the same job.
	AlreadyDone bool `json:"alreadyDone,omitempty"`
}
