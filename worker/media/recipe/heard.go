package recipe

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/media/sound"
)

// heard is how sound is to come out, of every kind that makes any.
type heard struct {
	channels string  // stereo, mono or 5.1, at most
	loudness float64 // LUFS; 0: as it is
	rate     int     // samples a second; 0: as it is
	exact    bool    // its encoder loses nothing
}

// ceiling is where the peaks of sound may be that is brought to a loudness, in dBTP (EBU R 128), and headroom is what
// encoders that lose something add to them, in dB.
const (
	ceiling  = -1
	headroom = 1
)

// filters returns the filters of the sound. Where a loudness is wanted it has it measured first, and again where its
// peaks have to be limited for that.
func (h heard) filters(ctx context.Context, a *attempt.Attempt, s probe.Stream) ([]string, error) {
	chain := sound.Layout(s, h.channels)
	rate := int(s.SampleRate)
	if h.rate > 0 && h.rate != rate {
		rate = h.rate
		chain = append(chain, fmt.Sprintf("aresample=%d", rate))
	}
	if h.loudness == 0 {
		return chain, nil
	}
	target := sound.Target{LUFS: h.loudness, Ceiling: ceiling}
	if !h.exact {
		target.Ceiling -= headroom
	}
	l, err := measured(ctx, a, s, chain)
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
	gain := target.Gain(l)
	filters := append(chain, gain.Filters(rate)...)
	for try := 0; gain.Limit < 0; try++ {
		if l, err = measured(ctx, a, s, filters); err != nil {
			return nil, err
		}
		better, there := target.Again(gain, l)
		if there {
			break
		}
		if try == 5 {
			if math.Abs(l.Integrated-target.LUFS) > sound.Within {
				a.Warn("the sound of input %s comes out at %.1f LUFS instead of %v: its peaks allow no more", a.From,
					l.Integrated, target.LUFS)
			}
			break
		}
		gain = better
		filters = append(chain[:len(chain):len(chain)], gain.Filters(rate)...)
	}
	return filters, nil
}

// measured returns the loudness of the sound after the filters.
func measured(ctx context.Context, a *attempt.Attempt, s probe.Stream, filters []string) (sound.Loudness, error) {
	meter := sound.NewMeter()
	err := a.FFmpeg(ctx, attempt.Run{
		Seconds: a.Info.Seconds(s), Printed: meter,
		Outputs: []attempt.Output{{Name: attempt.Stdout, Options: metered(s, filters)}},
	})
	return meter.Loudness(), err
}

// metered returns ffmpeg's options for a run that only measures.
func metered(s probe.Stream, filters []string) []string {
	return append(only(s), append(withFilters(append(filters[:len(filters):len(filters)], sound.Metered...)),
		"-f", "null")...)
}

// only returns the options that choose the sound, and nothing else.
func only(s probe.Stream) []string {
	return []string{"-map", fmt.Sprintf("0:%d", s.Index), "-vn", "-sn", "-dn"}
}

// withFilters returns ffmpeg's option for filters of sound; none for none.
func withFilters(filters []string) []string {
	if len(filters) == 0 {
		return nil
	}
	return []string{"-af", strings.Join(filters, ",")}
}
