package media

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
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/sandbox"
	"github.com/polyglot-media/siren/worker/storage/s3test"
	"github.com/polyglot-media/siren/worker/workertest"
)

// The test binary doubles as the siren binary (run-limited), and as a worker to be killed (see kill_test.go).
func TestMain(m *testing.M) {
	workertest.Main()
	if len(os.Args) > 1 && os.Args[1] == "run-limited" {
		if err := sandbox.RunLimited(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "siren:", err)
			os.Exit(126)
		}
		os.Exit(0)
	}
	if w := (workOrder{}); workertest.Ordered(&w) {
		w.carryOut()
		return
	}
	code := m.Run()
	s3test.Stop()
	if clips.dir != "" {
		_ = os.RemoveAll(clips.dir)
	}
	os.Exit(code)
}

// clips are the inputs that all tests share, made by ffmpeg once.
var clips struct {
	sync.Once
	dir string
	err error
}

var recipes = map[string]string{
	"clip.mp4": "-f lavfi -i testsrc2=s=320x240:r=25:d=2 -f lavfi -i sine=d=2 -c:v libx264 -preset ultrafast " +
		"-pix_fmt yuv420p -c:a aac",
	"front.mp4": "-f lavfi -i testsrc2=s=320x240:r=25:d=2 -f lavfi -i sine=d=2 -c:v libx264 -preset ultrafast " +
		"-pix_fmt yuv420p -c:a aac -movflags +faststart",
	"clip.mkv":     "-f lavfi -i testsrc2=s=320x240:r=25:d=4 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
	"silent.webm":  "-f lavfi -i testsrc2=s=160x90:r=10:d=1 -c:v libvpx -deadline realtime",
	"sound.m4a":    "-f lavfi -i sine=d=1 -c:a aac",
	"odd.mp4":      "-f lavfi -i testsrc=s=321x243:r=10:d=1 -c:v libx264 -preset ultrafast -pix_fmt yuv444p",
	"stretched.ts": "-f lavfi -i testsrc2=s=360x288:r=25:d=1 -vf setsar=16/11 -c:v mpeg2video",
	"still.png":    "-f lavfi -i testsrc2=s=64x48:r=1:d=1 -frames:v 1",
	"slow.mp4":     "-f lavfi -i testsrc2=s=1280x720:r=1:d=120 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
}

// sharedClip returns the path of a shared input.
func sharedClip(t testing.TB, name string) string {
	t.Helper()
	clips.Do(func() {
		clips.dir, clips.err = os.MkdirTemp("", "siren-media-clips-")
		for name, args := range recipes {
			argv := append([]string{"-hide_banner", "-loglevel", "error", "-y"}, strings.Fields(args)...)
			out, err := exec.Command("ffmpeg", append(argv, filepath.Join(clips.dir, name))...).CombinedOutput()
			if err != nil && clips.err == nil {
				clips.err = fmt.Errorf("make %s: %w: %s", name, err, out)
			}
		}
	})
	if clips.err != nil {
		t.Fatalf("these tests need ffmpeg (apt-get install ffmpeg): %v", clips.err)
	}
	return filepath.Join(clips.dir, name)
}

// bench is one handler with an input and an output folder, both allowed.
type bench struct {
	t       testing.TB
	h       *Handler
	dir     string // the scratch folder, as an operator names it
	scratch string // our folder in it
	in, out string
	storage []lanes.Storage
	limits  work.Limits
}

func newBench(t testing.TB) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{
		t: t, dir: filepath.Join(dir, "scratch"),
		scratch: filepath.Join(dir, "scratch", fmt.Sprintf("siren-attempts-%d", os.Getuid())),
		in:      filepath.Join(dir, "in"), out: filepath.Join(dir, "out"),
	}
	for _, d := range []string{b.in, b.out} {
		workertest.Must(t, os.Mkdir(d, 0o755))
	}
	h, err := New(Options{Scratch: b.dir, Log: slog.New(slog.DiscardHandler)})
	workertest.Must(t, err)
	b.h = h
	b.storage = []lanes.Storage{
		{Prefix: "file://" + b.in + "/", Read: true},
		{Prefix: "file://" + b.out + "/", Read: true, Write: true},
	}
	b.limits = work.Limits{Nice: 5, Memory: 2 << 30, Scratch: 1 << 30, MaxRuntime: time.Minute, Threads: 2}
	return b
}

// put puts a shared clip into the input folder and returns its URL.
func (b *bench) put(name string) string {
	b.t.Helper()
	data, err := os.ReadFile(sharedClip(b.t, name))
	workertest.Must(b.t, err)
	return b.write(name, data)
}

func (b *bench) write(name string, data []byte) string {
	b.t.Helper()
	workertest.Must(b.t, os.WriteFile(filepath.Join(b.in, name), data, 0o644))
	return "file://" + filepath.Join(b.in, name)
}

func (b *bench) output(name string) string { return "file://" + filepath.Join(b.out, name) }

var attemptNumber struct {
	sync.Mutex
	n int
}

func (b *bench) task(j job.Job) work.Task {
	attemptNumber.Lock()
	defer attemptNumber.Unlock()
	attemptNumber.n++
	if j.ID == "" {
		j.ID = fmt.Sprintf("job%d", attemptNumber.n)
	}
	return work.Task{
		Job: j, Lane: "standard", Attempt: fmt.Sprintf("a%d", attemptNumber.n), Limits: b.limits,
		Storage: b.storage,
	}
}

// run runs the job and checks what holds after every attempt: nothing is left in scratch.
func (b *bench) run(job job.Job) (work.Result, error) {
	b.t.Helper()
	return b.runContext(context.Background(), b.task(job))
}

func (b *bench) runContext(ctx context.Context, task work.Task) (work.Result, error) {
	b.t.Helper()
	result, err := b.h.Handle(ctx, task)
	if left := workertest.Names(b.t, b.scratch); fmt.Sprint(left) != "[.siren]" {
		b.t.Errorf("scratch isn't empty after the attempt: %v", left)
	}
	if err != nil && (len(result.Outputs) > 0 || result.AlreadyDone) {
		b.t.Errorf("a result beside the error: %+v", result)
	}
	return result, err
}

func paramsJSON(s string) json.RawMessage { return json.RawMessage(s) }

// media returns what ffprobe says of a file.
func media(t testing.TB, file string) probe.Input {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", file).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", file, err)
	}
	var i probe.Input
	workertest.Must(t, json.Unmarshal(out, &i))
	return i
}

func output(t testing.TB, program string, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v", program, args, err)
	}
	return out
}
