package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media"
)

// inputs are what the jobs read, as ffmpeg draws them: a flight into the Mandelbrot set with a swelling tone, and a
// photo's worth of it.
var inputs = map[string]string{
	"film.mp4": "-f lavfi -i mandelbrot=size=640x360:rate=12:end_scale=0.02 " +
		"-f lavfi -i aevalsrc=0.7*sin(2*PI*330*t)*abs(sin(PI*t/4))*(0.3+0.7*mod(t\\,1)):d=16:s=48000 " +
		"-t 16 -c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a aac",
	"photo.jpg": "-f lavfi -i mandelbrot=size=1200x800:start_scale=0.6:rate=1 -frames:v 1 -q:v 2",
}

// jobs are what makes the pictures of docs/media.md, and which file of the output is kept.
var jobs = []struct{ file, kind, input, output, params, kept string }{
	{"thumbnail.webp", "thumbnail", "film.mp4", "thumbnail.webp", `{"at": "50%", "width": 320, "quality": 60}`, ""},
	{"sprite.webp", "sprite", "film.mp4", "sprite/", `{"width": 96, "count": 20, "format": "webp"}`, "sheet-001.webp"},
	{"image-contain.webp", "image", "photo.jpg", "contain.webp", `{"width": 160, "height": 160, "quality": 60}`, ""},
	{
		"image-cover.webp", "image", "photo.jpg", "cover.webp",
		`{"width": 160, "height": 160, "fit": "cover", "quality": 60}`, "",
	},
	{
		"image-pad.webp", "image", "photo.jpg", "pad.webp",
		`{"width": 160, "height": 160, "fit": "pad", "background": "#dbe4f0", "quality": 60}`, "",
	},
	{"waveform.png", "waveform", "film.mp4", "waveform.png", `{"width": 640, "height": 96}`, ""},
}

// makeMedia makes the pictures of docs/media.md into a folder, by the jobs that the page describes.
func makeMedia(ctx context.Context, into string) error {
	dir, err := os.MkdirTemp("", "siren-pictures-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for name, args := range inputs {
		argv := append([]string{"-nostdin", "-v", "error", "-y"}, strings.Fields(args)...)
		if out, err := exec.CommandContext(ctx, "ffmpeg",
			append(argv, filepath.Join(dir, name))...).CombinedOutput(); err != nil {
			return fmt.Errorf("make %s: %w: %s", name, err, out)
		}
	}
	self, err := filepath.Abs("bin/siren")
	if err != nil {
		return err
	}
	h, err := media.New(media.Options{Self: self, Scratch: filepath.Join(dir, "scratch"), Log: slog.Default()})
	if err != nil {
		return err
	}
	url := "file://" + dir + "/"
	for i, p := range jobs {
		_, err := h.Handle(ctx, work.Task{
			Job: job.Job{
				ID: fmt.Sprintf("picture%d", i), Kind: p.kind, Input: url + p.input, Output: url + p.output,
				Params: json.RawMessage(p.params),
			},
			Attempt: "1", Limits: work.Limits{Memory: 2 << 30, Scratch: 1 << 30, MaxRuntime: 5 * time.Minute},
			Storage: []lanes.Storage{{Prefix: url, Read: true, Write: true}},
		})
		if err != nil {
			return fmt.Errorf("%s: %w", p.file, err)
		}
		data, err := os.ReadFile(filepath.Join(dir, p.output, p.kept))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(into, p.file), data, 0o644); err != nil {
			return err
		}
		fmt.Printf("%s: %d bytes\n", p.file, len(data))
	}
	return nil
}
