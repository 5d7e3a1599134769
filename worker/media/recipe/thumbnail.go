package recipe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/frame"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/media/vips"
)

// thumbnail is the params of a thumbnail job.
type thumbnail struct {
	at            []kinds.Place
	folder        bool // of a picture for each place; otherwise there is one
	width, height int  // a box the picture is fitted into; it is never enlarged
	format        string
	quality       int // 1 to 100
}

func planThumbnail(v kinds.Values) Recipe {
	t := thumbnail{
		width: v.Whole("width"), height: v.Whole("height"), format: v.Word("format"), quality: v.Whole("quality"),
	}
	t.at, t.folder = v.Moments("at")
	return Recipe{MediaType: t.mediaType(), Parts: true, Make: t.make}
}

func (t thumbnail) mediaType() string { return pictureType(t.format) }

// pictureType returns the media type of a picture's format.
func pictureType(format string) string { return "image/" + strings.Replace(format, "jpg", "jpeg", 1) }

// encoded returns the format that ffmpeg writes: its AVIF is a film of all the frames that come where the last one is
// wanted, and loses what is transparent, so vips makes that of a PNG.
func (t thumbnail) encoded() string { return strings.Replace(t.format, "avif", "png", 1) }

func (t thumbnail) make(ctx context.Context, a *attempt.Attempt) ([]attempt.File, error) {
	v, err := a.Info.Picture(a.From)
	if err != nil {
		return nil, err
	}
	if a.Info.Length(v) == 0 && slices.ContainsFunc(t.at, func(at kinds.Place) bool { return at.Fraction > 0 }) {
		if err := a.Measure(ctx); err != nil {
			return nil, err
		}
		if v, err = a.Info.Picture(a.From); err != nil {
			return nil, err
		}
	}
	var files []attempt.File
	for i, at := range t.at {
		name := "output"
		if t.folder {
			name = fmt.Sprintf("%03d", i+1)
		}
		f, err := t.picture(ctx, a, v, moment{at, name, part{i, len(t.at)}})
		if err != nil && t.folder {
			return nil, fmt.Errorf("picture %d: %w", i+1, err)
		} else if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// moment is a picture to make.
type moment struct {
	at   kinds.Place
	name string // without an ending
	part
}

// picture makes the picture of one place.
func (t thumbnail) picture(
	ctx context.Context, a *attempt.Attempt, v probe.Stream, m moment,
) (f attempt.File, err error) {
	searches, err := t.searches(a, v, m.at)
	if err != nil {
		return f, err
	}
	f = attempt.File{Name: m.name + "." + t.encoded(), MediaType: t.mediaType()}
	for _, s := range searches {
		err = a.FFmpegNear(ctx, s.start, s.frames, attempt.Run{
			From: m.begin(), Input: append(frame.Decoder(v), s.from()...),
			Outputs: []attempt.Output{{Name: f.Name, Options: t.args(v, a.Info.Still(), s)}},
		})
		if work.KindOf(err) != work.BadInput {
			break
		}
	}
	if err != nil {
		return f, err
	}
	if t.folder {
		still := stillFacts{}
		if !m.at.Representative {
			still.At = &searches[0].start
		}
		if still.Width, still.Height, err = a.Size(f.Name); err != nil {
			return f, err
		}
		f.Facts = still
	}
	if t.format != t.encoded() {
		f.Name, err = t.converted(ctx, a, m, f.Name)
	}
	return f, err
}

// converted makes of a picture one of the format that is wanted, in place of it.
func (t thumbnail) converted(ctx context.Context, a *attempt.Attempt, m moment, from string) (string, error) {
	w := vips.Wish{Fit: "contain", Format: t.format, Quality: t.quality}
	if err := a.Vips(ctx, from, vips.Picture{Format: t.encoded()}, w); err != nil {
		return "", err
	}
	name := m.name + "." + t.format
	if err := errors.Join(a.Dir.Remove(from), a.Dir.Rename(w.Output(), name)); err != nil {
		return "", fmt.Errorf("scratch: %w", err)
	}
	return name, nil
}

// stillFacts is what is said of one of several pictures.
type stillFacts struct {
	At     *float64 `json:"at,omitempty"` // in seconds, where the job says which
	Width  int      `json:"width"`
	Height int      `json:"height"`
}

// search is one way to look for the picture.
type search struct {
	start float64 // where to begin reading, in seconds
	// filters that choose one of the frames there; without, it is the first
	light string // of frames as they were decoded
	most  string // of red, green and blue
	last  bool   // take the last frame that comes, not the first
	// how many frames after start will do, as far as can be known; 0: nobody knows
	frames int
	until  float64 // of last: the latest that it may be, in seconds; 0: any
}

func (s search) from() []string {
	if s.start <= 0 {
		return nil
	}
	return []string{"-ss", attempt.Number(s.start)}
}

// notBlack lets frames pass that have anything in them: of a black one 98 of 100 pixels are darker than 32 of 255.
const notBlack = "blackframe=amount=0:threshold=32,metadata=select:key=lavfi.blackframe.pblack:value=98:function=less"

// searches returns the ways to look for the picture, the best first; the next is for when nothing comes. A file's
// length may be its sound's or a guess, and what comes after its last key frame can't be found by seeking.
func (t thumbnail) searches(a *attempt.Attempt, v probe.Stream, at kinds.Place) ([]search, error) {
	if a.Info.Still() || v.Disposition.AttachedPicture != 0 {
		return []search{{}}, nil
	}
	if at.Representative {
		s := search{light: notBlack, most: fmt.Sprintf("thumbnail=%d", t.batch(a, v)), frames: t.batch(a, v)}
		if v.HDR() || v.SeeThrough() { // which the filters would take away
			s.most = ""
		}
		if v.SeeThrough() {
			s.light = ""
		}
		var all []search
		for _, part := range []float64{0.1, 0.3, 0.5, 0.7, 0} { // not the black or the logo that films begin with
			s.start = part * a.Info.Seconds(v)
			all = append(all, s)
		}
		return append(all, search{most: s.most}), nil
	}
	start, err := begin(a, v, at)
	near := search{start: max(0, start-30), last: true}
	near.until = start - near.start
	return []search{{start: start, frames: 1}, near, {last: true, until: start}, {}}, err
}

// args returns ffmpeg's options for the output.
func (t thumbnail) args(v probe.Stream, still bool, s search) []string {
	filters := frame.Deinterlaced(v)
	if s.last && s.until > 0 {
		filters = append(filters, "trim=end="+attempt.Number(s.until+0.001))
	}
	filters = append(filters, frame.Fit(v, t.width, t.height)...)
	filters = slices.Concat(filters, named(s.light), frame.ToneMapped(v), frame.Colours(v, still), named(s.most),
		frame.ForPicture(v, t.encoded()))
	args := []string{
		"-map", fmt.Sprintf("0:%d", v.Index), "-an", "-sn", "-dn", "-map_metadata", "-1",
		"-vf", strings.Join(filters, ","),
	}
	if !s.last {
		args = append(args, "-frames:v", "1")
	}
	return append(args, t.encoder()...)
}

// named returns the filter as a list; none for "".
func named(filter string) []string {
	if filter == "" {
		return nil
	}
	return []string{filter}
}

// thumbnailUses returns the options for all formats, of every sort of picture.
func thumbnailUses() (all [][]string) {
	for _, format := range []string{"jpg", "png", "webp"} {
		t := thumbnail{format: format, width: 1, height: 1}
		all = append(all, t.args(probe.Stream{Aspect: "16:11", Fields: "tt", PixelFormat: "yuva420p"}, false,
			search{light: notBlack, most: "thumbnail"}),
			t.args(probe.Stream{Transfer: "smpte2084"}, false, search{last: true, until: 1}))
	}
	return all
}

// begin returns where the wanted picture is, in seconds: the last one, where only the sound goes on.
func begin(a *attempt.Attempt, v probe.Stream, at kinds.Place) (float64, error) {
	own, end, length := a.Info.Seconds(v), a.Info.End(v), a.Info.Length(v)
	last := end // the start of the last frame, or nearly
	if rate, err := probe.Ratio(v.FrameRate); err == nil {
		last = max(0, end-1.5/rate)
	}
	switch {
	case at.Fraction > 0 && length == 0:
		return 0, work.Fail(work.BadInput, fmt.Errorf("input %s doesn't say how long it is; give at in seconds",
			a.From))
	case at.Fraction >= 0:
		return min(end-own+at.Fraction*own, last), nil
	case length > 0 && at.Seconds > length:
		return 0, work.Fail(work.BadInput, fmt.Errorf("at %s s is past the end: input %s lasts %.1f s",
			attempt.Number(at.Seconds), a.From, length))
	case length > 0:
		return min(at.Seconds, last), nil
	default:
		return at.Seconds, nil
	}
}

// batch returns the number of frames that the most representative one is chosen from. ffmpeg keeps all of them in
// memory, at the thumbnail's size: at most an eighth of the slot's.
func (t thumbnail) batch(a *attempt.Attempt, v probe.Stream) int {
	const most = 50
	if a.Task.Limits.Memory <= 0 {
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
	return min(max(2, int(a.Task.Limits.Memory)/8/frame), most)
}

func (t thumbnail) encoder() []string {
	one := []string{"-f", "image2", "-update", "1"}
	switch t.encoded() {
	case "png":
		return append(one, "-c:v", "png")
	case "webp":
		return append(one, "-c:v", "libwebp", "-quality", strconv.Itoa(t.quality))
	}
	scale := 31 - float64(t.quality-1)*29/99 // ffmpeg's 2 (best) to 31
	return append(one, "-c:v", "mjpeg", "-q:v", strconv.Itoa(int(math.Round(scale))))
}
