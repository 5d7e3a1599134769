package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/democmd"
	"github.com/polyglot-media/siren/cmd/siren/runcmd"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/lanes/job"
)

// A small demo runs its load with lanes and without, says what it has measured, and the report says the same. It is
// kept: its web page is there until it is interrupted, and jobs go on coming.
func TestDemo(t *testing.T) {
	t.Parallel()
	self, err := exec.LookPath("siren")
	must(t, err)
	dir := t.TempDir()
	d := democmd.Demo{
		Dir: dir, Report: filepath.Join(dir, "report.html"), Picture: filepath.Join(dir, "report.svg"), Self: self,
		Load:  democmd.Load{Standard: 3, Bulk: 2, Express: 3, Every: 100 * time.Millisecond},
		Given: func() serve.Servers { return serve.Servers{AMQPURL: vhost(t)} },
		Keep:  true, Page: runcmd.Page{Address: "127.0.0.1:0"},
	}
	ctx, interrupt := context.WithCancel(t.Context())
	out := &saying{}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, &app.App{Streams: app.Streams{Out: out, Err: io.Discard}}) }()
	page := out.await(t, regexp.MustCompile(`(?m)^Look at the lanes: (http://127\.0\.0\.1:\d+)$`), ended)
	awaitJob(t, page+"/v1/jobs/missing-00-again-1", job.Dead)
	awaitJob(t, page+"/v1/jobs/express-00-again-2", job.Completed)
	interrupt()
	must(t, <-ended)
	if r, err := http.Get(page); err == nil {
		r.Body.Close()
		t.Error("the page is there although the demo has ended")
	}
	said := out.String()
	if first, _, _ := strings.Cut(said, "with lanes\n"); !strings.Contains(first, "The lanes' web page: "+page+"\n") {
		t.Errorf("the page isn't told of before the jobs run:\n%s", said)
	}
	if !strings.Contains(said, "16 jobs completed, every output verified with ffprobe.") {
		t.Errorf("it said:\n%s", said)
	}
	for _, title := range []string{" s, with lanes\n", " s, without lanes\n"} {
		if !strings.Contains(said, title) {
			t.Errorf("nothing was shown of the trial%q:\n%s", title, said)
		}
	}
	measured, _, _ := strings.Cut(said, "\n\nLook at the lanes: ")
	lines := strings.Split(measured, "\n")
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

// saying is what a command says while it runs.
type saying struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (s *saying) Write(p []byte) (int, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.text.Write(p)
}

func (s *saying) String() string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.text.String()
}

// await returns what the pattern's group is once it was said.
func (s *saying) await(t *testing.T, pattern *regexp.Regexp, ended <-chan error) (group string) {
	t.Helper()
	for {
		if found := pattern.FindStringSubmatch(s.String()); found != nil {
			return found[1]
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, s)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// awaitJob waits until a job that the gateway has at this URL is in the state.
func awaitJob(t *testing.T, url string, state job.State) {
	t.Helper()
	var got job.Record
	must(t, democmd.Poll(t.Context(), 2*time.Minute, string(state)+": "+url, func() bool {
		r, err := http.Get(url)
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return json.NewDecoder(r.Body).Decode(&got) == nil && got.State == state
	}))
}
