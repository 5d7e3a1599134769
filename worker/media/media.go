// Package media runs media jobs: it fetches the input under guard, has it inspected, makes the output with ffmpeg under
// limits, and commits it so that nobody ever sees half of it. This package is the walk that is the same for every job;
// what differs has rooms:
//
//	probe    what is known of an input: its streams, its length, how its pictures are to be seen
//	frame    ffmpeg's filters that make right pictures of them
//	vips     libvips' command lines, and what it says
//	sound    those of its sound, what it measures, how it is drawn
//	attempt  one run of one job: its programs, their limits, what their ends mean
//	recipe   how jobs of each kind are made
//
// Params are declared in lanes/kinds; storage, the confinement of programs and their folders are worker/storage,
// sandbox and scratch. None of it knows queues, claims, retries or lanes: Handle gets a work.Task and returns a
// work.Result or an error with a kind (work.Fail), and the worker settles by that.
//
// A job is hostile until proven otherwise, and so is its input: no text of a job ever becomes a program's argument
// unless it was parsed into a number or one of a few known words; ffmpeg gets the input as an open descriptor, never by
// name, with none of the worker's environment, and confined to what it needs (see worker/sandbox).
package media

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/part"
	"github.com/polyglot-media/siren/worker/sandbox"
	"github.com/polyglot-media/siren/worker/scratch"
	"github.com/polyglot-media/siren/worker/storage"
)

// New checks that ffmpeg is there and that the scratch folder can be written, and removes what crashed workers left in
// it.
func New(o Options) (*Handler, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	var err error
	if o.Programs.FFmpeg, err = Program(o.Programs.FFmpeg, "ffmpeg"); err != nil {
		return nil, err
	}
	if o.Programs.FFprobe, err = Program(o.Programs.FFprobe, "ffprobe"); err != nil {
		return nil, err
	}
	for program, name := range map[*string]string{&o.Programs.Vips: "vips", &o.Programs.VipsHeader: "vipsheader"} {
		if *program, err = Program(*program, name); err != nil {
			o.Log.Warn("jobs of the kind image fail here", slog.Any("error", err))
		}
	}
	if o.Self, err = Self(o.Self); err != nil {
		return nil, err
	}
	if o.Storage.Log == nil {
		o.Storage.Log = o.Log
	}
	stores, err := storage.New(o.Storage)
	if err != nil {
		return nil, err
	}
	s, err := scratch.Open(o.Scratch, o.Log)
	if err != nil {
		return nil, err
	}
	return &Handler{
		options: o, scratch: s, stores: stores, versions: sync.OnceValue(func() []string { return versions(o) }),
	}, nil
}

// Self returns the binary that starts programs: this process's own when none is given.
func Self(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find our own binary: %w", err)
	}
	return path, nil
}

// Program finds a program that jobs run, by the name that it has or the one given.
func Program(given, name string) (string, error) {
	path, err := exec.LookPath(cmp.Or(given, name))
	if err != nil {
		pack := "ffmpeg"
		if strings.HasPrefix(name, "vips") {
			pack = "libvips-tools"
		}
		return "", fmt.Errorf("%s is not installed here (%w): install the package %s, or say where it is", name, err,
			pack)
	}
	return path, nil
}

// Handle runs the job of t to its committed end. Every error it returns carries a work.ErrorKind. When the context
// ends, its cause decides: a cause that is a work.JobError is returned as it is, a deadline is work.TimedOut,
// anything else work.Interrupted.
func (h *Handler) Handle(ctx context.Context, t work.Task) (work.Result, error) {
	if t.Report == nil {
		t.Report = func(job.Progress) {}
	}
	if t.Log == nil {
		t.Log = io.Discard
	}
	result, err := h.handle(ctx, t)
	if err != nil {
		return work.Result{}, ended(ctx, err)
	}
	return result, nil
}

// ended returns what the failure of an attempt means, given that its context may be the reason.
func ended(ctx context.Context, err error) error {
	var known *work.JobError
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &known):
		return cause
	case errors.Is(cause, context.DeadlineExceeded):
		return work.Fail(work.TimedOut, fmt.Errorf("ran out of time: %w", cause))
	case cause != nil:
		return work.Fail(work.Interrupted, fmt.Errorf("interrupted: %w", cause))
	case errors.As(err, &known):
		return err
	default:
		return work.Fail(work.Transient, err)
	}
}

func (h *Handler) handle(ctx context.Context, t work.Task) (work.Result, error) {
	o, err := takeOrder(t.Job, t.Storage)
	if err != nil {
		return work.Result{}, err
	}
	out := h.stores.Store(o.output, o.rules)
	// Asking first saves the work; the commit asks again, and only that answer counts.
	if !t.Job.Overwrite {
		if made, err := o.made(ctx, out); err != nil {
			return work.Result{}, err
		} else if made != nil {
			return *made, nil
		}
	}
	dir, err := h.scratch.Make(t.Job.ID, t.Attempt)
	if err != nil {
		return work.Result{}, err
	}
	defer dir.Discard()
	log := h.options.Log.With(slog.String("job", t.Job.ID), slog.String("attempt", t.Attempt))
	a := &attempt.Attempt{
		Programs: h.options.Programs, Task: t, Dir: dir, From: o.input, Strict: o.strict,
		Box: sandbox.Box{
			Self: h.options.Self, Limits: t.Limits, Folder: dir.Path(), Said: t.Log, Log: log, Computed: t.Computed,
		},
	}
	files, err := h.produce(ctx, a, o)
	if a.Box.Input != nil {
		defer func() { _ = a.Box.Input.Close() }()
	}
	if err != nil {
		return work.Result{}, err
	}
	t.Report(job.Progress{Fraction: 1, Note: "storing"})
	result, err := h.commit(ctx, o, out, a, files)
	if err != nil {
		return work.Result{}, err
	}
	result.Warnings = a.Warnings
	return *result, nil
}

// produce fetches and inspects the input and makes the output's files in the scratch folder.
func (h *Handler) produce(ctx context.Context, a *attempt.Attempt, o order) ([]attempt.File, error) {
	a.Task.Report(job.Progress{Note: "fetching"})
	err := h.fetch(ctx, a, o)
	if err != nil {
		return nil, err
	}
	if !o.recipe.Looks {
		if a.Info, err = a.Inspect(ctx); err != nil {
			return nil, err
		}
	}
	if t := a.Task; t.Found != nil {
		t.Found(a.Info.Facts())
	}
	a.Task.Report(job.Progress{Note: "working"})
	files, err := o.recipe.Make(ctx, a)
	if err == nil {
		return files, nil
	}
	if again, failed := a.Again(); failed != nil {
		return nil, failed
	} else if again {
		return o.recipe.Make(ctx, a)
	}
	return nil, err
}

// fetch makes the input the attempt's: all of it or, where that may do and it is elsewhere, its tables and first
// frames.
func (h *Handler) fetch(ctx context.Context, a *attempt.Attempt, o order) (err error) {
	from, limit := h.stores.Source(o.input, o.rules), a.Task.Limits.Scratch
	create := func() (*os.File, error) {
		return a.Dir.OpenFile(attempt.InputFile, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	remote, ok := from.(storage.Ranger)
	if !ok || !o.recipe.Parts {
		a.Box.Input, err = storage.Fetch(ctx, from, o.input, limit, create)
		return err
	}
	sparse, err := storage.OpenSparse(ctx, remote, o.input, limit, create)
	if err != nil {
		return err
	}
	a.Box.Input = sparse.File()
	film, err := part.Open(sparse)
	if err != nil { // that it is unsure, as a rule; what else is wrong shows again
		return sparse.Rest()
	}
	a.Parts = parts{film, sparse}
	return nil
}

// parts is a film that is only here in parts.
type parts struct {
	part.Film
	*storage.Sparse
}
