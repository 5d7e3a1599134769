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
	Chapters []struct {
		Start decimal `json:"start_time"`
		End   decimal `json:"end_time"`
		Tags  struct {
			Title string `json:"title"`
		} `json:"tags"`
	} `json:"chapters"`
}

type stream struct {
	Index       int     `json:"index"`
	Type        string  `json:"codec_type"`
	Codec       string  `json:"codec_name"` // "" when ffmpeg doesn't know it
	Tag         string  `json:"codec_tag_string"`
	Width       int     `json:"width"`
	Height      int     `json:"height"`
	Aspect      string  `json:"sample_aspect_ratio"`
	FrameRate   string  `json:"avg_frame_rate"`
	BaseRate    string  `json:"r_frame_rate"` // of which all frame times are multiples
	PixelFormat string  `json:"pix_fmt"`
	Range       string  `json:"color_range"`
	Matrix      string  `json:"color_space"`
	Transfer    string  `json:"color_transfer"`
	Fields      string  `json:"field_order"`
	Channels    int     `json:"channels"`
	Layout      string  `json:"channel_layout"`
	SampleRate  decimal `json:"sample_rate"`
	Duration    decimal `json:"duration"`
	Tags        struct {
		// of VP8 and VP9: "1" when there is a second picture that says what shows through
		Alpha    string `json:"alpha_mode"`
		Language string `json:"language"`
	} `json:"tags"`
	SideData    []sideData `json:"side_data_list"`
	Disposition struct {
		Default         int `json:"default"`
		AttachedPicture int `json:"attached_pic"`
	} `json:"disposition"`
}

// sideData is one of the things that a container says of a stream beside it.
type sideData struct {
	Type     string  `json:"side_data_type"`
	Rotation float64 `json:"rotation"` // degrees anticlockwise by which a picture is turned to be upright
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
	if a.animatedWebP() {
		return i, work.Fail(work.BadInput, fmt.Errorf("input %s is an animated WebP, which ffmpeg doesn't read: "+
			"give it as a GIF, an APNG or a video", a.from))
	}
	if err := a.whole(); err != nil {
		return i, err
	}
	out := &bounded{limit: 4 << 20}
	args := append(sandbox.Guards(a.task.Limits), "-show_format", "-show_streams", "-show_chapters", "-of", "json",
		"-i", sandbox.InputName)
	said, err := a.box.Run(ctx, a.h.options.FFprobe, args, out)
	if out.over {
		return i, work.Fail(work.OverLimit, fmt.Errorf("input %s describes itself in more than %d MiB", a.from,
			out.limit>>20))
	}
	if work.KindOf(err) == work.BadInput {
		return i, a.unreadable(inWords(err))
	} else if err != nil {
		return i, err
	}
	i.raw = out.Bytes()
	if err := json.Unmarshal(i.raw, &i); err != nil {
		return i, fmt.Errorf("read ffprobe's answer: %w", err)
	}
	if i.Format.Duration > kinds.MaxSeconds { // a jump in its times: what it holds is seen when it is read
		a.warn("input %s says that it lasts %.0f hours", a.from, float64(i.Format.Duration)/3600)
		i.Format.Duration = 0
	}
	for n := range i.Streams {
		if i.Streams[n].Duration > kinds.MaxSeconds {
			i.Streams[n].Duration = 0
		}
	}
	if len(i.Streams) == 0 {
		return i, a.unreadable("it holds no streams")
	}
	return i, i.bounded(a.from, said)
}

// unreadable is the error of an input of which nothing can be read.
func (a *attempt) unreadable(why string) error {
	if a.cut != "" {
		return work.Fail(work.BadInput, fmt.Errorf("%s, and what there is can't be read: %s", a.cut, why))
	}
	return work.Fail(work.BadInput, fmt.Errorf("input %s can't be read: %s", a.from, why))
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

// inWords says why a program can't read the input.
func inWords(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "Invalid argument"), strings.Contains(text, "Format not on whitelist"):
		return "it isn't in a media format that Siren reads"
	case strings.Contains(text, "Invalid data found"):
		return "it isn't a media file, or it is damaged or cut off (Invalid data found when processing input)"
	case strings.Contains(text, "no frame!"), strings.Contains(text, "image data not found"):
		return "it holds no picture that can be decoded (" + text + ")"
	}
	return strings.TrimPrefix(text, "the input: ")
}

// bounded checks that the input stays within our bounds. said is what ffprobe said on stderr.
func (i inspection) bounded(from storage.Place, said string) error {
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
	return nil
}

// video returns the stream to look at: the default one, or else the first, of those that can be decoded and aren't
// cover pictures.
func (i inspection) video(from storage.Place) (stream, error) {
	return i.best("video", from)
}

// best returns the default stream of a type, or else the first, of those that can be decoded.
func (i inspection) best(sort string, from storage.Place) (best stream, err error) {
	err = work.Fail(work.BadInput, fmt.Errorf("input %s has no %s", from, sort))
	for _, s := range i.Streams {
		switch {
		case s.Type != sort || s.Disposition.AttachedPicture != 0:
		case !s.known():
			if best.Type == "" {
				err = work.Fail(work.BadInput, fmt.Errorf("the %s of input %s is in a codec that ffmpeg doesn't know%s",
					sort, from, s.encrypted()))
			}
		case best.Type == "" || s.Disposition.Default > best.Disposition.Default:
			best, err = s, nil
		}
	}
	return best, err
}

// known reports whether ffmpeg can decode the stream, as far as ffprobe says.
func (s stream) known() bool {
	return s.Codec != "" && s.Codec != "unknown" && s.Codec != "none"
}

// encrypted is what an error adds of a stream that is encrypted, as its four letters say (ISO/IEC 23001-7).
func (s stream) encrypted() string {
	if s.Tag == "encv" || s.Tag == "enca" {
		return ": it is encrypted, so give it without its protection"
	}
	return ""
}

// picture returns the stream to make pictures of: the video, or the cover of what is only sound.
func (i inspection) picture(from storage.Place) (stream, error) {
	v, err := i.video(from)
	for _, s := range i.Streams {
		if err != nil && s.Type == "video" && s.known() {
			return s, nil
		}
	}
	return v, err
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

// animatedWebP reports whether the input is one: its first chunk says so (RFC 9649, 2.7).
func (a *attempt) animatedWebP() bool {
	var head [21]byte
	_, _ = a.box.Input.ReadAt(head[:], 0)
	return string(head[:4]) == "RIFF" && string(head[8:16]) == "WEBPVP8X" && head[20]&2 != 0
}

var errNoRatio = errors.New("no ratio")

// ratio parses ffprobe's 30000/1001 or 16:11.
func ratio(text string) (float64, error) {
	over, under, _ := strings.Cut(strings.ReplaceAll(text, ":", "/"), "/")
	n, err := strconv.ParseFloat(over, 64)
	d, err2 := strconv.ParseFloat(under, 64)
	if err != nil || err2 != nil || n <= 0 || d <= 0 {
		return 0, errNoRatio
	}
	return n / d, nil
}
