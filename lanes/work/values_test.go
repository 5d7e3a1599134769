package work

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestKindOf(t *testing.T) {
	inner := Fail(Transient, errors.New("disk full"))
	tests := []struct {
		name      string
		err       error
		want      ErrorKind
		permanent bool
	}{
		{"none", nil, "", false},
		{"no kind", errors.New("odd"), Transient, false},
		{"a kind", Fail(BadInput, errors.New("not a video")), BadInput, true},
		{"wrapped", fmt.Errorf("probe: %w", Fail(NotAllowed, errors.New("no"))), NotAllowed, true},
		{"the outermost of two", Fail(OverLimit, fmt.Errorf("write: %w", inner)), OverLimit, true},
		{"joined", errors.Join(errors.New("odd"), Fail(OutputExists, errors.New("there"))), OutputExists, true},
		{"cancelled", fmt.Errorf("read: %w", context.Canceled), Interrupted, false},
		// A dependency's own time limit is no reason to give the job back at no cost: the lane's has a kind of its own.
		{"a deadline", context.DeadlineExceeded, Transient, false},
		{"a kind wins over its cause", Fail(TimedOut, context.Canceled), TimedOut, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := KindOf(tt.err)
			if got != tt.want || got.Permanent() != tt.permanent {
				t.Errorf("KindOf(%v) = %q, permanent %v; want %q, %v", tt.err, got, got.Permanent(), tt.want,
					tt.permanent)
			}
		})
	}
}

func TestFail(t *testing.T) {
	if err := Fail(BadInput, nil); err != nil {
		t.Errorf("Fail(nil) = %v, which isn't nil", err)
	}
	cause := errors.New("truncated")
	if err := Fail(BadInput, cause); err.Error() != "truncated" || !errors.Is(err, cause) {
		t.Errorf("Fail = %v: its text and cause are the job owner's to read", err)
	}
}

func TestDeliveryWait(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name  string
		ready time.Time
		want  time.Duration
	}{
		{"nobody said", time.Time{}, 0},
		{"a while ago", now.Add(-3 * time.Second), 3 * time.Second},
		{"by a clock that is ahead", now.Add(time.Second), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Delivery{ReadyAt: tt.ready}).Wait(now); got != tt.want {
				t.Errorf("Wait = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestDispositionString(t *testing.T) {
	for want, d := range map[string]Disposition{
		"ack":                      {Action: Ack},
		"return":                   {Action: Return},
		"retry in 5s":              {Action: Retry, After: 5 * time.Second},
		"dead letter: output gone": {Action: DeadLetter, Reason: "output gone"},
	} {
		if got := d.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
