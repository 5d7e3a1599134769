// Package handle measures what a media job takes beside the bare commands that it runs: Siren's fetching, looking,
// confining and storing.
package handle

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/worker/media"
)

// jobs is what is measured: a job of each kind, as an upload pipeline has them.
var jobs = []struct{ kind, input, output, params string }{
	{"probe", "film.mp4", "out.json", ``},
	{"thumbnail", "film.mp4", "out.jpg", `{"width": 640}`},
	{"image", "photo.jpg", "out.jpg", `{"width": 640}`},
	{"transcode", "film.mp4", "out.mp4", `{"height": 480}`},
	{"hls", "film.mp4", "out/", `{"top": "480p", "speed": "veryfast"}`},
	{"sprite", "film.mp4", "out/", ``},
	{"audio", "film.mp4", "out.m4a", ``},
	{"loudness", "film.mp4", "out.json", ``},
	{"waveform", "film.mp4", "out.png", ``},
}

// clips is what the jobs read, and how ffmpeg makes it.
var clips = []struct {
	name string
	args string
}{
	{
		"film.mp4", "-f lavfi -i testsrc2=size=1280x720:rate=25:duration=10 -f lavfi -i " +
			"sine=frequency=440:duration=10 " +
			"-c:v libx264 -preset veryfast -c:a aac -shortest",
	},
	{"minute.mp4", "-f lavfi -i testsrc2=size=640x360:rate=25:duration=60 -c:v libx264 -preset veryfast -g 50"},
	{"hour.mp4", "-stream_loop 59 -i minute.mp4 -c copy"},
	{"photo.jpg", "-f lavfi -i testsrc2=size=4000x3000:duration=1,noise=alls=20 -frames:v 1 -q:v 3"},
}

// yard is where the jobs are run.
type yard struct {
	dir     string
	handler *media.Handler
	mu      sync.Mutex
	ran     []command // by the job under way
}

type command struct {
	program string
	args    []string
}

// Media measures a job of each kind beside its bare commands, by turns, and what is promised of single ones.
func Media(ctx context.Context, b *stand.Bench) ([]report.Figure, error) {
	y := &yard{dir: filepath.Join(b.Dir, "media")}
	if err := os.MkdirAll(filepath.Join(y.dir, "bare"), 0o755); err != nil {
		return nil, err
	}
	b.Say("making what the media jobs read")
	for _, c := range clips {
		args := append([]string{"-nostdin", "-v", "error", "-y"}, strings.Fields(c.args)...)
		make := exec.CommandContext(ctx, "ffmpeg", append(args, c.name)...)
		make.Dir = y.dir
		if out, err := make.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("make %s: %w: %s", c.name, err, out)
		}
	}
	var err error
	y.handler, err = media.New(media.Options{
		Self: b.Siren, Scratch: filepath.Join(b.Dir, "scratch"), Log: slog.New(&listener{yard: y}),
	})
	if err != nil {
		return nil, err
	}
	var figures []report.Figure
	for i, j := range jobs {
		f := report.Figure{Name: j.kind + " job", Unit: "ms", Against: "bare"}
		beyond := report.Figure{
			Name: j.kind + " job, beyond 1.05 times bare", Unit: "ms", Aim: &report.Aim{AtMost: 150},
		}
		for run := range b.Runs {
			b.Say("media, %s, run %d of %d", j.kind, run+1, b.Runs)
			siren, err := y.job(ctx, j.kind, j.input, fmt.Sprintf("%d-%d-%s", i, run, j.output), j.params)
			if err != nil {
				return nil, err
			}
			bare, err := y.bare(ctx, j.input)
			if err != nil {
				return nil, err
			}
			f.Siren, f.Baseline = append(f.Siren, siren.wall), append(f.Baseline, bare.wall)
			beyond.Siren = append(beyond.Siren, siren.wall-1.05*bare.wall)
		}
		figures = append(figures, f, beyond)
	}
	hour, err := y.middleOfAnHour(ctx, b)
	if err != nil {
		return nil, err
	}
	photo, err := y.photo(ctx, b)
	return append(figures, hour, photo), err
}

// photo measures the computing of an image job, which goes by libvips, beside ffmpeg's.
func (y *yard) photo(ctx context.Context, b *stand.Bench) (report.Figure, error) {
	f := report.Figure{
		Name: "CPU of a photo of 12 megapixels to 640 px", Unit: "ms", Against: "ffmpeg",
		Aim: &report.Aim{OfRatio: true, AtMost: 0.6},
	}
	for run := range b.Runs {
		b.Say("media, photo, run %d of %d", run+1, b.Runs)
		siren, err := y.job(ctx, "image", "photo.jpg", fmt.Sprintf("photo-%d.jpg", run), `{"width": 640}`)
		if err != nil {
			return f, err
		}
		bare, err := y.measure(func() error {
			return y.run(ctx, command{"ffmpeg", strings.Fields(
				"-nostdin -v error -y -i /dev/fd/3 -frames:v 1 -vf scale=640:-2 -q:v 5 photo.jpg")}, "photo.jpg")
		})
		if err != nil {
			return f, err
		}
		f.Siren, f.Baseline = append(f.Siren, siren.cpu), append(f.Baseline, bare.cpu)
	}
	return f, nil
}

// middleOfAnHour measures a thumbnail at half of a long film beside a bare seek of ffmpeg's.
func (y *yard) middleOfAnHour(ctx context.Context, b *stand.Bench) (report.Figure, error) {
	f := report.Figure{
		Name: "thumbnail at 50% of an hour", Unit: "ms", Against: "ffmpeg -ss",
		Aim: &report.Aim{OfRatio: true, AtMost: 1.3},
	}
	for run := range b.Runs {
		b.Say("media, thumbnail of an hour, run %d of %d", run+1, b.Runs)
		siren, err := y.job(ctx, "thumbnail", "hour.mp4", fmt.Sprintf("hour-%d.jpg", run),
			`{"at": "50%", "width": 640}`)
		if err != nil {
			return f, err
		}
		bare, err := y.measure(func() error {
			return y.run(ctx, command{"ffmpeg", strings.Fields(
				"-nostdin -v error -y -ss 1800 -i /dev/fd/3 -frames:v 1 -vf scale=640:-2 -q:v 5 hour.jpg")}, "hour.mp4")
		})
		if err != nil {
			return f, err
		}
		f.Siren, f.Baseline = append(f.Siren, siren.wall), append(f.Baseline, bare.wall)
	}
	return f, nil
}

// cost is what something took, in milliseconds.
type cost struct{ wall, cpu float64 }

// measure does something, and counts the CPU time of the programs that it ran.
func (y *yard) measure(do func() error) (cost, error) {
	var before, after unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_CHILDREN, &before)
	began := time.Now()
	err := do()
	took := time.Since(began)
	_ = unix.Getrusage(unix.RUSAGE_CHILDREN, &after)
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	return cost{report.Millis(took), report.Millis(cpu)}, err
}

// job runs a job as a worker does.
func (y *yard) job(ctx context.Context, kind, input, output, params string) (cost, error) {
	y.mu.Lock()
	y.ran = nil
	y.mu.Unlock()
	url := "file://" + y.dir + "/"
	t := work.Task{
		Job: job.Job{
			ID: strings.NewReplacer("/", "", ".", "-").Replace(output), Kind: kind, Input: url + input,
			Output: url + output,
			Params: json.RawMessage(params),
		},
		Attempt: "1", Storage: []lanes.Storage{{Prefix: url, Read: true, Write: true}},
		Limits: work.Limits{Memory: 2 << 30, Scratch: 10 << 30, MaxRuntime: time.Hour},
	}
	return y.measure(func() error {
		_, err := y.handler.Handle(ctx, t)
		return err
	})
}

// bare runs the commands of the job before it again, without Siren. A look at the input isn't one, unless it is all
// that the job did.
func (y *yard) bare(ctx context.Context, input string) (cost, error) {
	y.mu.Lock()
	ran := y.ran
	y.mu.Unlock()
	var makes []command
	for _, c := range ran {
		if name := filepath.Base(c.program); name != "ffprobe" && name != "vipsheader" {
			makes = append(makes, c)
		}
	}
	if len(makes) == 0 {
		makes = ran
	}
	return y.measure(func() error {
		for _, c := range makes {
			if err := y.run(ctx, c, input); err != nil {
				return err
			}
		}
		return nil
	})
}

// run runs a command on an input as Siren gives it to programs: as descriptor 3.
func (y *yard) run(ctx context.Context, c command, input string) error {
	file, err := os.Open(filepath.Join(y.dir, input))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	cmd := exec.CommandContext(ctx, c.program, c.args...)
	cmd.Dir, cmd.ExtraFiles = filepath.Join(y.dir, "bare"), []*os.File{file}
	for _, arg := range c.args { // folders that the job made for it
		if name, is := strings.CutPrefix(arg, "file:"); is && filepath.IsLocal(name) {
			if err := os.MkdirAll(filepath.Join(cmd.Dir, filepath.Dir(name)), 0o755); err != nil {
				return err
			}
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", c.program, strings.Join(c.args, " "), err, out)
	}
	return nil
}

// listener hears of the commands that jobs run.
type listener struct{ yard *yard }

// Enabled is of everything.
func (l *listener) Enabled(context.Context, slog.Level) bool { return true }

// Handle notes a command.
func (l *listener) Handle(_ context.Context, r slog.Record) error {
	var c command
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "program":
			c.program = a.Value.String()
		case "args":
			c.args, _ = a.Value.Any().([]string)
		}
		return true
	})
	if c.program != "" {
		l.yard.mu.Lock()
		defer l.yard.mu.Unlock()
		l.yard.ran = append(l.yard.ran, c)
	}
	return nil
}

// WithAttrs returns the listener: the job doesn't matter.
func (l *listener) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup returns the listener.
func (l *listener) WithGroup(string) slog.Handler { return l }
