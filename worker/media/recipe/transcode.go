package recipe

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/frame"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/media/sound"
)

// transcode is the params of a transcode job.
type transcode struct {
	crf           int // quality, 0 (lossless) to 51; used when bitrate is 0
	bitrate       int // of the video, bits per second
	width, height int // a box the picture is fitted into; it is never enlarged
	fps           float64
	preset        string
	audio         int // bits per second; 0: none
	heard         heard
	keep          bool // what the input says of itself: title, place, chapters
}

const defaultAudioBitrate = 128_000

func planTranscode(v kinds.Values) Recipe {
	t := transcode{
		crf: v.Whole("crf"), bitrate: v.Whole("bitrate"), width: v.Whole("width"), height: v.Whole("height"),
		fps: v.Number("fps"), preset: v.Word("preset"), audio: v.Whole("audio"),
		heard: heard{channels: v.Word("channels")}, keep: v.Word("metadata") == "keep",
	}
	if v.Word("audio") == "keep" {
		t.audio = defaultAudioBitrate
	}
	t.heard.encoder = []string{"-c:a", "aac", "-b:a", strconv.Itoa(t.audio)}
	return Recipe{MediaType: "video/mp4", Make: t.make}
}

func (t transcode) make(ctx context.Context, a *attempt.Attempt) ([]attempt.File, error) {
	v, err := a.Info.Video(a.From)
	if err != nil {
		return nil, err
	}
	var soundtrack []string // options
	if t.audio > 0 {
		if s, ok := a.Soundtrack(); ok {
			filters, err := t.heard.filters(ctx, a, s)
			if err != nil {
				return nil, err
			}
			soundtrack = t.sound(s, filters)
		}
	}
	wanted := t.preset
	width, height := v.Fitted(t.width, t.height, levelPixels)
	if t.preset, a.Task.Limits.Threads = a.Affordable(t.preset, v, width*height); t.preset != wanted {
		a.Warn("preset %s instead of %s: a slot's memory of %s has no room for more", t.preset, wanted,
			a.Task.Limits.Memory)
	}
	const name = "output.mp4"
	return one(name, "video/mp4", a.FFmpeg(ctx, attempt.Run{
		Seconds: a.Info.Seconds(v), Input: frame.Decoder(v),
		Outputs: []attempt.Output{{Name: name, Options: t.args(v, soundtrack)}},
	}))
}

// sound returns ffmpeg's options for the sound, with its filters.
func (t transcode) sound(s probe.Stream, filters []string) []string {
	return slices.Concat([]string{"-map", fmt.Sprintf("0:%d", s.Index)}, t.heard.encoder, withFilters(filters))
}

// args returns ffmpeg's options for the output, with those of its sound; none when it has none.
func (t transcode) args(v probe.Stream, soundtrack []string) []string {
	width, height := v.Fitted(t.width, t.height, levelPixels)
	filters := append(frame.Deinterlaced(v), frame.Square(v)...)
	filters = append(filters, frame.InFrame(width, height))
	filters = append(append(filters, frame.ToneMapped(v)...), frame.ForVideo(v)...)
	args := []string{"-map", fmt.Sprintf("0:%d", v.Index), "-sn", "-dn"}
	switch rate, steady := v.Rate(); {
	case t.fps > 0:
		filters = append(filters, "fps="+attempt.Number(t.fps))
	case !steady: // each frame at its time, none doubled
		args = append(args, "-vsync", "vfr", "-r", attempt.Number(rate))
	case rate < v.Base():
		filters = append(filters, "fps="+attempt.Number(rate))
	}
	args = append(args, "-vf", strings.Join(filters, ","),
		"-c:v", "libx264", "-preset", t.preset, "-force_key_frames", "expr:gte(t,n_forced*2)")
	args = append(args, frame.Tags(v)...)
	if t.bitrate > 0 {
		rate := strconv.Itoa(t.bitrate)
		args = append(args, "-b:v", rate, "-maxrate", rate, "-bufsize", strconv.Itoa(2*t.bitrate))
	} else {
		args = append(args, "-crf", strconv.Itoa(t.crf))
	}
	if soundtrack != nil {
		args = append(args, soundtrack...)
	} else {
		args = append(args, "-an")
	}
	if t.keep {
		args = append(args, "-map_metadata", "0", "-map_chapters", "0")
	} else { // where it was filmed, by whom and with what is nobody's business
		args = append(args, "-map_metadata", "-1", "-map_chapters", "-1", "-write_tmcd", "0")
	}
	return append(args, "-movflags", "+faststart", "-f", "mp4")
}

// levelPixels is how large a picture of H.264 may be for what plays it: level 5.2 (ITU-T H.264, table A-1), which has
// 36,864 blocks of 16 x 16.
const levelPixels = 36_864 * 256

// transcodeUses returns the options for pictures and sounds of every sort.
func transcodeUses() [][]string {
	t := transcode{width: 1, height: 1, fps: 25, heard: heard{encoder: []string{"-c:a", "aac"}}}
	return [][]string{
		t.args(probe.Stream{Aspect: "16:11", Fields: "tt", PixelFormat: "yuva420p"},
			t.sound(probe.Stream{}, sound.Layout(probe.Stream{Channels: 10}, "mono"))),
		t.args(probe.Stream{Transfer: "smpte2084"}, nil),
	}
}
