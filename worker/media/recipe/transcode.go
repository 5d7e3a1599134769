package recipe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/frame"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/media/sound"
)

// transcode is the params of a transcode job.
type transcode struct {
	compression
	container     string
	width, height int // a box the picture is fitted into; it is never enlarged
	fps           float64
	silent        bool // the sound is dropped
	audioCodec    string
	audio         int // bits per second; 0: what suits it
	heard         heard
	keep          bool // what the input says of itself: title, place, chapters
}

func planTranscode(v kinds.Values) Recipe {
	t := transcode{
		compression: compression{
			codec: v.Word("codec"), speed: v.Word("speed"), crf: v.Whole("crf"), bitrate: v.Whole("bitrate"),
			most: v.Whole("maxrate"), passes: v.Whole("passes"),
		},
		container: v.Word("container"), width: v.Whole("width"), height: v.Whole("height"), fps: v.Number("fps"),
		silent: v.Word("audio") == "drop", audio: v.Whole("audio"), audioCodec: v.Word("audioCodec"),
		heard: planHeard(v), keep: v.Word("metadata") == "keep",
	}
	return Recipe{MediaType: t.mediaType(), Make: t.make}
}

func (t transcode) mediaType() string {
	return map[string]string{
		kinds.MP4: "video/mp4", kinds.WebM: "video/webm", kinds.Matroska: "video/x-matroska",
	}[t.container]
}

func (t transcode) make(ctx context.Context, a *attempt.Attempt) ([]attempt.File, error) {
	v, err := a.Info.Video(a.From)
	if err != nil {
		return nil, err
	}
	soundtrack, err := t.soundtrack(ctx, a)
	if err != nil {
		return nil, err
	}
	t.afford(a, v)
	const name = "output"
	for pass := 1; pass <= t.passes && err == nil; pass++ {
		run := attempt.Run{
			Seconds: a.Info.Seconds(v), Input: frame.Decoder(v),
			From: float64(pass-1) / float64(t.passes), To: float64(pass) / float64(t.passes),
			Outputs: []attempt.Output{{Name: name, Options: t.args(pass, v, soundtrack)}},
		}
		if pass < t.passes {
			run.Outputs[0].Name = attempt.Stdout
		}
		err = a.FFmpeg(ctx, run)
	}
	return one(name, t.mediaType(), err)
}

// soundtrack returns ffmpeg's options for the sound; none when there is none.
func (t transcode) soundtrack(ctx context.Context, a *attempt.Attempt) ([]string, error) {
	if t.silent {
		return nil, nil
	}
	s, ok := a.Soundtrack()
	if !ok {
		return nil, nil
	}
	t.heard = t.heard.of(s)
	t.heard.encoder = soundEncoder(t.audioCodec, t.audio, sound.Channels(s, t.heard.channels))
	filters, err := t.heard.filters(ctx, a, s)
	return t.sound(s, filters), err
}

func (t transcode) sound(s probe.Stream, filters []string) []string {
	return slices.Concat([]string{"-map", fmt.Sprintf("0:%d", s.Index)}, withFilters(filters), t.heard.encoder,
		inTongue(s))
}

// afford makes do with what the slot's memory has room for.
func (t *transcode) afford(a *attempt.Attempt, v probe.Stream) {
	wanted := t.speed
	width, height := v.Fitted(t.width, t.height, largest(t.codec))
	if t.speed, t.threads = a.Affordable(t.codec, wanted, v, width*height); t.speed != wanted {
		a.Warn("speed %s instead of %s: a slot's memory of %s has no room for more", t.speed, wanted,
			a.Task.Limits.Memory)
	}
	a.Task.Limits.Threads = t.threads
}

// args returns ffmpeg's options for the output of one pass, with those of its sound; none when it has none.
func (t transcode) args(pass int, v probe.Stream, soundtrack []string) []string {
	pictures, rate := t.pictures(v)
	t.gop = keysByCount(rate)
	args := slices.Concat([]string{"-map", fmt.Sprintf("0:%d", v.Index), "-sn", "-dn"}, pictures,
		t.compression.args(pass), frame.Tags(v))
	if pass < t.passes {
		return append(args, "-an", "-f", "null")
	}
	if t.codec == "hevc" && t.container == kinds.MP4 {
		args = append(args, "-tag:v", "hvc1") // Apple's players take no hev1
	}
	if soundtrack != nil {
		args = append(args, soundtrack...)
	} else {
		args = append(args, "-an")
	}
	if t.keep {
		args = append(args, "-map_metadata", "0", "-map_chapters", "0")
	} else { // where it was filmed, by whom and with what is nobody's business
		args = append(args, "-map_metadata", "-1", "-map_chapters", "-1")
		if t.container == kinds.MP4 {
			args = append(args, "-write_tmcd", "0")
		}
	}
	return append(args, muxer(t.container)...)
}

// pictures returns the options that make the frames to encode, each at its time, and how many come in a second.
func (t transcode) pictures(v probe.Stream) (args []string, rate float64) {
	width, height := v.Fitted(t.width, t.height, largest(t.codec))
	filters := slices.Concat(frame.Deinterlaced(v), frame.Square(v), []string{frame.InFrame(width, height)},
		frame.ToneMapped(v), frame.ForVideo(v))
	rate, steady := v.Rate()
	switch {
	case t.fps > 0:
		rate = t.fps
		filters = append(filters, "fps="+attempt.Number(t.fps))
	case steady && rate < v.Base():
		filters = append(filters, "fps="+attempt.Number(rate))
	default: // each frame at its time, none doubled: a file may say that it is steady where frames are missing
		args = []string{"-vsync", "vfr", "-r", attempt.Number(rate)}
		if average, err := probe.Ratio(v.FrameRate); !steady && err == nil {
			rate = min(rate, average)
		}
	}
	return append(args, "-vf", strings.Join(filters, ",")), rate
}

// transcodeUses returns the options for every codec, and for videos and sounds of every sort.
func transcodeUses() (all [][]string) {
	for _, codec := range []string{"h264", "hevc", "vp9", "av1"} {
		t := transcode{compression: compression{codec: codec}, container: kinds.MP4}
		t.heard.encoder = soundEncoder("aac", 0, 2)
		all = append(all, t.args(1, probe.Stream{Aspect: "16:11", Fields: "tt", PixelFormat: "yuva420p"},
			t.sound(probe.Stream{}, sound.Layout(probe.Stream{Channels: 10}, "mono"))))
	}
	t := transcode{compression: compression{codec: "vp9"}, container: kinds.WebM, fps: 25}
	t.heard.encoder = soundEncoder("opus", 0, 2)
	return append(all, t.args(1, probe.Stream{Transfer: "smpte2084"}, t.sound(probe.Stream{}, nil)))
}
