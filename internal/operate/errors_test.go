package operate

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/polyglot-media/siren/lanes"
)

func TestKindOf(t *testing.T) {
	for want, errs := range map[Kind][]error{
		"": {
			nil, errors.New("no kind"), context.Canceled, fmt.Errorf("read: %w (%w)", lanes.ErrAway, context.Canceled),
			lanes.ErrConflict,
		},
		NotFound: {NotFound.Errorf("no lane %q", "x"), fmt.Errorf("look: %w", NotFound.With(lanes.ErrAway))},
		Conflict: {Conflict.With(NotFound.Errorf("the outermost counts"))},
		Refused: {
			fmt.Errorf("read: %w", lanes.ErrRefused),
			fmt.Errorf("%w: %w", lanes.Away(errors.New("not sent")), lanes.ErrRefused),
		},
		Unreachable: {
			fmt.Errorf("read: %w", lanes.ErrAway),
			fmt.Errorf("publish: %w", lanes.Away(context.DeadlineExceeded)),
		},
	} {
		for _, err := range errs {
			if got := KindOf(err); got != want {
				t.Errorf("KindOf(%v) = %q, want %q", err, got, want)
			}
			if want != "" && want != Refused && want != Unreachable && !errors.Is(err, want) {
				t.Errorf("%v isn't %q", err, want)
			}
		}
	}
}
