package jobledger

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// StateError says that a job's record doesn't allow what somebody wanted of the job. Nothing has changed.
type StateError struct {
	ID    string
	State job.State
	Copy  int // the number of the message that carries the job
}

func (e *StateError) Error() string {
	if e.State.Final() || e.Copy == 0 {
		return fmt.Sprintf("job %s is %s", e.ID, e.State)
	}
	return fmt.Sprintf("job %s is %s, and copy %d of its message carries it", e.ID, e.State, e.Copy)
}

// Supersede is a job that a fresh copy of its message carries from now on.
type Supersede struct {
	ID       string
	Lane     string      // that the copy is in
	Priority int         // of the copy, inside the lane
	ReadyAt  time.Time   // of the copy
	Copy     int         // the number of the copy
	Attempt  int         // that the copy is for; 0 or 1: the first
	From     []job.State // the job has to be in one of them
	Params   []byte      // of the copy, where they are others than the record's; nil: the same
}

// Overridden is what has become of one job of many.
type Overridden struct {
	Before job.State // where Err is nil
	Err    error     // nil: it is done; a StateError, ErrNotFound, or that this record is broken
}

// overrideSize is how many jobs are changed in one round trip.
const overrideSize = 250

// Supersede notes that a fresh copy of the job's message carries it, and returns the state before: the job is queued in
// the copy's lane, and older messages of it are Settled when they come up. A job that had ended starts again. It is
// called once the copy is confirmed, so that a job always has a message.
//
// A StateError says that the job is in another state, or that this copy or a later one carries it already: a worker may
// be faster than the caller. ErrNotFound is a job without a record.
func (l *Ledger) Supersede(ctx context.Context, s Supersede) (before job.State, err error) {
	return single(l.SupersedeAll(ctx, []Supersede{s}))
}

// SupersedeAll supersedes many jobs, in a few round trips. With an error some of the rest may be done too: the answers
// end there.
func (l *Ledger) SupersedeAll(ctx context.Context, all []Supersede) ([]Overridden, error) {
	ids, args := make([]string, len(all)), make([][]any, len(all))
	for i, s := range all {
		ids[i], args[i] = s.ID, []any{
			s.Copy, s.Lane, keyspace.Millis(s.ReadyAt), string(s.Params), s.Priority,
			s.Attempt,
		}
		for _, state := range s.From {
			args[i] = append(args[i], string(state))
		}
	}
	return l.override(ctx, "let a copy carry", supersedeScript, job.Queued, ids, args)
}

// Cancel calls a job off and returns the state before. Its messages are Settled when they come up, and so is a copy
// that somebody made at the same moment: the record's number is one higher from now on, and only a copy with a number
// above that brings the job back. A running job's worker learns of it when it renews its claim: the record keeps its
// lease until the worker has closed the claim, or lets it run out.
//
// A StateError says that the job has come to an end already, ErrNotFound that it has no record.
func (l *Ledger) Cancel(ctx context.Context, id string) (before job.State, err error) {
	return single(l.CancelAll(ctx, []string{id}))
}

// CancelAll cancels many jobs, in a few round trips: those that are in one of the states, or in any state when none is
// given. With an error some of the rest may be done too: the answers end there.
func (l *Ledger) CancelAll(ctx context.Context, ids []string, from ...job.State) ([]Overridden, error) {
	arg := []any{l.keep()}
	for _, state := range from {
		arg = append(arg, string(state))
	}
	return l.override(ctx, "cancel", cancelScript, job.Cancelled, ids, slices.Repeat([][]any{arg}, len(ids)))
}

// Discard calls a dead job off whose letter has this number: it counts as cancelled from now on, with its last
// error, and only a copy with a higher number brings it back. A StateError says that it isn't dead, or dead by a newer
// copy; ErrNotFound that it has no record.
func (l *Ledger) Discard(ctx context.Context, id string, number int) error {
	_, err := single(l.DiscardAll(ctx, map[string]int{id: number}))
	return err
}

// DiscardAll discards many jobs, with the numbers of their letters, in a few round trips; the answers are in no order.
// With an error some of the rest may be done too: the answers end there.
func (l *Ledger) DiscardAll(ctx context.Context, letters map[string]int) ([]Overridden, error) {
	var ids []string
	var args [][]any
	for id, number := range letters {
		ids, args = append(ids, id), append(args, []any{number})
	}
	return l.override(ctx, "discard", discardScript, job.Cancelled, ids, args)
}

// single returns the answer about a single job.
func single(answers []Overridden, err error) (job.State, error) {
	if err != nil {
		return "", err
	}
	return answers[0].Before, answers[0].Err
}

// override runs a script that changes jobs' states for a person, with the arguments of each.
func (l *Ledger) override(
	ctx context.Context, verb string, script *goredis.Script, to job.State, ids []string, args [][]any,
) (answers []Overridden, err error) {
	for from := 0; from < len(ids); from += overrideSize {
		upTo := min(from+overrideSize, len(ids))
		part, err := l.overrideSome(ctx, verb, script, to, ids[from:upTo], args[from:upTo])
		if err != nil {
			return answers, err
		}
		answers = append(answers, part...)
	}
	return answers, nil
}

func (l *Ledger) overrideSome(
	ctx context.Context, verb string, script *goredis.Script, to job.State, ids []string, args [][]any,
) ([]Overridden, error) {
	doing := verb + " job " + ids[0]
	if len(ids) > 1 {
		doing = fmt.Sprintf("%s %d jobs", verb, len(ids))
	}
	keys, given := make([]string, len(ids)), make([][]any, len(ids))
	for i, id := range ids {
		keys[i], given[i] = keyspace.Job(id), append([]any{keyspace.Moves(id), rand.Text()}, args[i]...)
	}
	var cmds []*goredis.Cmd
	err := l.do(ctx, doing, func(ctx context.Context) (err error) {
		if cmds, err = l.store.RunAll(ctx, script, keys, given); redislink.IsAway(err) || ctx.Err() != nil ||
			len(ids) == 1 {
			return err
		}
		return nil // each has an error of its own
	})
	if err != nil {
		return nil, err
	}
	answers, changes := make([]Overridden, len(ids)), make([]change, 0, len(ids))
	for i, id := range ids {
		was, err := overridden(id, cmds[i])
		if answers[i] = (Overridden{was.state, err}); err == nil {
			changes = append(changes, change{id: id, was: was, state: to})
		}
	}
	l.reindex(ctx, changes...)
	return answers, nil
}

// overridden reads the answer of such a script about a job: what the record said before.
func overridden(id string, cmd *goredis.Cmd) (before, error) {
	r, err := cmd.Slice()
	if err != nil {
		return before{}, redislink.Failed("job "+id, err)
	}
	was := before{job.State(r[1].(string)), r[2].(string)}
	switch r[0].(string) {
	case "absent":
		return before{}, redislink.Failed("job "+id, redislink.ErrNotFound)
	case "refused":
		return before{}, &StateError{ID: id, State: was.state, Copy: int(r[3].(int64))}
	}
	return was, nil
}

// Lower notes that waiting jobs were put back into their lanes with a lower priority. A job without a record gets it
// with its first claim.
func (l *Ledger) Lower(ctx context.Context, jobs []work.Delivery) error {
	keys, args := make([]string, len(jobs)), make([][]any, len(jobs))
	for i, d := range jobs {
		keys[i], args[i] = keyspace.Job(d.Job.ID), []any{keyspace.Moves(d.Job.ID), d.Copy, d.Job.Priority}
	}
	return l.do(ctx, "lower the priority of jobs", func(ctx context.Context) error {
		_, err := l.store.RunAll(ctx, lowerScript, keys, args)
		return err
	})
}
