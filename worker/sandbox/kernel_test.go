package sandbox_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/internal/doctor"
	examine "github.com/polyglot-media/siren/internal/doctor/media"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media"
	"github.com/polyglot-media/siren/worker/sandbox"
	"github.com/polyglot-media/siren/worker/workertest"
)

// A kernel that lacks Landlock, or seccomp filters too: jobs run, and it is said by the worker's log and by the doctor.
func TestConfinedAsFarAsTheKernelCan(t *testing.T) {
	for _, c := range []struct {
		lacks string
		open  []string
		says  string
	}{
		{"landlock", []string{sandbox.OpenFiles}, "they can read whatever files the worker can"},
		{
			"landlock,seccomp",
			[]string{sandbox.OpenFiles, sandbox.OpenSockets},
			"they can read whatever files the worker can, and open sockets",
		},
	} {
		t.Run(c.lacks, func(t *testing.T) {
			dir := t.TempDir()
			self := filepath.Join(dir, "siren")
			workertest.Must(t, os.WriteFile(self, fmt.Appendf(nil, "#!/bin/sh\nSIREN_TEST_KERNEL_LACKS=%s exec '%s' "+
				"\"$@\"\n",
				c.lacks, os.Args[0]), 0o700))
			h, err := media.New(media.Options{
				Self: self, Scratch: filepath.Join(dir, "scratch"),
				Log: slog.New(slog.DiscardHandler),
			})
			workertest.Must(t, err)
			workertest.Must(t, exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2",
				filepath.Join(dir, "clip.mp4")).Run())
			_, err = h.Handle(t.Context(), work.Task{
				Job: job.Job{
					ID: "job", Kind: "thumbnail", Input: "file://" + dir + "/clip.mp4",
					Output: "file://" + dir + "/x.jpg",
				},
				Attempt: "a", Limits: work.Limits{Nice: 5, Memory: 2 << 30, Threads: 2},
				Storage: []lanes.Storage{{Prefix: "file://" + dir + "/", Read: true, Write: true}},
			})
			workertest.Must(t, err)
			open, err := sandbox.Unconfined(t.Context(), self)
			workertest.Must(t, err)
			for _, door := range []string{sandbox.OpenFiles, sandbox.OpenSockets} {
				if slices.Contains(open, door) != slices.Contains(c.open, door) {
					t.Errorf("open: %v, want %v", open, c.open)
				}
			}
			for _, f := range examine.Examine(t.Context(), examine.Options{Self: self, Scratch: dir}, examine.Room{}) {
				if f.Check == "media.confined" && (f.Severity < doctor.Note || !strings.Contains(f.What, c.says)) {
					t.Errorf("the doctor says %+v, want %q", f, c.says)
				}
			}
			var log bytes.Buffer
			examine.LogConfined(t.Context(), self, slog.New(slog.NewTextHandler(&log, nil)))
			if !strings.Contains(log.String(), c.says) {
				t.Errorf("%q isn't in the log:\n%s", c.says, log.String())
			}
		})
	}
}
