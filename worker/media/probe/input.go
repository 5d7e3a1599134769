// Package probe is what is known of an input: ffprobe's answer, and what follows from it. It runs nothing.
package probe

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/storage"
)

// Input is what ffprobe says of an input.
type Input struct {
	Raw     []byte   `json:"-"` // the answer itself
	Streams []Stream `json:"streams"`
	Format  struct {
		Name     string  `json:"format_name"`
		Start    decimal `json:"start_time"`
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

type Stream struct {
	Index       int     `json:"index"`
	ID          string  `json:"id"` // of its container, such as 0x1; "" when it has none
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
	Bits        int     `json:"bits_per_sample"`
	RawBits     decimal `json:"bits_per_raw_sample"`
	Start       decimal `json:"start_time"`
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
	Encrypted bool `json:"-"` // as its container says; see locked
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

// Video returns the stream to look at: the default one, or else the first, of those that can be decoded and aren't
// cover pictures.
func (i Input) Video(from storage.Place) (Stream, error) {
	return i.Best("video", from)
}

// Filmed reports whether there are moving pictures, if ones that nobody can decode.
func (i Input) Filmed() bool {
	return slices.ContainsFunc(i.Streams, func(s Stream) bool {
		return s.Type == "video" && s.Disposition.AttachedPicture == 0
	})
}

// Best returns the default stream of a type, or else the first, of those that can be decoded.
func (i Input) Best(sort string, from storage.Place) (best Stream, err error) {
	err = work.Fail(work.BadInput, fmt.Errorf("input %s has no %s", from, sort))
	for _, s := range i.Streams {
		switch {
		case s.Type != sort || s.Disposition.AttachedPicture != 0:
		case s.locked():
			if best.Type == "" {
				err = work.Fail(work.BadInput, fmt.Errorf("the %s of input %s can't be read: it is encrypted, so "+
					"give it without its protection", sort, from))
			}
		case !s.known():
			if best.Type == "" {
				err = work.Fail(work.BadInput, fmt.Errorf("the %s of input %s is in a codec that ffmpeg doesn't know",
					sort, from))
			}
		case best.Type == "" || s.Disposition.Default > best.Disposition.Default:
			best, err = s, nil
		}
	}
	return best, err
}

// locked reports whether the stream is encrypted, as its container says, or its four letters (ISO/IEC 23001-7; drms,
// drmi and aavd are Apple's and Audible's).
func (s Stream) locked() bool {
	return s.Encrypted || slices.Contains([]string{"encv", "enca", "drms", "drmi", "aavd"}, s.Tag) ||
		slices.ContainsFunc(s.SideData, func(d sideData) bool { return d.Type == "Encryption initialization data" })
}

// Picture returns the stream to make pictures of: the video, or the cover of what is only sound.
func (i Input) Picture(from storage.Place) (Stream, error) {
	v, err := i.Video(from)
	for _, s := range i.Streams {
		if err != nil && s.Type == "video" && s.known() {
			return s, nil
		}
	}
	return v, err
}

// Seconds returns how long the stream is, as far as known; 0 when nothing says.
func (i Input) Seconds(s Stream) float64 {
	if s.Duration > 0 {
		return float64(s.Duration)
	}
	return float64(i.Format.Duration)
}

// End returns when the stream ends, in seconds after the input's beginning, as far as known; 0 when nothing says.
func (i Input) End(s Stream) float64 {
	length := i.Seconds(s)
	if s.Duration <= 0 {
		return length
	}
	late := max(0, float64(s.Start-i.Format.Start))
	return min(late+length, max(length, float64(i.Format.Duration)))
}

// Length returns how long the input is that holds the stream, as far as known; 0 when nothing says. It may go on when
// the stream has ended.
func (i Input) Length(s Stream) float64 { return max(i.End(s), float64(i.Format.Duration)) }

// Still reports whether the input is a single picture.
func (i Input) Still() bool { return strings.HasSuffix(i.Format.Name, "_pipe") }

var errNoRatio = errors.New("no ratio")

// Ratio parses ffprobe's 30000/1001 or 16:11.
func Ratio(text string) (float64, error) {
	over, under, _ := strings.Cut(strings.ReplaceAll(text, ":", "/"), "/")
	n, err := strconv.ParseFloat(over, 64)
	d, err2 := strconv.ParseFloat(under, 64)
	if err != nil || err2 != nil || n <= 0 || d <= 0 {
		return 0, errNoRatio
	}
	return n / d, nil
}
