package media

import (
	"context"
	"maps"
	"slices"

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

// makers is how each kind of the catalogue is made. A new one is a file of its own and a line here, beside its entry in
// lanes/kinds.
var makers = map[string]maker{
	"probe":     {plan: planProbe},
	"thumbnail": {plan: planThumbnail, uses: thumbnailUses},
	"transcode": {plan: planTranscode, uses: transcodeUses},
}

// Uses returns ffmpeg's options for every sort of output that the kinds make. The doctor reads from them what ffmpeg
// must have.
func Uses() (all [][]string) {
	for _, name := range slices.Sorted(maps.Keys(makers)) {
		if uses := makers[name].uses; uses != nil {
			all = append(all, uses()...)
		}
	}
	return all
}
