package media

import (
	"context"
	"fmt"
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
	audio         int // bits per second; 0: none
}

const defaultAudioBitrate = 128_000

func planTranscode(v kinds.Values) recipe {
	t := transcode{
		crf: v.Whole("crf"), bitrate: v.Whole("bitrate"), width: v.Whole("width"), height: v.Whole("height"),
		fps: v.Number("fps"), preset: v.Word("preset"), audio: v.Whole("audio"),
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
	return a.ffmpeg(ctx, "output.mp4", a.info.seconds(v), nil, t.args(v))
}

// args returns ffmpeg's options for the output.
func (t transcode) args(v stream) []string {
	filters := fit(v, t.width, t.height, 2)
	if t.fps > 0 {
		filters = append(filters, "fps="+strconv.FormatFloat(t.fps, 'f', -1, 64))
	}
	args := []string{
		"-map", fmt.Sprintf("0:%d", v.Index), "-sn", "-dn", "-vf", strings.Join(filters, ","),
		"-c:v", "libx264", "-preset", t.preset, "-pix_fmt", "yuv420p",
	}
	if t.bitrate > 0 {
		rate := strconv.Itoa(t.bitrate)
		args = append(args, "-b:v", rate, "-maxrate", rate, "-bufsize", strconv.Itoa(2*t.bitrate))
	} else {
		args = append(args, "-crf", strconv.Itoa(t.crf))
	}
	if t.audio > 0 {
		args = append(args, "-map", "0:a:0?", "-c:a", "aac", "-b:a", strconv.Itoa(t.audio))
	} else {
		args = append(args, "-an")
	}
	return append(args, "-movflags", "+faststart", "-f", "mp4")
}

// transcodeUses returns the options for a stretched picture that is made smaller, at another frame rate, with sound.
func transcodeUses() [][]string {
	return [][]string{transcode{width: 1, height: 1, fps: 25, audio: defaultAudioBitrate}.args(stream{Aspect: "16:11"})}
}
