package media

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
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

func planTranscode(p *params, output string) recipe {
	t := transcode{crf: 23}
	crf, crfGiven := p.whole("crf", 0, 51)
	rate, rateGiven := p.text("bitrate")
	switch {
	case crfGiven && rateGiven:
		p.problem("give crf (a quality) or bitrate (a size), not both")
	case crfGiven:
		t.crf = crf
	case rateGiven:
		t.bitrate = rateWithin(p, "bitrate", rate, 50_000, 200_000_000)
	}
	t.width, t.height = p.size()
	t.fps, _ = p.number("fps", 1, 240)
	t.preset = p.choice("preset", "medium", "ultrafast", "superfast", "veryfast", "faster", "fast", "slow")
	t.audio = readAudio(p)
	if ext := strings.ToLower(path.Ext(output)); ext != ".mp4" && ext != ".m4v" {
		p.problem("the output must end in .mp4, not %q", clip(output))
	}
	return recipe{mediaType: "video/mp4", make: t.make}
}

// readAudio reads audio: "keep" (the default), "drop" or a bit rate. What is kept is encoded afresh as AAC.
func readAudio(p *params) int {
	text, ok := p.text("audio")
	switch {
	case !ok, text == "keep":
		return defaultAudioBitrate
	case text == "drop":
		return 0
	default:
		return rateWithin(p, "audio", text, 16_000, 512_000)
	}
}

func rateWithin(p *params, name, text string, least, most int) int {
	v, ok := bitrate(text)
	if !ok || v < least || v > most {
		also := map[bool]string{true: `"keep", "drop" or `}[name == "audio"]
		p.problem("%s must be %sa bit rate from %dk to %dk (2500k, 2.5M), not %q", name, also, least/1000, most/1000, clip(text))
	}
	return v
}

func (t transcode) make(ctx context.Context, a *attempt) (string, error) {
	v, err := a.info.video(a.from)
	if err != nil {
		return "", err
	}
	return a.ffmpeg(ctx, "output.mp4", a.info.seconds(v), nil, t.args(v))
}

// args are ffmpeg's options for the output.
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

// transcodeUses is a stretched picture that is made smaller, at another frame rate, with sound.
func transcodeUses() [][]string {
	return [][]string{transcode{width: 1, height: 1, fps: 25, audio: defaultAudioBitrate}.args(stream{Aspect: "16:11"})}
}
