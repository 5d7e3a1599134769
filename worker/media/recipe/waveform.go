package recipe

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/media/sound"
)

// waveform is the params of a waveform job.
type waveform struct {
	split   bool
	drawing sound.Drawing
	// of JSON:
	bits  int
	each  int // samples in a pixel
	width int // how many pixels there are at most; 0: by each
}

func planWaveform(v kinds.Values) Recipe {
	w := waveform{
		split: v.Word("channels") == "split", bits: cmp.Or(v.Whole("bits"), 8),
		each: cmp.Or(v.Whole("samplesPerPixel"), 256), width: v.Whole("width"),
		drawing: sound.Drawing{Width: cmp.Or(v.Whole("width"), 1200), Height: cmp.Or(v.Whole("height"), 200)},
	}
	w.drawing.Background, _ = v.Colour("background")
	var given bool
	if w.drawing.Colour, given = v.Colour("colour"); !given {
		w.drawing.Colour = color.NRGBA{R: 0x25, G: 0x63, B: 0xeb, A: 255}
	}
	if v.Word("format") == "png" {
		return Recipe{MediaType: "image/png", Make: w.draw}
	}
	return Recipe{MediaType: "application/json", Make: w.list}
}

// draw makes the PNG.
func (w waveform) draw(ctx context.Context, a *attempt.Attempt) ([]attempt.File, error) {
	all, _, err := w.overview(ctx, a)
	if err != nil {
		return nil, err
	}
	const name = "output.png"
	return one(name, "image/png", write(a, name, func(to *bufio.Writer) error {
		return png.Encode(to, w.drawing.Draw(all.Pixels))
	}))
}

// list makes the JSON.
func (w waveform) list(ctx context.Context, a *attempt.Attempt) ([]attempt.File, error) {
	const name = "output.json"
	return one(name, "application/json", write(a, name, func(to *bufio.Writer) error {
		listing := sound.Listing{To: to, Bits: w.bits}
		if w.width == 0 {
			s, err := a.Sound()
			if err != nil {
				return err
			}
			p := w.peaks(s, w.each, listing.Add)
			return errors.Join(listing.Begin(p.Rate, p.Waves(), p.Each), hear(ctx, a, s, p), listing.End())
		}
		all, p, err := w.overview(ctx, a)
		if err != nil {
			return err
		}
		all.Fold(w.width)
		err = listing.Begin(p.Rate, p.Waves(), p.Each*all.Each())
		for _, pixel := range all.Pixels {
			err = errors.Join(err, listing.Add(pixel))
		}
		return errors.Join(err, listing.End())
	}))
}

// overview hears the sound and makes pixels of it, dozens for each that will be left: how many samples there are is
// known when all have come.
func (w waveform) overview(ctx context.Context, a *attempt.Attempt) (*sound.Overview, *sound.Peaks, error) {
	const wanted = 1 << 18
	s, err := a.Sound()
	if err != nil {
		return nil, nil, err
	}
	all := &sound.Overview{Most: 2 * wanted}
	p := w.peaks(s, 1, all.Add)
	if samples := a.Info.Seconds(s) * float64(p.Rate); samples > 0 { // as it says; more is no harm
		p.Each = max(1, int(math.Ceil(samples/wanted)))
	}
	err = hear(ctx, a, s, p)
	all.End()
	return all, p, err
}

// peaks returns what makes pixels of so many samples of the sound.
func (w waveform) peaks(s probe.Stream, each int, emit func(sound.Pixel) error) *sound.Peaks {
	return &sound.Peaks{Rate: int(s.SampleRate), Channels: s.Channels, Split: w.split, Each: each, Emit: emit}
}

// hear has ffmpeg decode the sound for the peaks.
func hear(ctx context.Context, a *attempt.Attempt, s probe.Stream, p *sound.Peaks) error {
	emit, failed := p.Emit, error(nil)
	p.Emit = func(pixel sound.Pixel) error {
		failed = errors.Join(failed, emit(pixel))
		return failed
	}
	err := a.FFmpeg(ctx, attempt.Run{
		Seconds: a.Info.Seconds(s), Printed: p,
		Outputs: []attempt.Output{{Name: attempt.Stdout, Options: decoded(s, a.Info.Late(s))}},
	})
	if failed != nil { // ffmpeg could but end then
		return failed
	}
	if err == nil && p.Seconds() == 0 {
		err = work.Fail(work.BadInput, fmt.Errorf("the sound of input %s can't be decoded: nothing comes", a.From))
	}
	return errors.Join(err, p.End())
}

// decoded returns ffmpeg's options for samples of 16 bits. Sound that begins after the pictures is preceded by silence,
// so that the wave is in time with them.
func decoded(s probe.Stream, late bool) []string {
	var filters []string
	if late {
		filters = []string{"aresample=first_pts=0"}
	}
	return append(append(only(s), withFilters(filters)...), "-ac", strconv.Itoa(s.Channels),
		"-ar", strconv.Itoa(int(s.SampleRate)), "-c:a", "pcm_s16le", "-f", "s16le")
}

// waveformUses returns the options for every sort of sound.
func waveformUses() [][]string { return [][]string{decoded(probe.Stream{}, true)} }

// write makes a file of the scratch folder, no larger than a program could.
func write(a *attempt.Attempt, name string, by func(*bufio.Writer) error) (err error) {
	file, err := a.Dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("scratch: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	to := bufio.NewWriterSize(&capped{to: file, most: a.Task.Limits.Scratch}, 64<<10)
	if err := by(to); err != nil {
		return err
	}
	return to.Flush()
}

// capped writes no more than a slot's scratch space.
type capped struct {
	to      io.Writer
	most    lanes.Bytes // 0: no end
	written lanes.Bytes
}

func (c *capped) Write(b []byte) (int, error) {
	if c.written += lanes.Bytes(len(b)); c.most > 0 && c.written > c.most {
		return 0, work.Fail(work.OverLimit, fmt.Errorf("the output is larger than a slot's scratch space of %s: give "+
			"more samplesPerPixel", c.most))
	}
	return c.to.Write(b)
}
