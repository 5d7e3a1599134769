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

	"github.com/polyglot-media/siren/lanes"
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

// Everything goes to the log. Errors are what they were without warnings.
func TestStderrLines(t *testing.T) {
	said := strings.Join([]string{
		"[mov,mp4 @ 0x5604b35848c0] [warning] Format mov,mp4 detected only with low score of 1, misdetection possible!",
		"    Last message repeated 2 times",
		"[mpegts @ 0x55d0c0] [h264 @ 0x55d0c1] [error] no frame!",
		"    Last message repeated 1 times",
		"[warning] Could not find codec parameters for stream 0 (Video: h264, none): unspecified size",
		"Consider increasing the value for the 'analyzeduration' (0) and 'probesize' (5000000) options",
		"failed to map segment from shared object",
		"[fatal] file:/dev/fd/3: Invalid \x1b[31mdata found in output.mp4\r",
		"[warning] the last word",
	}, "\n")
	for _, chunk := range []int{1, 7, len(said)} {
		t.Run(fmt.Sprintf("%d bytes at a time", chunk), func(t *testing.T) {
			var log bytes.Buffer
			s := &stderrLines{log: &log}
			for rest := said; rest != ""; rest = rest[min(chunk, len(rest)):] {
				_, err := s.Write([]byte(rest[:min(chunk, len(rest))]))
				must(t, err)
			}
			s.end()
			errs := strings.Join([]string{
				"[mpegts @ 0x55d0c0] [h264 @ 0x55d0c1] no frame!",
				"    Last message repeated 1 times",
				"failed to map segment from shared object",
				"file:/dev/fd/3: Invalid \x1b[31mdata found in output.mp4\r",
			}, "\n") + "\n"
			if got := s.errors.String(); got != errs {
				t.Errorf("errors\n%s\nwant\n%s", got, errs)
			}
			if got := LastWord(s.errors.String()); got != "the input: Invalid ?[31mdata found in output.mp4" {
				t.Errorf("the last word is %q", got)
			}
			got := log.String()
			if strings.Count(got, "\n") != 9 || !strings.Contains(got, "\n[mpegts] [h264] [error] no frame!\n") ||
				!strings.Contains(got, "\n[fatal] the input: Invalid ?[31mdata found in output.mp4\n") || !strings.HasSuffix(got, "\n[warning] the last word\n") {
				t.Errorf("log\n%s", got)
			}
		})
	}
}

// However many warnings come, they push no error out; and a line without an end doesn't grow for ever.
func TestStderrFlood(t *testing.T) {
	var log bytes.Buffer
	s := &stderrLines{log: &log}
	_, _ = s.Write([]byte("[error] Picture size 20000x20000 is invalid\n"))
	for range 1000 {
		_, _ = s.Write([]byte("[mpegts @ 0x55c5] [warning] Packet corrupt (stream = 0, dts = 126000).\n    Last message repeated 7 times\n"))
	}
	if got := s.errors.String(); got != "Picture size 20000x20000 is invalid\n" {
		t.Errorf("errors %q", got)
	}
	for range 100 {
		_, _ = s.Write(bytes.Repeat([]byte("x"), 1000))
		if len(s.line) > maxLine {
			t.Fatalf("%d bytes of a line are kept", len(s.line))
		}
	}
}

// A job's log names each program, what it said and how it ended, and nothing of ours.
func TestJobLog(t *testing.T) {
	b := newBench(t)
	var log notes
	task := b.task(lanes.Job{Kind: "thumbnail", Input: b.put("clip.mp4"), Output: b.output("a.jpg")})
	task.Log = &log
	_, err := b.runContext(context.Background(), task)
	must(t, err)
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
	task := b.task(lanes.Job{Kind: "probe", Input: b.write("junk.mp4", junk), Output: b.output("a.json")})
	task.Log = &log
	_, err := b.runContext(context.Background(), task)
	expect(t, err, lanes.BadInput, "can't be read")
	if !regexp.MustCompile(`(?s)^ffprobe .*\n\[error\] the input: .*\nffprobe: exit status 1 after `).MatchString(log.String()) {
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
	cancel(fmt.Errorf("renew: %w", lanes.ErrCancelled))
	gone(t, b.scratch, 5*time.Second)
	if err := <-end; !errors.Is(err, lanes.ErrCancelled) {
		t.Errorf("the handler says %v", err)
	}
	if !regexp.MustCompile(`\nffmpeg: (exit status 255|signal: \w+) after .* s, stopped: renew: the job was cancelled\n$`).MatchString(log.String()) {
		t.Errorf("log\n%s", log.String())
	}
}
