package media

import (
	"bytes"
	"fmt"
	"github.com/polyglot-media/siren/lanes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A kernel that lacks Landlock, or seccomp filters too: jobs run, and it is said by the worker's log and by the doctor.
func TestConfinedAsFarAsTheKernelCan(t *testing.T) {
	for _, c := range []struct {
		lacks string
		open  []string
		says  string
	}{
		{"landlock", []string{OpenFiles}, "they can read whatever files the worker can"},
		{"landlock,seccomp", []string{OpenFiles, OpenSockets}, "they can read whatever files the worker can, and open sockets"},
	} {
		t.Run(c.lacks, func(t *testing.T) {
			self := filepath.Join(t.TempDir(), "siren")
			must(t, os.WriteFile(self, fmt.Appendf(nil, "#!/bin/sh\n%s=%s exec '%s' \"$@\"\n", lacksVar, c.lacks, os.Args[0]), 0o700))
			b := newBench(t)
			var log bytes.Buffer
			LogConfined(t.Context(), self, slog.New(slog.NewTextHandler(&log, nil)))
			h, err := New(Options{Self: self, Scratch: b.dir})
			must(t, err)
			b.h = h
			_, err = b.run(lanes.Job{Kind: "thumbnail", Input: b.put("clip.mp4"), Output: b.output("x.jpg")})
			must(t, err)
			open, err := Unconfined(t.Context(), self)
			must(t, err)
			for _, door := range []string{OpenFiles, OpenSockets} {
				if slices.Contains(open, door) != slices.Contains(c.open, door) {
					t.Errorf("open: %v, want %v", open, c.open)
				}
			}
			f := one(t, Examine(t.Context(), Options{Self: self, Scratch: b.dir}, room), "media.confined")
			wantFinding(t, f, max(f.Severity, lanes.Note), c.says)
			if !strings.Contains(log.String(), c.says) {
				t.Errorf("%q isn't in the log:\n%s", c.says, log.String())
			}
		})
	}
}

func TestJudgeConfined(t *testing.T) {
	for _, c := range []struct {
		open []string
		want lanes.Severity
		says string
	}{
		{nil, lanes.OK, "programs are confined"},
		{[]string{OpenFiles}, lanes.Note, "Linux 5.13 or newer with Landlock on"},
		{[]string{OpenSockets}, lanes.Warning, "open sockets"},
		{[]string{OpenFiles, OpenSockets, OpenSecrets}, lanes.Warning, "read whatever files the worker can, and open sockets, and read the worker's environment"},
		{[]string{OpenSecrets}, lanes.Warning, "uname -r"},
	} {
		f := judgeConfined(c.open)
		one(t, []lanes.Finding{f}, "media.confined")
		wantFinding(t, f, c.want, c.says)
	}
}
