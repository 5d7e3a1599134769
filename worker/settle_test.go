package worker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

var retries = lanes.Retries{
	Attempts: 3, First: lanes.Duration(5 * time.Second), Factor: 3, Max: lanes.Duration(40 * time.Second),
}

func TestSettle(t *testing.T) {
	why := errors.New("why")
	ack := lanes.Disposition{Action: lanes.Ack}
	back := lanes.Disposition{Action: lanes.Return, Error: "why"}
	again := func(after time.Duration) lanes.Disposition {
		return lanes.Disposition{Action: lanes.Retry, After: after, Counted: true, Error: "why"}
	}
	dead := func(reason string) lanes.Disposition {
		return lanes.Disposition{Action: lanes.DeadLetter, Reason: reason, Error: "why"}
	}
	lost := lanes.Disposition{Action: lanes.Retry, After: time.Second, Error: lanes.ErrLost.Error()}
	for _, c := range []struct {
		name    string
		err     error
		stopped bool
		attempt int
		want    lanes.Disposition
	}{
		{"done", nil, false, 1, ack},
		{"done at the last attempt", nil, false, 3, ack},
		{"done although it was told to stop", nil, true, 1, ack},

		{"failed without a kind", why, false, 1, again(5 * time.Second)},
		{"failed", lanes.Fail(lanes.Transient, why), false, 1, again(5 * time.Second)},
		{"failed for the second time", lanes.Fail(lanes.Transient, why), false, 2, again(15 * time.Second)},
		{"failed at the last attempt", lanes.Fail(lanes.Transient, why), false, 3, dead("failed")},
		{"failed beyond the last attempt, after the limit was lowered", lanes.Fail(lanes.Transient, why), false, 9, dead("failed")},
		{"failed, wrapped", fmt.Errorf("why%w", lanes.Fail(lanes.Transient, errors.New(""))), false, 1, again(5 * time.Second)},

		{"timed out", lanes.Fail(lanes.TimedOut, why), false, 1, again(5 * time.Second)},
		{"timed out at the last attempt", lanes.Fail(lanes.TimedOut, why), false, 3, dead("timed out")},

		{"bad input", lanes.Fail(lanes.BadInput, why), false, 1, dead("bad input")},
		{"not allowed", lanes.Fail(lanes.NotAllowed, why), false, 1, dead("not allowed")},
		{"output exists", lanes.Fail(lanes.OutputExists, why), false, 1, dead("output exists")},
		{"over limit", lanes.Fail(lanes.OverLimit, why), false, 1, dead("over limit")},

		{"stopped", why, true, 1, back},
		{"stopped at the last attempt", why, true, 3, back},
		{"stopped, and the handler takes it for bad input", lanes.Fail(lanes.BadInput, why), true, 1, back},
		{"stopped, and the handler says so", lanes.Fail(lanes.Interrupted, why), true, 1, back},
		{"the handler says interrupted, but nobody stopped it", lanes.Fail(lanes.Interrupted, why), false, 1, again(5 * time.Second)},
		{"interrupted by nobody, at the last attempt", lanes.Fail(lanes.Interrupted, why), false, 3, dead("failed")},

		{"claim lost", lanes.ErrLost, true, 1, lost},
		{"claim lost at the last attempt", lanes.ErrLost, true, 3, lost},
		{"cancelled", fmt.Errorf("renew: %w", lanes.ErrCancelled), true, 1, ack},
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
		case d.Action == lanes.DeadLetter && attempt == retries.Attempts:
			return
		case d.Action != lanes.Retry || !d.Counted || attempt > retries.Attempts:
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
		state  lanes.ClaimState
		want   lanes.Action
		after  time.Duration
		reason string
	}{
		{lanes.Settled, lanes.Ack, 0, ""},
		{lanes.HeldByLive, lanes.Retry, time.Second, ""},
		{lanes.Poison, lanes.DeadLetter, 0, "poison"},
		{lanes.Buried, lanes.DeadLetter, 0, "dead already"},
		{"of a newer ledger", lanes.Retry, time.Second, ""}, // acknowledging what isn't understood loses a job
		{"", lanes.Retry, time.Second, ""},
	} {
		t.Run("claim "+string(c.state), func(t *testing.T) {
			got := refusal(lanes.Claim{State: c.state})
			if got.Action != c.want || got.After != c.after || got.Reason != c.reason || got.Counted {
				t.Errorf("got %+v", got)
			}
			if c.want != lanes.Ack && got.Error == "" {
				t.Error("it doesn't say why")
			}
		})
	}
}

// The dead letter of a dead job that comes again tells what the job died of: it may be the only one.
func TestRefusalOfTheDead(t *testing.T) {
	got := refusal(lanes.Claim{State: lanes.Buried, Reason: "bad input", Error: "not a video"})
	if want := (lanes.Disposition{Action: lanes.DeadLetter, Reason: "bad input", Error: "not a video"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMalformed(t *testing.T) {
	unreadable := errors.New("the message is null, not a JSON object")
	for _, c := range []struct {
		name, id, reason, text string
		err                    error
	}{
		{"no id", "", "no id", "no id", lanes.ErrNoID},
		{"unreadable, no id", "", "not a job", unreadable.Error(), unreadable},
		{"unreadable, with an id", "a-1", "not a job", unreadable.Error() + " (the message bears the id a-1)", unreadable},
		{"unreadable, with an id that is none", "a b\n", "not a job", unreadable.Error(), unreadable},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := malformed(lanes.Delivery{Job: lanes.Job{ID: c.id}, Err: c.err})
			if want := (lanes.Disposition{Action: lanes.DeadLetter, Reason: c.reason, Error: c.text}); got != want {
				t.Errorf("\n got %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestOutcome(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		disp lanes.Disposition
		want lanes.Outcome
	}{
		{lanes.Disposition{Action: lanes.Ack}, lanes.Outcome{State: lanes.Completed}},
		{
			lanes.Disposition{Action: lanes.Retry, After: time.Minute, Counted: true, Error: "e"},
			lanes.Outcome{State: lanes.Retrying, NextAt: now.Add(time.Minute), Error: "e"},
		},
		{
			lanes.Disposition{Action: lanes.DeadLetter, Reason: "r", Error: "e"},
			lanes.Outcome{State: lanes.Dead, Reason: "r", Error: "e"},
		},
		{lanes.Disposition{Action: lanes.Return, Error: "e"}, lanes.Outcome{State: lanes.Queued}},
	} {
		t.Run(string(c.disp.Action), func(t *testing.T) {
			got := outcome(c.disp, now)
			if got.State != c.want.State || !got.NextAt.Equal(c.want.NextAt) || got.Reason != c.want.Reason || got.Error != c.want.Error {
				t.Errorf("\n got %+v\nwant %+v", got, c.want)
			}
		})
	}
}
