package media

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/lanes/kinds"
)

// transcode is the params of a transcode job.
type transcode struct {
	crf           int // quality, 0 (lossless) to 51; used when bitrate is 0
	bitrate       int // of the video, bits per second
	width, height int // a box the picture is fitted into; it is never enlarged
	fps           float64
	preset        string
	audio         int    // bits per second; 0: none
	channels      string // stereo, mono or 5.1
	keep          bool   // what the input says of itself: title, place, chapters
}

const defaultAudioBitrate = 128_000

func planTranscode(v kinds.Values) recipe {
	t := transcode{
		crf: v.Whole("crf"), bitrate: v.Whole("bitrate"), width: v.Whole("width"), height: v.Whole("height"),
		fps: v.Number("fps"), preset: v.Word("preset"), audio: v.Whole("audio"), channels: v.Word("channels"),
		keep: v.Word("metadata") == "keep",
	}
	if v.Word("audio") == "keep" {
		t.audio = defaultAudioBitrate
	}
	return recipe{mediaType: "video/mp4", make: t.make}
}

func (t transcode) make(ctx context.Context, a *attempt) (string, error) {
	v, err := a.info.video(a.from)
	if err != nil {
		return "", err
	}
	var sound *stream
	if s, err := a.info.best("audio", a.from); err == nil {
		sound = &s
	}
	wanted := t.preset
	width, height := v.fitted(t.width, t.height, levelPixels)
	if t.preset, a.task.Limits.Threads = a.affordable(t.preset, v, width*height); t.preset != wanted {
		a.warn("preset %s instead of %s: a slot's memory of %s has no room for more", t.preset, wanted,
			a.task.Limits.Memory)
	}
	return a.ffmpeg(ctx, "output.mp4", a.info.seconds(v), v.decoder(), t.args(v, sound))
}

// args returns ffmpeg's options for the output. sound is nil when there is none.
func (t transcode) args(v stream, sound *stream) []string {
	width, height := v.fitted(t.width, t.height, levelPixels)
	filters := append(v.deinterlaced(), v.square()...)
	filters = append(filters, inFrame(width, height))
	filters = append(append(filters, v.toneMapped()...), v.forVideo()...)
	args := []string{"-map", fmt.Sprintf("0:%d", v.Index), "-sn", "-dn"}
	switch rate, steady := v.rate(); {
	case t.fps > 0:
		filters = append(filters, "fps="+number(t.fps))
	case !steady: // each frame at its time, none doubled
		args = append(args, "-vsync", "vfr", "-r", number(rate))
	case rate < v.base():
		filters = append(filters, "fps="+number(rate))
	}
	args = append(args, "-vf", strings.Join(filters, ","),
		"-c:v", "libx264", "-preset", t.preset, "-force_key_frames", "expr:gte(t,n_forced*2)")
	args = append(args, v.tags()...)
	if t.bitrate > 0 {
		rate := strconv.Itoa(t.bitrate)
		args = append(args, "-b:v", rate, "-maxrate", rate, "-bufsize", strconv.Itoa(2*t.bitrate))
	} else {
		args = append(args, "-crf", strconv.Itoa(t.crf))
	}
	if t.audio > 0 && sound != nil {
		args = append(args, "-map", fmt.Sprintf("0:%d", sound.Index), "-c:a", "aac", "-b:a", strconv.Itoa(t.audio))
		args = append(args, sound.layout(t.channels)...)
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

// mostRate is how many frames a second an output has, unless its job says otherwise.
const mostRate = 60

// base is the rate of which all frame times are multiples; 0 when ffprobe doesn't know it.
func (v stream) base() float64 {
	base, _ := ratio(v.BaseRate)
	return base
}

// rate returns the frame rate to write, and whether the input is steady at it. Recordings of browsers, screens and
// phones aren't: their clock may tick a thousand times a second, and no player takes that for a frame rate.
func (v stream) rate() (rate float64, steady bool) {
	base := v.base()
	average, err := ratio(v.FrameRate)
	switch {
	case base <= 0:
		return mostRate, false
	case err != nil: // a live recording: no file says how many frames there are
		return min(base, mostRate), base <= mostRate
	default:
		return min(base, mostRate), math.Abs(base-average) < base/50
	}
}

// layout returns the options for the channels of a sound. An AAC of surround sound in an unusual layout isn't played by
// browsers.
func (s stream) layout(want string) []string {
	switch {
	case s.Channels > 2 && s.Layout == "": // nobody knows what is where
		return []string{"-af", "pan=stereo|c0=c0|c1=c1"}
	case want == "5.1" && s.Channels > 5:
		return []string{"-af", "aformat=channel_layouts=5.1"}
	case want == "mono":
		return []string{"-ac", "1"}
	case s.Channels > 2:
		return []string{"-ac", "2"}
	default:
		return nil
	}
}

// transcodeUses returns the options for pictures and sounds of every sort.
func transcodeUses() [][]string {
	sound := &stream{Channels: 6, Layout: "5.1(side)"}
	return [][]string{
		transcode{width: 1, height: 1, fps: 25, audio: defaultAudioBitrate, channels: "5.1"}.args(
			stream{Aspect: "16:11", Fields: "tt", PixelFormat: "yuva420p"}, sound),
		transcode{audio: defaultAudioBitrate}.args(stream{Transfer: "smpte2084"}, &stream{Channels: 10}),
	}
}
