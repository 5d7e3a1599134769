// Package recipe is how jobs of each kind are made: a file for each kind, which reads its params and makes files in an
// attempt's scratch folder. What the params may be is declared in lanes/kinds; what becomes of the files is the
// business of worker/media.
package recipe

import (
	"context"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/worker/media/attempt"
)

// Recipe is a planned job: what it makes, and how.
type Recipe struct {
	// MediaType is that of the output, or of a folder's main file.
	MediaType string
	// Main is the file of a folder that its readers begin with. "" is the manifest.
	Main string
	// Parts says that parts of the input will do: Make asks for them (attempt.FFmpegNear).
	Parts bool
	// Looks says that Make looks at the input itself: ffprobe isn't asked.
	Looks bool
	// Make makes the files of the output, of which there is one unless the output is a folder.
	Make func(ctx context.Context, a *attempt.Attempt) ([]attempt.File, error)
}

// maker makes the outputs of one kind.
type maker struct {
	plan func(kinds.Values) Recipe // it does no I/O: the params have been checked
	// uses is ffmpeg's options for outputs of every sort that the kind makes; nil: it doesn't run it.
	uses func() [][]string
}

// makers is how each kind of the catalogue is made. A new one is a file of its own and a line here, beside its entry in
// lanes/kinds.
var makers = map[string]maker{
	"audio":     {plan: planAudio, uses: audioUses},
	"hls":       {plan: planHLS, uses: hlsUses},
	"image":     {plan: planImage},
	"loudness":  {plan: planLoudness, uses: loudnessUses},
	"probe":     {plan: planProbe},
	"sprite":    {plan: planSprite, uses: spriteUses},
	"thumbnail": {plan: planThumbnail, uses: thumbnailUses},
	"transcode": {plan: planTranscode, uses: transcodeUses},
	"waveform":  {plan: planWaveform, uses: waveformUses},
}

// Plan returns the recipe of a job of the kind, which is in the catalogue.
func Plan(kind string, params kinds.Values) Recipe { return makers[kind].plan(params) }

// Uses returns, by kind, ffmpeg's options for every sort of output that the kind makes, the usual one first. The doctor
// reads from them what ffmpeg must have.
func Uses() map[string][][]string {
	all := map[string][][]string{}
	for name, m := range makers {
		if m.uses != nil {
			all[name] = m.uses()
		}
	}
	return all
}

// one is the output of a kind that makes a single file.
func one(name, mediaType string, err error) ([]attempt.File, error) {
	if err != nil {
		return nil, err
	}
	return []attempt.File{{Name: name, MediaType: mediaType}}, nil
}
