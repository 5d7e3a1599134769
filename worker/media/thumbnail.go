package media

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/work"
)

// thumbnail is the params of a thumbnail job.
type thumbnail struct {
	at            kinds.Place
	width, height int // a box the picture is fitted into; it is never enlarged
	format        string
	quality       int // 1 to 100
}

func planThumbnail(v kinds.Values) recipe {
	t := thumbnail{
		at: v.Moment("at"), width: v.Whole("width"), height: v.Whole("height"), format: v.Word("format"),
		quality: v.Whole("quality"),
	}
	mediaType := map[string]string{"jpg": "image/jpeg", "webp": "image/webp"}[t.format]
	return recipe{mediaType: mediaType, make: t.make}
}

func (t thumbnail) make(ctx context.Context, a *attempt) (string, error) {
	v, err := a.info.video(a.from)
	if err != nil {
		return "", err
	}
	start, err := t.start(a, v)
	if err != nil {
		return "", err
	}
	filters := fit(v, t.width, t.height, 1)
	if t.at.Representative {
		filters = append(filters, fmt.Sprintf("thumbnail=%d", t.batch(a, v)))
	}
	var before []string
	if start > 0 {
		before = []string{"-ss", seconds(start)}
	}
	return a.ffmpeg(ctx, "output."+t.format, 0, before, t.args(v, filters))
}

// args returns ffmpeg's options for the output.
func (t thumbnail) args(v stream, filters []string) []string {
	return append([]string{
		"-map", fmt.Sprintf("0:%d", v.Index), "-an", "-sn", "-dn", "-map_metadata", "-1",
		"-vf", strings.Join(filters, ","), "-frames:v", "1",
	}, t.encoder()...)
}

// thumbnailUses returns the options for both formats, of stretched pictures that are made smaller.
func thumbnailUses() (all [][]string) {
	for _, format := range []string{"jpg", "webp"} {
		v := stream{Aspect: "16:11"}
		all = append(all, thumbnail{format: format}.args(v, append(fit(v, 1, 1, 1), "thumbnail")),
			thumbnail{format: format}.args(stream{}, fit(stream{}, 0, 0, 1)))
	}
	return all
}

// start returns where to begin reading, in seconds.
func (t thumbnail) start(a *attempt, v stream) (float64, error) {
	length := a.info.seconds(v)
	last := length // the start of the last frame, or nearly
	if rate, err := v.framesPerSecond(); err == nil {
		last = max(0, length-1.5/rate)
	}
	switch {
	case a.info.still():
		return 0, nil
	case t.at.Representative:
		return length / 10, nil // not the black or the logo that films begin with
	case t.at.Fraction >= 0 && length == 0:
		return 0, work.Fail(work.BadInput, fmt.Errorf("input %s doesn't say how long it is; give at in seconds",
			a.from))
	case t.at.Fraction >= 0:
		return min(t.at.Fraction*length, last), nil
	case length > 0 && t.at.Seconds > length:
		return 0, work.Fail(work.BadInput, fmt.Errorf("at %s s is past the end: input %s lasts %.1f s",
			seconds(t.at.Seconds), a.from, length))
	case length > 0:
		return min(t.at.Seconds, last), nil
	default:
		return t.at.Seconds, nil
	}
}

// batch returns the number of frames that the most representative one is chosen from. ffmpeg keeps all of them in
// memory, at the thumbnail's size: at most an eighth of the slot's.
func (t thumbnail) batch(a *attempt, v stream) int {
	const most = 50
	if a.task.Limits.Memory <= 0 {
		return most
	}
	width, height := v.Width, v.Height
	if t.width > 0 {
		width = min(width, t.width)
	}
	if t.height > 0 {
		height = min(height, t.height)
	}
	frame := max(1, 4*width*height)
	return min(max(2, int(a.task.Limits.Memory)/8/frame), most)
}

func (t thumbnail) encoder() []string {
	one := []string{"-f", "image2", "-update", "1"}
	if t.format == "webp" {
		return append(one, "-c:v", "libwebp", "-quality", strconv.Itoa(t.quality), "-pix_fmt", "yuv420p")
	}
	scale := 31 - float64(t.quality-1)*29/99 // ffmpeg's 2 (best) to 31
	return append(one, "-c:v", "mjpeg", "-q:v", strconv.Itoa(int(math.Round(scale))), "-pix_fmt", "yuvj420p")
}
