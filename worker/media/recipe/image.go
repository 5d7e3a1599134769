package recipe

import (
	"context"
	"fmt"
	"image/color"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/vips"
	"github.com/polyglot-media/siren/worker/sandbox"
)

// image is an image job. libvips makes it: it decodes only as much of a photo as the size needs, reads HEIC as the
// whole that its tiles are, and knows colour profiles, all of which ffmpeg doesn't.
type image struct{ vips.Wish }

func planImage(v kinds.Values) Recipe {
	i := image{vips.Wish{
		Width: v.Whole("width"), Height: v.Whole("height"), Fit: v.Word("fit"), Gravity: v.Word("gravity"),
		Format: v.Word("format"), Quality: v.Whole("quality"),
		KeepProfile: v.Word("profile") == "keep", KeepMetadata: v.Word("metadata") == "keep",
		Moving: v.Word("animation") == "keep", Strict: v.Word("tolerate") == "none",
	}}
	if c, is := v.Colour("background"); is {
		i.Background = c
	} else if i.Format == "jpg" {
		i.Background = color.NRGBA{R: 255, G: 255, B: 255, A: 255}
	}
	return Recipe{MediaType: pictureType(i.Format), Make: i.make, Looks: true}
}

func (i image) make(ctx context.Context, a *attempt.Attempt) ([]attempt.File, error) {
	p, err := a.Look(ctx)
	if err != nil {
		return nil, err
	}
	w := i.Of(p)
	if i.Moving && p.Moves() && w.Format == "webp" && !w.Moving {
		a.Warn("input %s moves; fit %s makes a still picture of its first frame", a.From, w.Fit)
	}
	if err := bearable(p, w.Moving); err != nil {
		return nil, err
	}
	err = a.Vips(ctx, sandbox.InputPath, p, w)
	if err == nil && w.Format == "webp" && !w.KeepMetadata {
		err = clean(a, w)
	}
	return one(w.Output(), pictureType(i.Format), err)
}

// clean takes out of a WebP what the input says of itself.
func clean(a *attempt.Attempt, w vips.Wish) error {
	file, err := a.Dir.ReadFile(w.Output())
	if err == nil {
		err = a.Dir.WriteFile(w.Output(), vips.CleanWebP(file, w.KeepProfile), 0o600)
	}
	if err != nil {
		return fmt.Errorf("scratch: %w", err)
	}
	return nil
}

// bearable checks that the frames of an animation are within bounds: they are decoded one by one, so there may be more
// pixels than in a single picture.
func bearable(p vips.Picture, moving bool) error {
	const pixels, tallest = 16 * sandbox.MaxPixels, 10_000_000 // vips has all frames below each other
	if moving && (p.Frames > tallest/p.Height || p.Frames > pixels/(p.Width*p.Height)) {
		return work.Fail(work.OverLimit, fmt.Errorf("the input has %d frames of %d x %d; at most %d million pixels "+
			"are allowed in all, and a height of %d: set animation to drop, for the first frame", p.Frames, p.Width,
			p.Height, pixels/1_000_000, tallest))
	}
	return nil
}
