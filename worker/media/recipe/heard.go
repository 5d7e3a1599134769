package recipe

import (
	"context"
	"strings"

	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/media/sound"
)

// heard is how sound is to come out, of every kind that makes any.
type heard struct {
	channels string // stereo, mono or 5.1, at most
}

// filters returns the filters of the sound.
func (h heard) filters(_ context.Context, _ *attempt.Attempt, s probe.Stream) ([]string, error) {
	return sound.Layout(s, h.channels), nil
}

// withFilters returns ffmpeg's option for filters of sound; none for none.
func withFilters(filters []string) []string {
	if len(filters) == 0 {
		return nil
	}
	return []string{"-af", strings.Join(filters, ",")}
}
