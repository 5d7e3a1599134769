package media

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/sandbox"
	"github.com/polyglot-media/siren/worker/storage"
)

// inspection is what ffprobe says of an input.
type inspection struct {
	raw     []byte
	Streams []stream `json:"streams"`
	Format  struct {
		Name     string  `json:"format_name"`
		Duration decimal `json:"duration"`
	} `json:"format"`
}

type stream struct {
	Index       int     `json:"index"`
	Type        string  `json:"codec_type"`
	Width       int     `json:"width"`
	Height      int     `json:"height"`
	Aspect      string  `json:"sample_aspect_ratio"`
	FrameRate   string  `json:"avg_frame_rate"`
	Duration    decimal `json:"duration"`
	Disposition struct {
		AttachedPicture int `json:"attached_pic"`
	} `json:"disposition"`
}

// decimal is a number that ffprobe writes as a text, 0 when it isn't one.
type decimal float64

// UnmarshalJSON reads "12.5".
func (d *decimal) UnmarshalJSON(raw []byte) error {
	v, _ := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	*d = decimal(v)
	return nil
}

// inspect looks at the input before anything works on it: what it pretends to be, whether it is all there, and whether
// it stays within bounds.
func (a *attempt) inspect(ctx context.Context) (inspection, error) {
	var i inspection
	if what := a.disguise(); what != "" {
		return i, work.Fail(work.BadInput, fmt.Errorf("input %s is %s, not a media file; nothing that it names is "+
			"followed: give the media file itself", a.from, what))
	}
	if err := a.whole(); err != nil {
		return i, err
	}
	out := &bounded{limit: 4 << 20}
	args := append(sandbox.Guards(a.task.Limits), "-show_format", "-show_streams", "-of", "json", "-i",
		sandbox.InputName)
	said, err := a.box.Run(ctx, a.h.options.FFprobe, args, out)
	if out.over {
		return i, work.Fail(work.OverLimit, fmt.Errorf("input %s describes itself in more than %d MiB", a.from,
			out.limit>>20))
	}
	if work.KindOf(err) == work.BadInput {
		return i, work.Fail(work.BadInput, fmt.Errorf("input %s can't be read: %s", a.from, unreadable(err)))
	} else if err != nil {
		return i, err
	}
	i.raw = out.Bytes()
	if err := json.Unmarshal(i.raw, &i); err != nil {
		return i, fmt.Errorf("read ffprobe's answer: %w", err)
	}
	return i, i.bounded(a.from, said)
}

// bounded keeps what is written to it and fails beyond a size.
type bounded struct {
	bytes.Buffer
	limit int
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		b.over = true
		return 0, errors.New("too much output")
	}
	return b.Buffer.Write(p)
}

func unreadable(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "Invalid argument"), strings.Contains(text, "Format not on whitelist"):
		return "it isn't in a media format that Siren reads"
	case strings.Contains(text, "Invalid data found"):
		return "it isn't a media file, or it is damaged or cut off (Invalid data found when processing input)"
	}
	return strings.TrimPrefix(text, "the input: ")
}

// bounded checks that the input stays within our bounds. said is what ffprobe said on stderr.
func (i inspection) bounded(from storage.Place, said string) error {
	if len(i.Streams) == 0 {
		return work.Fail(work.BadInput, fmt.Errorf("input %s has no streams", from))
	}
	if len(i.Streams) > sandbox.MaxStreams {
		return work.Fail(work.OverLimit, fmt.Errorf("input %s has %d streams; at most %d are allowed", from,
			len(i.Streams), sandbox.MaxStreams))
	}
	for _, s := range i.Streams {
		if s.Width*s.Height > sandbox.MaxPixels {
			return sandbox.TooManyPixels(strconv.Itoa(s.Width), strconv.Itoa(s.Height))
		}
		if err := sandbox.PictureTooLarge(said); s.Type == "video" && s.Width == 0 && err != nil {
			return err // ffprobe goes on without such a stream's size
		}
	}
	if i.Format.Duration > kinds.MaxSeconds {
		return work.Fail(work.OverLimit, fmt.Errorf("input %s lasts %.0f hours; at most %d are allowed", from,
			float64(i.Format.Duration)/3600, kinds.MaxSeconds/3600))
	}
	return nil
}

// video returns the stream to look at: the first that isn't a cover picture.
func (i inspection) video(from storage.Place) (stream, error) {
	for _, s := range i.Streams {
		if s.Type == "video" && s.Disposition.AttachedPicture == 0 {
			return s, nil
		}
	}
	return stream{}, work.Fail(work.BadInput, fmt.Errorf("input %s has no video", from))
}

// seconds returns how long the stream is, as far as known; 0 when nothing says.
func (i inspection) seconds(s stream) float64 {
	if s.Duration > 0 {
		return float64(s.Duration)
	}
	return float64(i.Format.Duration)
}

// still reports whether the input is a single picture.
func (i inspection) still() bool { return strings.HasSuffix(i.Format.Name, "_pipe") }

var cue = regexp.MustCompile(`^\d+\s*\r?\n\d\d:\d\d:\d\d[,.]\d`)

// disguise says what the input is when it is one of the texts that name or draw something else. The formats allowed
// to ffmpeg keep them out as well; this is for the message.
func (a *attempt) disguise() string {
	head := make([]byte, 1024)
	n, _ := a.box.Input.ReadAt(head, 0)
	text := strings.TrimLeft(strings.TrimPrefix(string(head[:n]), "\ufeff"), " \t\r\n")
	for _, d := range []struct{ begins, is string }{
		{"#EXTM3U", "an HLS playlist"},
		{"ffconcat", "a concat playlist"},
		{"file ", "a concat playlist"},
		{"[playlist]", "a playlist"},
		{"v=0", "a session description"},
		{"WEBVTT", "a subtitle file"},
		{"[Script Info]", "a subtitle file"},
		{"<svg", "an SVG drawing"},
		{"<MPD", "a DASH manifest"},
		{"<SmoothStreamingMedia", "a Smooth Streaming manifest"},
		{"#!", "a script"},
	} {
		if strings.HasPrefix(text, d.begins) {
			return d.is
		}
	}
	switch {
	case strings.HasPrefix(text, "<?xml") && strings.Contains(text, "<MPD"):
		return "a DASH manifest"
	case strings.HasPrefix(text, "<?xml") && strings.Contains(text, "<svg"):
		return "an SVG drawing"
	case strings.HasPrefix(text, "<?xml"), strings.HasPrefix(strings.ToLower(text), "<!doctype"),
		strings.HasPrefix(text, "<html"):
		return "a web page or XML document"
	case cue.MatchString(text):
		return "a subtitle file"
	}
	return ""
}

var errNoFrameRate = errors.New("no frame rate")

// framesPerSecond parses ffprobe's 30000/1001.
func (s stream) framesPerSecond() (float64, error) {
	over, under, _ := strings.Cut(s.FrameRate, "/")
	n, err := strconv.ParseFloat(over, 64)
	d, err2 := strconv.ParseFloat(under, 64)
	if err != nil || err2 != nil || n <= 0 || d <= 0 {
		return 0, errNoFrameRate
	}
	return n / d, nil
}
