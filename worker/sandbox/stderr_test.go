package sandbox

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/plain"

	"github.com/polyglot-media/siren/worker/workertest"
)

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
			s := &stderrLines{log: &log, errors: plain.Tail{Most: 8 << 10}}
			for rest := said; rest != ""; rest = rest[min(chunk, len(rest)):] {
				_, err := s.Write([]byte(rest[:min(chunk, len(rest))]))
				workertest.Must(t, err)
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
				!strings.Contains(got, "\n[fatal] the input: Invalid ?[31mdata found in output.mp4\n") ||
				!strings.HasSuffix(got, "\n[warning] the last word\n") {
				t.Errorf("log\n%s", got)
			}
		})
	}
}

// However many warnings come, they push no error out; and a line without an end doesn't grow for ever.
func TestStderrFlood(t *testing.T) {
	var log bytes.Buffer
	s := &stderrLines{log: &log, errors: plain.Tail{Most: 8 << 10}}
	_, _ = s.Write([]byte("[error] Picture size 20000x20000 is invalid\n"))
	for range 1000 {
		_, _ = s.Write([]byte("[mpegts @ 0x55c5] [warning] Packet corrupt (stream = 0, dts = 126000).\n    Last " +
			"message repeated 7 times\n"))
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
