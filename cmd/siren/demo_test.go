package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/democmd"
	"github.com/polyglot-media/siren/cmd/siren/serve"
)

// A small demo runs its load with lanes and without, says what it has measured, and the report says the same.
func TestDemo(t *testing.T) {
	t.Parallel()
	self, err := exec.LookPath("siren")
	must(t, err)
	dir := t.TempDir()
	d := democmd.Demo{
		Keep: dir, Report: filepath.Join(dir, "report.html"), Picture: filepath.Join(dir, "report.svg"), Self: self,
		Load:  democmd.Load{Standard: 3, Bulk: 2, Express: 3, Every: 100 * time.Millisecond},
		Given: func() serve.Servers { return serve.Servers{AMQPURL: vhost(t)} },
	}
	var out bytes.Buffer
	must(t, d.Run(t.Context(), &app.App{Streams: app.Streams{Out: &out, Err: io.Discard}}))
	said := out.String()
	if !strings.Contains(said, "16 jobs completed, every output verified with ffprobe.") {
		t.Errorf("it said:\n%s", said)
	}
	for _, title := range []string{" s, with lanes\n", " s, without lanes\n"} {
		if !strings.Contains(said, title) {
			t.Errorf("nothing was shown of the trial%q:\n%s", title, said)
		}
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	with, without, ok := strings.Cut(lines[len(lines)-1], " Without lanes: ")
	if !ok || !strings.HasPrefix(with, "Express jobs waited ") {
		t.Errorf("the last line is %q", lines[len(lines)-1])
	}
	for _, path := range []string{d.Report, d.Picture} {
		text, err := os.ReadFile(path)
		must(t, err)
		if !strings.Contains(string(text), with) || !strings.Contains(string(text), "Without lanes: "+without) {
			t.Errorf("%s doesn't say %q", path, lines[len(lines)-1])
		}
		for _, job := range []string{"standard-02", "bulk-01", "express-02"} { // a mark in either chart
			if n := strings.Count(string(text), job+" waited "); n != 2 {
				t.Errorf("%s has %s %d times", path, job, n)
			}
		}
	}
	for _, trial := range []string{"lanes", "onequeue"} {
		outputs, err := filepath.Glob(filepath.Join(dir, trial, "out", "*-*.*"))
		must(t, err)
		if len(outputs) != 8 {
			t.Errorf("%s made %q", trial, outputs)
		}
	}
}
