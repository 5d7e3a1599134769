package media

import (
	"context"

	"github.com/polyglot-media/siren/lanes/kinds"
)

// maker makes the outputs of one kind. plan does no I/O: the params have been checked.
type maker struct {
	plan func(kinds.Values) recipe
	// uses is ffmpeg's options for outputs of every sort that the kind makes; nil: it needs ffprobe alone.
	uses func() [][]string
}

// recipe is a planned job: what it makes, and how. make returns the name of the output file in the scratch folder.
type recipe struct {
	mediaType string
	make      func(ctx context.Context, a *attempt) (string, error)
}
