package media

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// In a folder that anybody may write, without the sticky bit, somebody puts another folder in the place of ours, or of
// an attempt's: what a job reads and writes is still in the one that was opened, and so is what is removed.
func TestScratchIsNotLedAstray(t *testing.T) {
	b := newBench(t)
	workertest.Must(t, os.Chmod(b.dir, 0o777))
	task := b.task(job.Job{Kind: "thumbnail", Input: b.put("clip.mp4"), Output: b.output("x.jpg")})
	name := task.Job.ID + "-" + task.Attempt
	decoy := filepath.Join(b.scratch, name, "output.jpg")
	task.Report = func(p job.Progress) {
		if p.Note == "working" { // the attempt's folder is there, and ffmpeg is next
			workertest.Must(t, os.Rename(b.scratch, b.scratch+".moved"))
			workertest.Must(t, os.MkdirAll(filepath.Dir(decoy), 0o777))
			workertest.Must(t, os.WriteFile(decoy, []byte("not what ffmpeg made"), 0o644))
		}
	}
	_, err := b.h.Handle(t.Context(), task)
	workertest.Must(t, err)
	if made, err := os.ReadFile(filepath.Join(b.out, "x.jpg")); err != nil ||
		!bytes.HasPrefix(made, []byte("\xff\xd8")) {
		t.Errorf("the output is %.20q: %v", made, err)
	}
	if text, err := os.ReadFile(decoy); string(text) != "not what ffmpeg made" {
		t.Errorf("the stranger's file is %.20q: %v", text, err)
	}
	if left := workertest.Names(t, b.scratch+".moved"); fmt.Sprint(left) != "[.siren]" {
		t.Errorf("left: %v", left)
	}
}

// A program that was taken over leaves a link, or a pipe, in the place of its output: neither is followed or waited
// for.
func TestOutputThatIsNoFile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	workertest.Must(t, os.WriteFile(secret, []byte("of another job"), 0o600))
	for _, c := range []struct{ name, command string }{
		{"a link that leads out", "ln -s " + secret + " output.jpg"},
		{"a pipe", "mkfifo output.jpg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			_, a := b.attempt(t, "clip.mp4", work.Limits{})
			in, err := os.Readlink(a.Dir.Path())
			workertest.Must(t, err)
			output(t, "sh", "-c", "cd '"+in+"' && "+c.command) // nothing confines it here
			if file, err := a.Dir.OpenMade("output.jpg"); err == nil {
				_ = file.Close()
				t.Error("it was opened")
			}
		})
	}
}
