package probe

import (
	"math"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/polyglot-media/siren/worker/storage"
)

// Summary is what people want to know of an input, in the same words whatever its container says.
type Summary struct {
	Container string     `json:"container"` // ffmpeg's name of the demuxer
	Seconds   float64    `json:"seconds,omitempty"`
	Video     *Pictures  `json:"video,omitempty"` // the one that jobs use, or else an encrypted one; absent: none
	Cover     bool       `json:"cover,omitempty"` // a picture that goes with the sound
	Audio     []Sound    `json:"audio,omitempty"`
	Subtitles []subtitle `json:"subtitles,omitempty"`
	Chapters  []chapter  `json:"chapters,omitempty"`
}

type Pictures struct {
	Stream int    `json:"stream"` // its index
	Codec  string `json:"codec"`
	// as a viewer sees them: upright, with square pixels
	Width  int `json:"width"`
	Height int `json:"height"`
	// degrees clockwise by which what is kept is turned to be upright: 0, 90, 180 or 270
	Turned      int     `json:"turned,omitempty"`
	FPS         float64 `json:"fps,omitempty"`    // on average; 0 when nobody knows
	Steady      bool    `json:"steady,omitempty"` // all frames are as long
	Still       bool    `json:"still,omitempty"`  // a single picture
	Interlaced  bool    `json:"interlaced,omitempty"`
	Transparent bool    `json:"transparent,omitempty"` // in parts, perhaps
	HDR         string  `json:"hdr,omitempty"`         // PQ, HLG or Dolby Vision; absent: it is none
	Encrypted   bool    `json:"encrypted,omitempty"`   // so no job can use it
}

type Sound struct {
	Stream     int    `json:"stream"`
	Codec      string `json:"codec"` // "" when ffmpeg doesn't know it
	Channels   int    `json:"channels"`
	Layout     string `json:"layout,omitempty"`
	SampleRate int    `json:"sampleRate"` // Hz
	Language   string `json:"language,omitempty"`
	Default    bool   `json:"default,omitempty"`   // the one that jobs use
	Encrypted  bool   `json:"encrypted,omitempty"` // so no job can use it
}

type subtitle struct {
	Stream   int    `json:"stream"`
	Codec    string `json:"codec"`
	Language string `json:"language,omitempty"`
}

type chapter struct {
	Start float64 `json:"start"` // seconds
	End   float64 `json:"end"`
	Title string  `json:"title,omitempty"`
}

// Summary puts what the inspection found into the words of everybody.
func (i Input) Summary(from string) Summary {
	s := Summary{Container: i.Format.Name, Seconds: float64(i.Format.Duration)}
	if short, _, several := strings.Cut(i.Format.Name, ","); several { // mov,mp4,m4a,… are read by one demuxer
		s.Container = short
		if ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(from)), "."); strings.Contains(i.Format.Name, ext) &&
			ext != "" {
			s.Container = ext
		}
	}
	if v, err := i.Best("video", storage.Place{}); err == nil {
		s.Video = v.pictures(i.Still())
	}
	heard, _ := i.Best("audio", storage.Place{})
	for _, x := range i.Streams {
		switch x.Type {
		case "video":
			s.Cover = s.Cover || x.Disposition.AttachedPicture != 0
			if s.Video == nil && x.locked() {
				s.Video = x.pictures(i.Still())
			}
		case "audio":
			s.Audio = append(s.Audio, Sound{
				Stream: x.Index, Codec: x.Codec, Channels: x.Channels, Layout: x.Layout, SampleRate: int(x.SampleRate),
				Language: x.language(), Default: heard.Type == x.Type && heard.Index == x.Index,
				Encrypted: x.locked(),
			})
		case "subtitle":
			s.Subtitles = append(s.Subtitles, subtitle{Stream: x.Index, Codec: x.Codec, Language: x.language()})
		}
	}
	for _, c := range i.Chapters {
		s.Chapters = append(s.Chapters, chapter{float64(c.Start), float64(c.End), c.Tags.Title})
	}
	return s
}

// language returns the stream's language, "" when nobody knows: und is ISO 639's word for that.
func (v Stream) language() string { return strings.TrimPrefix(v.Tags.Language, "und") }

var tongue = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}$`)

// Tongue returns the stream's language where it is a code of one, as of ISO 639 or BCP 47, and not another text.
func (v Stream) Tongue() string { return tongue.FindString(v.language()) }

func (v Stream) pictures(still bool) *Pictures {
	width, height := v.shown()
	p := &Pictures{
		Stream: v.Index, Codec: v.Codec, Width: int(math.Round(width)), Height: int(math.Round(height)), Still: still,
		Interlaced: v.Interlaced(), Transparent: v.SeeThrough(),
		Encrypted: v.locked(),
	}
	if fps, err := Ratio(v.FrameRate); err == nil && !still {
		p.FPS = math.Round(fps*1000) / 1000
		_, p.Steady = v.Rate()
	}
	switch {
	case v.dolbyVision():
		p.HDR = "Dolby Vision"
	case v.Transfer == "smpte2084":
		p.HDR = "PQ"
	case v.HDR():
		p.HDR = "HLG"
	}
	p.Turned = v.turned()
	return p
}
