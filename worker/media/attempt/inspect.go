package attempt

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
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/sandbox"
	"github.com/polyglot-media/siren/worker/storage"
)

// Inspect looks at the input before anything works on it: what it pretends to be, whether it is all there, and whether
// it stays within bounds. Of one that is only here in parts it fetches all if anything is wrong.
func (a *Attempt) Inspect(ctx context.Context) (probe.Input, error) {
	i, said, err := a.inspect(ctx)
	if a.Parts == nil || err == nil && said == "" {
		return i, err
	}
	if err := a.rest(); err != nil {
		return i, err
	}
	a.Warnings, a.cut = nil, ""
	i, _, err = a.inspect(ctx)
	return i, err
}

// inspect looks at what is here; said is what ffprobe said was wrong.
func (a *Attempt) inspect(ctx context.Context) (i probe.Input, said string, err error) {
	if what := a.disguise(); what != "" {
		return i, said, work.Fail(work.BadInput, fmt.Errorf("input %s is %s, not a media file; nothing that it "+
			"names is "+
			"followed: give the media file itself", a.From, what))
	}
	if a.animatedWebP() {
		return i, said, work.Fail(work.BadInput, fmt.Errorf("input %s is an animated WebP, which ffmpeg doesn't read: "+
			"make it a still by the kind image, or give it as a GIF, an APNG or a video", a.From))
	}
	if err := a.whole(); err != nil {
		return i, said, err
	}
	out := &bounded{limit: 4 << 20}
	args := append(sandbox.Guards(a.Task.Limits), "-show_format", "-show_streams", "-show_chapters", "-of", "json",
		"-i", sandbox.InputName)
	said, err = a.Box.Run(ctx, a.Programs.FFprobe, args, out)
	if out.over {
		return i, said, work.Fail(work.OverLimit, fmt.Errorf("input %s describes itself in more than %d MiB", a.From,
			out.limit>>20))
	}
	if work.KindOf(err) == work.BadInput {
		return i, said, a.unreadable(inWords(err))
	} else if err != nil {
		return i, said, err
	}
	i.Raw = out.Bytes()
	if err := json.Unmarshal(i.Raw, &i); err != nil {
		return i, said, fmt.Errorf("read ffprobe's answer: %w", err)
	}
	if i.Format.Duration > kinds.MaxSeconds { // what it holds is seen when it is read
		a.Warn("input %s says that it lasts %.0f hours: jumps in its times are left out", a.From,
			float64(i.Format.Duration)/3600)
		i.Format.Duration, a.jumps = 0, true
	}
	for n := range i.Streams {
		if i.Streams[n].Duration > kinds.MaxSeconds {
			i.Streams[n].Duration = 0
		}
	}
	if len(i.Streams) == 0 {
		return i, said, a.unreadable("it holds no streams")
	}
	if err := a.markEncrypted(i); err != nil {
		return i, said, err
	}
	return i, said, withinBounds(i, a.From, said)
}

// unreadable is the error of an input of which nothing can be read.
func (a *Attempt) unreadable(why string) error {
	if a.cut != "" {
		return work.Fail(work.BadInput, fmt.Errorf("%s, and what there is can't be read: %s", a.cut, why))
	}
	return work.Fail(work.BadInput, fmt.Errorf("input %s can't be read: %s", a.From, why))
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
	case strings.Contains(text, "Failed to inject frame"):
		return "it is damaged: its pictures or its sound become others on the way"
	case strings.Contains(text, "Invalid argument"), strings.Contains(text, "Format not on whitelist"):
		return "it isn't in a media format that Siren reads"
	case strings.Contains(text, "Invalid data found"):
		return "it isn't a media file, or it is damaged or cut off (Invalid data found when processing input)"
	case strings.Contains(text, "no frame!"), strings.Contains(text, "image data not found"):
		return "it holds no picture that can be decoded (" + text + ")"
	}
	return strings.TrimPrefix(text, "the input: ")
}

// withinBounds checks that the input stays within our bounds. said is what ffprobe said on stderr.
func withinBounds(i probe.Input, from storage.Place, said string) error {
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

var cue = regexp.MustCompile(`^\d+\s*\r?\n\d\d:\d\d:\d\d[,.]\d`)

// disguise says what the input is when it is one of the texts that name or draw something else. The formats allowed
// to ffmpeg keep them out as well; this is for the message.
func (a *Attempt) disguise() string {
	head := make([]byte, 1024)
	n, _ := a.Box.Input.ReadAt(head, 0)
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
func (a *Attempt) animatedWebP() bool {
	var head [21]byte
	_, _ = a.Box.Input.ReadAt(head[:], 0)
	return string(head[:4]) == "RIFF" && string(head[8:16]) == "WEBPVP8X" && head[20]&2 != 0
}
