package worker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

var retries = lanes.Retries{
	Attempts: 3, First: lanes.Duration(5 * time.Second), Factor: 3, Max: lanes.Duration(40 * time.Second),
}

func TestSettle(t *testing.T) {
	why := errors.New("why")
	ack := work.Disposition{Action: work.Ack}
	back := work.Disposition{Action: work.Return, Error: "why"}
	again := func(after time.Duration) work.Disposition {
		return work.Disposition{Action: work.Retry, After: after, Counted: true, Error: "why"}
	}
	dead := func(reason string) work.Disposition {
		return work.Disposition{Action: work.DeadLetter, Reason: reason, Error: "why"}
	}
	lost := work.Disposition{Action: work.Retry, After: time.Second, Error: work.ErrLost.Error()}
	for _, c := range []struct {
		name    string
		err     error
		stopped bool
		attempt int
		want    work.Disposition
	}{
		{"done", nil, false, 1, ack},
		{"done at the last attempt", nil, false, 3, ack},
		{"done although it was told to stop", nil, true, 1, ack},

		{"failed without a kind", why, false, 1, again(5 * time.Second)},
		{"failed", work.Fail(work.Transient, why), false, 1, again(5 * time.Second)},
		{"failed for the second time", work.Fail(work.Transient, why), false, 2, again(15 * time.Second)},
		{"failed at the last attempt", work.Fail(work.Transient, why), false, 3, dead("failed")},
		{
			"failed beyond the last attempt, after the limit was lowered", work.Fail(work.Transient, why), false, 9,
			dead("failed"),
		},
		{
			"failed, wrapped", fmt.Errorf("why%w", work.Fail(work.Transient, errors.New(""))), false, 1,
			again(5 * time.Second),
		},

		{"timed out", work.Fail(work.TimedOut, why), false, 1, again(5 * time.Second)},
		{"timed out at the last attempt", work.Fail(work.TimedOut, why), false, 3, dead("timed out")},

		{"bad input", work.Fail(work.BadInput, why), false, 1, dead("bad input")},
		{"not allowed", work.Fail(work.NotAllowed, why), false, 1, dead("not allowed")},
		{"output exists", work.Fail(work.OutputExists, why), false, 1, dead("output exists")},
		{"over limit", work.Fail(work.OverLimit, why), false, 1, dead("over limit")},

		{"stopped", why, true, 1, back},
		{"stopped at the last attempt", why, true, 3, back},
		{"stopped, and the handler takes it for bad input", work.Fail(work.BadInput, why), true, 1, back},
		{"stopped, and the handler says so", work.Fail(work.Interrupted, why), true, 1, back},
		{
			"the handler says interrupted, but nobody stopped it", work.Fail(work.Interrupted, why), false, 1,
			again(5 * time.Second),
		},
		{"interrupted by nobody, at the last attempt", work.Fail(work.Interrupted, why), false, 3, dead("failed")},

		{"claim lost", work.ErrLost, true, 1, lost},
		{"claim lost at the last attempt", work.ErrLost, true, 3, lost},
		{"cancelled", fmt.Errorf("renew: %w", work.ErrCancelled), true, 1, ack},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Settle(c.err, c.stopped, c.attempt, retries); got != c.want {
				t.Errorf("\n got %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// A handler's bare context error, with its context alive, must end in the dead letters one day.
func TestSettleEndsWhatNobodyStopped(t *testing.T) {
	for attempt := 1; ; attempt++ {
		switch d := Settle(context.Canceled, false, attempt, retries); {
		case d.Action == work.DeadLetter && attempt == retries.Attempts:
			return
		case d.Action != work.Retry || !d.Counted || attempt > retries.Attempts:
			t.Fatalf("attempt %d: %+v", attempt, d)
		}
	}
}

func TestSettleBackoffGrowsToItsMax(t *testing.T) {
	r := retries
	r.Attempts = 100
	for i, want := range []time.Duration{5 * time.Second, 15 * time.Second, 40 * time.Second, 40 * time.Second} {
		if got := Settle(errKilled, false, i+1, r).After; got != want {
			t.Errorf("after attempt %d: %s, want %s", i+1, got, want)
		}
	}
	if got := Settle(errKilled, false, 99, r).After; got != 40*time.Second {
		t.Errorf("after attempt 99: %s", got)
	}
}

func TestRefusal(t *testing.T) {
	for _, c := range []struct {
		state  work.ClaimState
		want   work.Action
		after  time.Duration
		reason string
	}{
		{work.Settled, work.Ack, 0, ""},
		{work.HeldByLive, work.Retry, time.Second, ""},
		{work.Poison, work.DeadLetter, 0, "poison"},
		{work.Buried, work.DeadLetter, 0, "dead already"},
		{"of a newer ledger", work.Retry, time.Second, ""}, // acknowledging what isn't understood loses a job
		{"", work.Retry, time.Second, ""},
	} {
		t.Run("claim "+string(c.state), func(t *testing.T) {
			got := refusal(work.Claim{State: c.state})
			if got.Action != c.want || got.After != c.after || got.Reason != c.reason || got.Counted {
				t.Errorf("got %+v", got)
			}
			if c.want != work.Ack && got.Error == "" {
				t.Error("it doesn't say why")
			}
		})
	}
}

// The dead letter of a dead job that comes again tells what the job died of: it may be the only one.
func TestRefusalOfTheDead(t *testing.T) {
	got := refusal(work.Claim{State: work.Buried, Reason: "bad input", Error: "not a video"})
	if want := (work.Disposition{Action: work.DeadLetter, Reason: "bad input", Error: "not a video"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMalformed(t *testing.T) {
	unreadable := errors.New("the message is null, not a JSON object")
	for _, c := range []struct {
		name, id, reason, text string
		err                    error
	}{
		{"no id", "", "no id", "no id", job.ErrNoID},
		{"unreadable, no id", "", "not a job", unreadable.Error(), unreadable},
		{
			"unreadable, with an id", "a-1", "not a job", unreadable.Error() + " (the message bears the id a-1)",
			unreadable,
		},
		{"unreadable, with an id that is none", "a b\n", "not a job", unreadable.Error(), unreadable},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := malformed(work.Delivery{Job: job.Job{ID: c.id}, Err: c.err})
			if want := (work.Disposition{Action: work.DeadLetter, Reason: c.reason, Error: c.text}); got != want {
				t.Errorf("\n got %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestOutcome(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		disp work.Disposition
		want work.Outcome
	}{
		{work.Disposition{Action: work.Ack}, work.Outcome{State: job.Completed}},
		{
			work.Disposition{Action: work.Retry, After: time.Minute, Counted: true, Error: "e"},
			work.Outcome{State: job.Retrying, NextAt: now.Add(time.Minute), Error: "e"},
		},
		{
			work.Disposition{Action: work.DeadLetter, Reason: "r", Error: "e"},
			work.Outcome{State: job.Dead, Reason: "r", Error: "e"},
		},
		{work.Disposition{Action: work.Return, Error: "e"}, work.Outcome{State: job.Queued}},
	} {
		t.Run(string(c.disp.Action), func(t *testing.T) {
			got := outcome(c.disp, now)
			if got.State != c.want.State || !got.NextAt.Equal(c.want.NextAt) || got.Reason != c.want.Reason ||
				got.Error != c.want.Error {
				t.Errorf("\n got %+v\nwant %+v", got, c.want)
			}
		})
	}
}
