package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
)

// StateError says that a job's record doesn't allow what somebody wanted of the job. Nothing has changed.
type StateError struct {
	ID     string
	State  lanes.State
	Replay int // the number of the message that carries the job
}

func (e *StateError) Error() string {
	if e.State.Final() || e.Replay == 0 {
		return fmt.Sprintf("job %s is %s", e.ID, e.State)
	}
	return fmt.Sprintf("job %s is %s, and copy %d of its message carries it", e.ID, e.State, e.Replay)
}

// Supersede is a job that a fresh copy of its message carries from now on.
type Supersede struct {
	ID       string
	Lane     string        // that the copy is in
	Priority int           // of the copy, inside the lane
	ReadyAt  time.Time     // of the copy
	Replay   int           // the number of the copy
	From     []lanes.State // the job has to be in one of them
	Params   []byte        // of the copy, where they are others than the record's; nil: the same
}

// Supersede notes that a fresh copy of the job's message carries it, and returns the state before: the job is queued in the
// copy's lane, and older messages of it are Settled when they come up. A job that had ended begins anew. It is called
// once the copy is confirmed, so that a job always has a message.
//
// A StateError says that the job is in another state, or that this copy or a later one carries it already: a worker may be
// faster than the caller. ErrNotFound is a job without a record.
func (l *Ledger) Supersede(ctx context.Context, s Supersede) (before lanes.State, err error) {
	args := []any{s.Replay, s.Lane, millis(s.ReadyAt), string(s.Params), s.Priority}
	for _, state := range s.From {
		args = append(args, string(state))
	}
	return l.override(ctx, fmt.Sprintf("let copy %d carry job %s", s.Replay, s.ID), supersedeScript, s.ID, lanes.Queued, args...)
}

// Cancel calls a job off and returns the state before. Its messages are Settled when they come up, and so is a copy that somebody made at
// the same moment: the record's number is one higher from now on, and only a copy with a number above that brings the job back. A
// running job's worker learns of it when it renews its claim: the record keeps its lease until the worker has closed the claim, or
// lets it run out.
//
// A StateError says that the job has come to an end already, ErrNotFound that it has no record.
func (l *Ledger) Cancel(ctx context.Context, id string) (before lanes.State, err error) {
	return l.override(ctx, "cancel job "+id, cancelScript, id, lanes.Cancelled, l.keep())
}

// Discard calls a dead job off whose letter has the number replay: it counts as cancelled from now on, with its last error, and only a copy with a
// higher number brings it back. A StateError says that it isn't dead, or dead by a newer copy; ErrNotFound that it has no record.
func (l *Ledger) Discard(ctx context.Context, id string, replay int) error {
	_, err := l.override(ctx, "discard job "+id, discardScript, id, lanes.Cancelled, replay)
	return err
}

// override runs a script that changes a job's state for a person.
func (l *Ledger) override(ctx context.Context, doing string, script *goredis.Script, id string, to lanes.State, args ...any) (lanes.State, error) {
	args = append([]any{movesChannel(id), rand.Text()}, args...)
	var answer string
	var was before
	var replay int64
	err := l.do(ctx, doing, func(ctx context.Context) error {
		r, err := script.Run(ctx, l.store.client, []string{jobKey(id)}, args...).Slice()
		if err != nil {
			return err
		}
		answer, was, replay = r[0].(string), before{lanes.State(r[1].(string)), r[2].(string)}, r[3].(int64)
		return nil
	})
	switch {
	case err != nil:
		return "", err
	case answer == "absent":
		return "", failed("job "+id, ErrNotFound)
	case answer == "refused":
		return "", &StateError{ID: id, State: was.state, Replay: int(replay)}
	}
	l.reindex(ctx, change{id: id, was: was, state: to})
	return was.state, nil
}
