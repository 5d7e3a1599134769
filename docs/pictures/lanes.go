package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// watchFor is how long `siren lanes --watch` is watched.
const watchFor = 12 * time.Second

// makeLanes makes the picture of what `siren lanes --watch` shows while a burst of transcodes runs and thumbnails come
// on top.
func makeLanes(ctx context.Context, into string) (err error) {
	dir, err := os.MkdirTemp("", "siren-pictures-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if out, err := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i",
		"testsrc2=size=640x360:rate=25:duration=8", "-pix_fmt", "yuv420p",
		dir+"/clip.mp4").CombinedOutput(); err != nil {
		return fmt.Errorf("make a clip: %w: %s", err, out)
	}
	s := siren{dir}
	up := s.command(ctx, "up", "--media", dir, "--drain-timeout", "0s", "--log-level", "warn")
	if err := up.Start(); err != nil {
		return err
	}
	defer func() { _ = up.Process.Signal(os.Interrupt); _ = up.Wait() }()
	if err := s.awaitWorkers(ctx); err != nil {
		return err
	}
	if err := s.enqueue(ctx, "transcode", "mp4", 14, nil); err != nil {
		return err
	}
	if err := s.enqueue(ctx, "transcode", "mp4", 10, map[string]string{"batch": "true"}); err != nil {
		return err
	}
	screen, err := s.watch(ctx)
	if err != nil {
		return err
	}
	all := slices.DeleteFunc(frames(screen), func(frame string) bool { return strings.Contains(frame, "idle") })
	if len(all) == 0 {
		return fmt.Errorf("siren lanes --watch showed nothing: %q", screen)
	}
	for name, shown := range map[string][]string{"lanes.svg": all, "lanes-still.svg": all[len(all)-1:]} {
		fmt.Printf("%s: %d frames\n", name, len(shown))
		if err := os.WriteFile(filepath.Join(into, name), draw("siren lanes --watch", shown), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// siren runs commands with a state and jobs of their own, in a folder.
type siren struct{ dir string }

// command makes a command that no settings of the person who runs it reach.
func (s siren) command(ctx context.Context, args ...string) *exec.Cmd {
	return s.program(ctx, "bin/siren", args...)
}

func (s siren) program(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "XDG_STATE_HOME=" + s.dir, "XDG_CONFIG_HOME=" + s.dir,
		"TERM=xterm-256color", "SIREN_CONTEXT=up",
	}
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 30 * time.Second
	c.Stderr = os.Stderr
	return c
}

// awaitWorkers waits until a worker takes jobs.
func (s siren) awaitWorkers(ctx context.Context) error {
	for range 120 {
		ask := s.command(ctx, "workers", "-o", "name")
		ask.Stderr = nil // it isn't up yet
		if out, err := ask.Output(); err == nil && len(out) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return fmt.Errorf("no worker has started")
}

// enqueue enqueues n jobs at once.
func (s siren) enqueue(ctx context.Context, kind, ending string, n int, labels map[string]string) error {
	var lines strings.Builder
	for i := range n {
		line, err := json.Marshal(job.Job{
			Kind: kind, Labels: labels, Input: "file://" + s.dir + "/clip.mp4",
			Output: fmt.Sprintf("file://%s/out/%d-%d.%s", s.dir, time.Now().UnixNano(), i, ending),
		})
		if err != nil {
			return err
		}
		lines.Write(append(line, '\n'))
	}
	c := s.command(ctx, "enqueue", "--file", "-")
	c.Stdin = strings.NewReader(lines.String())
	return c.Run()
}

// watch returns what `siren lanes --watch` writes to a terminal while a thumbnail comes every 400 ms.
func (s siren) watch(ctx context.Context) (string, error) {
	screen := filepath.Join(s.dir, "screen")
	ctx, stop := context.WithTimeout(ctx, watchFor)
	defer stop()
	// script, of Debian's bsdutils, is a terminal that keeps what it gets
	c := s.program(ctx, "script", "--quiet", "--flush", "--command", "bin/siren lanes --watch", screen)
	c.Stderr = nil // that it is ended
	if err := c.Start(); err != nil {
		return "", err
	}
	urgent := map[string]string{"urgent": "true"}
	for ctx.Err() == nil {
		if err := s.enqueue(ctx, "thumbnail", "jpg", 1, urgent); err != nil && ctx.Err() == nil {
			return "", err
		}
		select {
		case <-ctx.Done():
		case <-time.After(400 * time.Millisecond):
		}
	}
	_ = c.Wait() // it was told to stop
	text, err := os.ReadFile(screen)
	return string(text), err
}
