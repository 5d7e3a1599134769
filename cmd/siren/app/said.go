package app

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
)

// This file is what commands that change something ask and say alike.

// AskFirst asks on the terminal. Anything but yes is no, and so is the end of the input.
func (o *Operator) AskFirst(question string) error {
	fmt.Fprintf(o.Err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(o.In).ReadString('\n')
	if err != nil {
		fmt.Fprintln(o.Err) // nobody has ended the line
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was done; --yes answers the question")
}

// NothingOf returns why nothing was found of a lane, "" for any: that the policy doesn't have it, now or formerly; nil
// when it does, and when nobody knows.
func (o *Operator) NothingOf(ctx context.Context, lane string) error {
	if lane == "" {
		return nil
	}
	e, err := o.InForce(ctx)
	if err != nil {
		return nil
	}
	return operate.RequireLane(e, lane, true)
}

// BrokenOff returns the error of a command that err ended in the middle.
func BrokenOff(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted: what was begun is done, nothing is lost, and the same command goes on")
	}
	if operate.KindOf(err) == operate.NotFound { // it would be so again
		return err
	}
	return exit.With(exit.Code(err), fmt.Errorf("%w; nothing is lost, and the same command goes on", show.Gist(err)))
}

// mostRefusals is how many jobs are told of to which it couldn't be done.
const mostRefusals = 10

// Refusals is why something couldn't be done to some jobs.
type Refusals struct {
	Named bool // the jobs were named, and each is told of
	errs  []error
	more  int // that aren't told of
	code  int // 0: none of them has an exit code of its own
}

// Add adds one.
func (r *Refusals) Add(err error) {
	if c := exit.Code(err); c != exit.Failed {
		r.code = c
	}
	if len(r.errs) < mostRefusals || r.Named {
		r.errs = append(r.errs, err)
	} else {
		r.more++
	}
}

// Err returns them as one error, with the exit code of the last that has one of its own; nil without any.
func (r *Refusals) Err() error {
	errs := r.errs
	if r.more > 0 {
		errs = append(errs, fmt.Errorf("and %d more", r.more))
	}
	return exit.With(cmp.Or(r.code, exit.Failed), errors.Join(errs...))
}

// WarnOfBorne says that a record isn't that of the job that was asked for: there is none, and a malformed message bears
// its id.
func (a *App) WarnOfBorne(id string, r job.Record) {
	if r.ID != id {
		a.Warn("no job has the id %s; a message that bears it was malformed, and this is its record", id)
	}
}

// AlsoDropped returns what a command says of messages that would have been skipped.
func AlsoDropped(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; also dropped %s of jobs that were cancelled or moved before", say.Plural(n, "message"))
}

// Tally returns a number of things with what they do: 1 job has, 2 jobs have.
func Tally(n int, one, many string) string { return fmt.Sprint(n) + " " + say.Verb(n, one, many) }
