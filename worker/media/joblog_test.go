package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// notes is a task's log for tests that read it while it is written.
type notes struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.String()
}

// A job's log names each program, what it said and how it ended, and nothing of ours.
func TestJobLog(t *testing.T) {
	b := newBench(t)
	var log notes
	task := b.task(job.Job{Kind: "thumbnail", Input: b.put("clip.mp4"), Output: b.output("a.jpg")})
	task.Log = &log
	_, err := b.runContext(context.Background(), task)
	workertest.Must(t, err)
	for _, want := range []string{
		`(?m)^ffprobe .* -format_whitelist … .* -i input$`, `(?m)^ffprobe: exit status 0 after \d+\.\d s$`,
		`(?m)^ffmpeg .* -i input .* output\.jpg$`, `(?m)^ffmpeg: exit status 0 after \d+\.\d s\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(log.String()) {
			t.Errorf("%s isn't in\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), b.scratch) || strings.Contains(log.String(), "/dev/fd") {
		t.Errorf("our own paths are in\n%s", log.String())
	}
}

// An input that can't be read leaves the same error as before, and more in the log.
func TestJobLogOfAFailure(t *testing.T) {
	b := newBench(t)
	junk := bytes.Repeat([]byte{0x4f, 0x11, 0xa2, 0x77, 0x03}, 2000)
	var log notes
	task := b.task(job.Job{Kind: "probe", Input: b.write("junk.mp4", junk), Output: b.output("a.json")})
	task.Log = &log
	_, err := b.runContext(context.Background(), task)
	workertest.Expect(t, err, work.BadInput, "can't be read")
	if !regexp.MustCompile(`(?s)^ffprobe .*\n\[error\] the input: .*\nffprobe: exit status 1 after ` +
		``).MatchString(log.String()) {
		t.Errorf("log\n%s", log.String())
	}
	if strings.Contains(err.Error(), "[error]") || strings.Contains(err.Error(), "[warning]") {
		t.Errorf("a level is in the error: %v", err)
	}
}

// A running job that is cancelled: its whole process group is gone soon, and the log says why.
func TestCancelledJob(t *testing.T) {
	b := newBench(t)
	var log notes
	task := b.task(slowJob(b))
	task.Log = &log
	ctx, cancel := context.WithCancelCause(context.Background())
	end := make(chan error)
	go func() { _, err := b.runContext(ctx, task); end <- err }()
	working(t, b.scratch)
	cancel(fmt.Errorf("renew: %w", work.ErrCancelled))
	gone(t, b.scratch, time.Minute)
	if err := <-end; !errors.Is(err, work.ErrCancelled) {
		t.Errorf("the handler says %v", err)
	}
	if !regexp.MustCompile(`\nffmpeg: (exit status 255|signal: \w+) after .* s, stopped: renew: the job was ` +
		`cancelled\n$`).MatchString(log.String()) {
		t.Errorf("log\n%s", log.String())
	}
}
