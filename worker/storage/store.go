// Package storage reads and writes what the URLs of jobs name: files, objects in buckets, and the web to read from. It
// owns the allowlist of a policy, the guard of addresses, and the commit protocol, by which nobody ever sees half an
// output, and no output replaces that of another job.
//
// It doesn't know what is in the files, nor what becomes of a job that failed: its errors carry a kind (work.Fail).
package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// Source is where inputs come from.
type Source interface {
	// Open opens the input. Its size is -1 when nobody says. A *os.File is used where it is, anything else is copied.
	Open(ctx context.Context, at Place) (content io.ReadCloser, size int64, err error)
}

// Store is where outputs go to. Nothing is visible at the output's URL before Commit has all of it, and Commit never
// replaces what is there unless the job says so.
type Store interface {
	Source
	// Made is the size of the output when this job made it already, Absent when nothing is there. What another
	// job made is work.OutputExists.
	Made(ctx context.Context, at Place, job string) (size int64, err error)
	// Commit makes the product visible, create-if-absent. When the same job was faster (another attempt), done is
	// true and size is that output's; what another job made is work.OutputExists.
	Commit(ctx context.Context, at Place, p Product) (done bool, size int64, err error)
	// MadeFolder is the manifest of an output that is a folder when this job made it already, nil when nothing is
	// there. What another job made, or isn't ours, is work.OutputExists.
	MadeFolder(ctx context.Context, at Place, job string) (*job.Manifest, error)
	// CommitFolder makes the folder visible, create-if-absent, and returns its manifest. When the same job was faster
	// (another attempt), done is true and the manifest is that one's.
	CommitFolder(ctx context.Context, at Place, f Folder) (done bool, m *job.Manifest, err error)
	Tried
}

// Tried is what a store does for who wants to know whether jobs will be able to use it.
type Tried interface {
	// Readable returns why nothing below the prefix can be read.
	Readable(ctx context.Context, prefix Rule) error
	// Remove deletes an output, with what attempts of the jobs left beside it.
	Remove(ctx context.Context, at Place, jobs ...string) error
}

// Absent is the size of an output that isn't there.
const Absent = -1

// Product is a finished output file on its way into storage.
type Product struct {
	File      *os.File // read from where it stands
	MediaType string
	Job       job.Job
	Attempt   string
}

// Options says where Stores find what they need. The zero value goes by the environment.
type Options struct {
	// S3 holds more S3 parameters, as gocloud.dev writes them: endpoint=…&region=…&use_path_style=true.
	// What is left out comes from the environment as in every AWS program (AWS_ENDPOINT_URL, AWS_REGION, credentials).
	S3  string
	Log *slog.Logger // slog.Default() when nil
}

// schemes is how the files of each of location's schemes are opened, within the rules of a task. A new one is a file of
// its own and a line here.
var schemes = map[string]func(Options) (func(Rules) Source, error){
	"file":   openFiles,
	"s3":     openS3,
	"gs":     openGoogle,
	"azblob": openAzure,
	"http":   openWeb,
	"https":  openWeb,
}

// Stores opens the files of jobs. It is safe for concurrent use.
type Stores struct{ open map[string]func(Rules) Source }

// New opens every scheme. It does no I/O: the error says that an option is malformed.
func New(o Options) (*Stores, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Stores{open: map[string]func(Rules) Source{}}
	for name, open := range schemes {
		var err error
		if s.open[name], err = open(o); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Source returns where an input comes from.
func (s *Stores) Source(at Place, r Rules) Source { return s.open[at.Scheme](r) }

// Store returns where an output goes to. The place has passed the rules, so outputs may go there.
func (s *Stores) Store(at Place, r Rules) Store { return s.open[at.Scheme](r.forOutputs()).(Store) }

func outputExists(at Place) error {
	return work.Fail(work.OutputExists, fmt.Errorf(
		"output %s already exists and is not from this job; choose another name, or set overwrite on the job", at))
}

func empty(at Place) error {
	return work.Fail(work.BadInput, fmt.Errorf("input %s is empty (0 bytes)", at))
}

func tooLarge(at Place, limit lanes.Bytes) error {
	return work.Fail(work.OverLimit, fmt.Errorf("input %s is larger than a slot's scratch space of %s", at, limit))
}

var errMissing = errors.New("doesn't exist")

func missing(at Place) error {
	return work.Fail(work.BadInput, fmt.Errorf("input %s %w", at, errMissing))
}
