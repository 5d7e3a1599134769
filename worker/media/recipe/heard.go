package recipe

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/media/sound"
)

// heard is how sound is to come out, of every kind that makes any.
type heard struct {
	channels string   // stereo, mono or 5.1, at most
	loudness float64  // LUFS; 0: as it is
	podcast  bool     // the loudness is that of podcasts
	rate     int      // samples a second; 0: as it is
	encoder  []string // of the output, in ffmpeg's options; it changes how loud sound is, and where its peaks are
}

func planHeard(v kinds.Values) heard {
	return heard{
		channels: v.Word("channels"), loudness: v.Number("loudness"), podcast: v.Word("loudness") == "podcast",
		rate: v.Whole("rate"),
	}
}

// ceiling is where the peaks of sound may be that is brought to a loudness, in dBTP (EBU R 128).
const ceiling = -1

// of returns how that sound is to come out. Podcasts are of -16 LUFS, and of -19 where there is one channel, which
// sounds as loud.
func (h heard) of(s probe.Stream) heard {
	if h.podcast {
		h.loudness = -16
	}
	if h.podcast && sound.Channels(s, h.channels) == 1 {
		h.loudness = -19
	}
	return h
}

// filters returns the filters of the sound. Where a loudness is wanted it has the sound measured for that, and encoded
// on trial.
func (h heard) filters(ctx context.Context, a *attempt.Attempt, s probe.Stream) ([]string, error) {
	return h.filtersFor(ctx, a, s, func(filters []string) (string, error) {
		const name = "trial.mka"
		return name, a.FFmpeg(ctx, attempt.Run{
			Seconds: a.Info.Seconds(s), To: 0.05,
			Outputs: []attempt.Output{{Name: name, Options: h.trial(s, filters)}},
		})
	})
}

// trial returns ffmpeg's options for the sound alone, as it will be encoded.
func (h heard) trial(s probe.Stream, filters []string) []string {
	return slices.Concat(only(s), withFilters(filters), h.encoder, []string{"-f", "matroska"})
}

// filtersFor returns the filters of a sound that encode makes a file of, which is what counts. Unless the sound is left
// as loud as it is, the last file was made with those filters.
func (h heard) filtersFor(ctx context.Context, a *attempt.Attempt, s probe.Stream,
	encode func(filters []string) (file string, err error),
) ([]string, error) {
	chain, rate := sound.Layout(s, h.channels), int(s.SampleRate)
	if h.rate > 0 && h.rate != rate {
		rate = h.rate
		chain = append(chain, fmt.Sprintf("aresample=%d", rate))
	}
	if h.loudness == 0 {
		return chain, nil
	}
	l, err := measured(ctx, a, metering{sound: s, filters: chain, seconds: a.Info.Seconds(s)})
	switch {
	case err != nil:
		return nil, err
	case l.Silent():
		a.Warn("the sound of input %s is silent: it stays so", a.From)
		return chain, nil
	case math.IsInf(l.Integrated, 0):
		a.Warn("the sound of input %s lasts %.1f s, too short to measure its loudness: it is left as it is", a.From,
			l.Seconds)
		return chain, nil
	case l.Seconds < 3:
		a.Warn("the sound of input %s lasts %.1f s: the loudness of less than 3 s says little", a.From, l.Seconds)
	}
	target := sound.Target{LUFS: h.loudness, Ceiling: ceiling}
	gain := target.Gain(l)
	const most = 6
	for try := 1; ; try++ {
		filters := slices.Concat(chain, gain.Filters(rate))
		file, err := encode(filters)
		if err != nil {
			return nil, err
		}
		if l, err = measured(ctx, a, metering{file: file, seconds: l.Seconds}); err != nil {
			return nil, err
		}
		better, there := target.Again(gain, l)
		if there {
			return filters, nil
		}
		if try == most {
			a.Warn("the sound of input %s comes out at %.1f LUFS with peaks of %.1f dBTP, not at %v LUFS: they "+
				"allow no more", a.From, l.Integrated, l.Peak, h.loudness)
			return filters, nil
		}
		gain = better
	}
}

// metering is what is measured: a sound of the input after filters, or a file that was made of it.
type metering struct {
	sound   probe.Stream
	filters []string
	file    string
	seconds float64
}

// measured returns how loud it is.
func measured(ctx context.Context, a *attempt.Attempt, m metering) (sound.Loudness, error) {
	meter := sound.NewMeter()
	err := a.FFmpeg(ctx, attempt.Run{
		Of: m.file, Seconds: m.seconds, Printed: meter,
		Outputs: []attempt.Output{{Name: attempt.Stdout, Options: m.args()}},
	})
	return meter.Loudness(), err
}

// args returns ffmpeg's options for the run.
func (m metering) args() []string {
	return slices.Concat(only(m.sound), withFilters(slices.Concat(m.filters, sound.Metered)), []string{"-f", "null"})
}

// only returns the options that choose the sound, and nothing else.
func only(s probe.Stream) []string {
	return []string{"-map", fmt.Sprintf("0:%d", s.Index), "-vn", "-sn", "-dn"}
}

// inTongue returns the option that gives an output's sound the language of the input's, which says nothing of anybody.
func inTongue(s probe.Stream) []string {
	if s.Tongue() == "" {
		return nil
	}
	return []string{"-metadata:s:a:0", "language=" + s.Tongue()}
}

// withFilters returns ffmpeg's option for filters of sound. There is always one, so that an attempt can put another
// before it.
func withFilters(filters []string) []string {
	if len(filters) == 0 {
		filters = []string{"anull"}
	}
	return []string{"-af", strings.Join(filters, ",")}
}
