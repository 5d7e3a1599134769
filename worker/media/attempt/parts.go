package attempt

import (
	"context"
)

// Parts is an input elsewhere that isn't all here. What isn't is zeros in the file.
type Parts interface {
	// Around fetches what is needed for pictures from a place on, in seconds after the input's beginning. An error says
	// that this can't be known.
	Around(seconds float64, frames int) error
	// Rest fetches all that isn't here yet.
	Rest() error
}

// FFmpegNear runs ffmpeg as FFmpeg does, on what comes within some frames after a place, in seconds; 0 frames are all
// of the input. Where the input is elsewhere, only that part of it is fetched. The rest is, and ffmpeg runs once more,
// if it finds anything wrong with the part.
func (a *Attempt) FFmpegNear(ctx context.Context, start float64, frames int, r Run) error {
	if a.Parts == nil {
		return a.FFmpeg(ctx, r)
	}
	if frames > 0 && a.Parts.Around(start, frames) == nil {
		if said, err := a.run(ctx, r); err == nil && said == "" {
			return nil
		}
	}
	if err := a.rest(); err != nil {
		return err
	}
	return a.FFmpeg(ctx, r)
}

// rest fetches what isn't here yet of the input.
func (a *Attempt) rest() error {
	parts := a.Parts
	a.Parts = nil
	return parts.Rest()
}
