package recipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/frame"
	"github.com/polyglot-media/siren/worker/media/probe"
)

// sprite is the params of a sprite job.
type sprite struct {
	interval      float64 // seconds; 0: by the length
	count         int     // of pictures, instead
	columns, rows int     // of a sheet
	width, height int     // a box that each picture is fitted into; it is never enlarged
	format        string
	quality       int // 1 to 100
}

// What a sprite job makes: the cues, and the sheets that they name.
const (
	cuesName = "sprite.vtt"
	cuesType = "text/vtt"
	taken    = "pictures.txt" // a line for each picture; it stays behind
)

func planSprite(v kinds.Values) Recipe {
	s := sprite{
		interval: v.Number("interval"), count: v.Whole("count"), columns: v.Whole("columns"), rows: v.Whole("rows"),
		width: v.Whole("width"), height: v.Whole("height"), format: v.Word("format"), quality: v.Whole("quality"),
	}
	return Recipe{MediaType: cuesType, Main: cuesName, Make: s.make}
}

func (s sprite) make(ctx context.Context, a *attempt.Attempt) ([]attempt.File, error) {
	v, err := a.Info.Video(a.From)
	if err != nil {
		return nil, err
	}
	if a.Info.Length(v) == 0 {
		if err := a.Measure(ctx); err != nil {
			return nil, err
		}
		if v, err = a.Info.Video(a.From); err != nil {
			return nil, err
		}
	}
	length := a.Info.Length(v)
	if most := s.mostCounted(v, length); s.count > most {
		a.Warn("count %d instead of %d: input %s lasts %.1f s, and no picture is shown for less than %.3g s", most,
			s.count, a.From, length, s.shortest(v))
		s.count = most
	}
	if s, err = s.spaced(length, a.Info.End(v)); err != nil {
		return nil, fmt.Errorf("input %s %w", a.From, err)
	}
	run := attempt.Run{Seconds: a.Info.End(v), Input: frame.Decoder(v)}
	keys, err := s.keysAlone(ctx, a, v)
	if err != nil {
		return nil, err
	}
	if keys {
		run.Input = append(run.Input, "-skip_frame", "nokey")
	}
	width, height := v.Fitted(s.width, s.height, math.MaxInt)
	run.Outputs = s.outputs(v, width, height)
	if err := a.FFmpeg(ctx, run); err != nil {
		return nil, err
	}
	return s.publish(a, width, height, length)
}

// mostPictures is how many pictures one job makes at most.
const mostPictures = 10_000

// shortest returns for how many seconds each of a count of pictures is shown at least: a tenth, which is the least
// interval, and no less than a frame.
func (s sprite) shortest(v probe.Stream) float64 {
	const least = 0.1
	if rate, err := probe.Ratio(v.FrameRate); err == nil {
		return max(least, 1/rate)
	}
	return least
}

// mostCounted returns how many pictures of a film of that length a job may count.
func (s sprite) mostCounted(v probe.Stream, length float64) int {
	if length == 0 {
		return mostPictures
	}
	return max(1, int(length/s.shortest(v)+1e-6))
}

// spaced returns the params with an interval for an input of that length, and with sheets that aren't larger than its
// pictures need, which end then; 0 when nobody knows it.
func (s sprite) spaced(length, end float64) (sprite, error) {
	switch {
	case s.count > 0 && length == 0:
		return s, work.Fail(work.BadInput, errors.New("doesn't say how long it is: give interval instead of count"))
	case s.count > 0:
		s.interval = length / float64(s.count)
	case s.interval == 0 && length == 0:
		s.interval = 5
	case s.interval == 0: // a hundred of them, but for short and for long films
		s.interval = min(max(1, math.Ceil(length/100)), 10)
	}
	if s.count == 0 {
		s.count = mostPictures
	}
	if length > 0 {
		pictures := math.Ceil(length/s.interval - 1e-6)
		if pictures > mostPictures {
			return s, work.Fail(work.BadInput, fmt.Errorf("lasts %.0f s, which are %.0f pictures: at most %d are "+
				"made, so give an interval of %.1f s or more", length, pictures, mostPictures, length/mostPictures))
		}
		pictures = math.Ceil(end/s.interval - 1e-6)
		s.columns = max(1, min(s.columns, int(pictures)))
		s.rows = max(1, min(s.rows, int(math.Ceil(pictures/float64(s.columns)))))
	}
	return s, nil
}

// keysAlone reports whether only key frames need to be decoded, which takes a tenth of the time: of a long film whose
// pictures are so far apart that at least two key frames come between them.
func (s sprite) keysAlone(ctx context.Context, a *attempt.Attempt, v probe.Stream) (bool, error) {
	const long, look = 60, 120
	if length := a.Info.End(v); s.interval < 2 || length > 0 && length < long {
		return false, nil
	}
	apart, err := a.KeyFramesApart(ctx, v, look)
	return err == nil && apart > 0 && apart <= s.interval/2, err
}

// outputs returns the sheets, and a file with a line for each picture: how many there are is known when they are made,
// whatever the input says of its length.
func (s sprite) outputs(v probe.Stream, width, height int) []attempt.Output {
	filters := slices.Concat(frame.Deinterlaced(v),
		// what is seen at the beginning of each interval
		[]string{
			"fps=1/" + attempt.Number(s.interval) + ":start_time=0:round=up", fmt.Sprintf("trim=end_frame=%d", s.count),
		},
		frame.Square(v), []string{frame.InFrame(width, height)}, frame.ToneMapped(v), frame.Colours(v, false))
	sheet := append([]string{fmt.Sprintf("tile=%dx%d", s.columns, s.rows)}, frame.ForPicture(v, s.format)...)
	graph := fmt.Sprintf("[0:%d]%s,split[pictures][counted];[pictures]%s[sheet]", v.Index, strings.Join(filters, ","),
		strings.Join(sheet, ","))
	args := []string{"-filter_complex", graph, "-map", "[sheet]", "-map_metadata", "-1"}
	return []attempt.Output{
		{Name: "sheet-%03d." + s.format, Several: true, Options: append(args, s.encoder()...)},
		{Name: taken, Options: []string{"-map", "[counted]", "-f", "framecrc"}},
	}
}

// encoder returns the options for sheets.
func (s sprite) encoder() []string {
	args := thumbnail{format: s.format, quality: s.quality}.encoder()
	return append(args, "-update", "0", "-start_number", "1")
}

// publish writes the cues of what was made, and returns all files.
func (s sprite) publish(a *attempt.Attempt, width, height int, length float64) ([]attempt.File, error) {
	lines, err := readMade(a, taken)
	if err != nil {
		return nil, err
	}
	pictures := 0
	for line := range bytes.Lines(lines) {
		if line[0] != '#' {
			pictures++
		}
	}
	if pictures == 0 {
		return nil, work.Fail(work.BadInput, fmt.Errorf("input %s holds no picture that can be decoded", a.From))
	}
	cues := s.cues(pictures, width, height, length)
	if err := a.Dir.WriteFile(cuesName, []byte(cues), 0o600); err != nil {
		return nil, fmt.Errorf("write the cues: %w", err)
	}
	files := []attempt.File{{Name: cuesName, MediaType: cuesType, Facts: sheets{
		Pictures: pictures, Interval: s.interval, Width: width, Height: height, Columns: s.columns, Rows: s.rows,
	}}}
	for n := 0; n*s.columns*s.rows < pictures; n++ {
		files = append(files, attempt.File{Name: s.sheet(n), MediaType: thumbnail{format: s.format}.mediaType()})
	}
	return files, nil
}

// sheets is what is said of the sheets.
type sheets struct {
	Pictures int     `json:"pictures"`
	Interval float64 `json:"interval"`
	Width    int     `json:"width"` // of a picture
	Height   int     `json:"height"`
	Columns  int     `json:"columns"`
	Rows     int     `json:"rows"`
}

// sheet names the sheets, from 0.
func (s sprite) sheet(n int) string { return fmt.Sprintf("sheet-%03d.%s", n+1, s.format) }

// cues returns what of a sheet is shown when, as WebVTT with media fragments (W3C Media Fragments, 4.2.2). They go on
// to the end of the input: the last picture is named again where only the sound goes on.
func (s sprite) cues(pictures, width, height int, length float64) string {
	var b strings.Builder
	b.WriteString("WEBVTT\n")
	count := max(pictures, int(math.Round(length/s.interval)))
	for n := range count {
		start, end := float64(n)*s.interval, float64(n+1)*s.interval
		if n == count-1 && length > start {
			end = length
		}
		shown := min(n, pictures-1)
		place := shown % (s.columns * s.rows)
		fmt.Fprintf(&b, "\n%s --> %s\n%s#xywh=%d,%d,%d,%d\n", clock(start), clock(end),
			s.sheet(shown/(s.columns*s.rows)), place%s.columns*width, place/s.columns*height, width, height)
	}
	return b.String()
}

// clock writes a time as WebVTT has it.
func clock(seconds float64) string {
	ms := int(math.Round(seconds * 1000))
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}

// spriteUses returns the options for both formats, of every sort of picture.
func spriteUses() (all [][]string) {
	for _, format := range []string{"jpg", "webp"} {
		for _, v := range []probe.Stream{
			{Aspect: "16:11", Fields: "tt", PixelFormat: "yuva420p"}, {Transfer: "smpte2084"},
		} {
			for _, o := range (sprite{format: format, interval: 1, columns: 1, rows: 1}).outputs(v, 16, 16) {
				all = append(all, o.Options)
			}
		}
	}
	return all
}
