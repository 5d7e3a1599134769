package exit

import (
	"errors"
	"fmt"
	"testing"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/lanes"
)

func TestOf(t *testing.T) {
	for want, errs := range map[int][]error{
		Failed:      {errors.New("no kind"), operate.NotPossible.Errorf("not now")},
		Usage:       {With(Usage, errors.New("--limit")), operate.Invalid.Errorf("no")},
		NotFound:    {fmt.Errorf("look: %w", operate.NotFound.Errorf("no lane"))},
		JobFailed:   {With(JobFailed, operate.NotFound.Errorf("what the command says counts"))},
		Unreachable: {fmt.Errorf("read: %w", lanes.ErrAway)},
		Conflict:    {operate.Conflict.Errorf("changed")},
		Refused:     {fmt.Errorf("read: %w", lanes.ErrRefused)},
	} {
		for _, err := range errs {
			if got, _ := Of(err); got != want {
				t.Errorf("%v: exit code %d, want %d", err, got, want)
			}
		}
	}
}
