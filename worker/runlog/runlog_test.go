package runlog

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/polyglot-media/siren/lanes/work"
)

const head = "attempt 1 on general-1, 2000-01-01T00:00:00Z\n"

func TestLogIsBounded(t *testing.T) {
	for _, c := range []struct{ name, write string }{
		{"lines", strings.Repeat("line\n", 40)},
		{"one endless line", strings.Repeat("line", 50)},
		{"one line longer than a log", strings.Repeat("line", 4000) + "\n"},
		{"broken characters", strings.Repeat("äöü", 40)[1:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := New("a", head)
			for i := range 500 {
				n, err := l.Write([]byte(c.write))
				if n != len(c.write) || err != nil {
					t.Fatalf("wrote %d: %v", n, err)
				}
				text, _ := l.take()
				if len(text) > work.MaxLog || !utf8.ValidString(text) || !strings.HasPrefix(text, head) {
					t.Fatalf("after %d writes: %d bytes, %q…", i+1, len(text), text[:80])
				}
			}
			text, _ := l.take()
			if len(text) < work.MaxLog-len(c.write) || !strings.HasPrefix(text, head+"…\n") {
				t.Errorf("%d bytes: %q…", len(text), text[:80])
			}
		})
	}
	l := New("a", head)
	_, _ = l.Write([]byte(strings.Repeat("first line\n", 1000) + "last line\n"))
	text, _ := l.take()
	if lines := strings.Split(text, "\n"); lines[2] != "first line" || lines[len(lines)-2] != "last line" {
		t.Errorf("from %q to %q", lines[2], lines[len(lines)-2])
	}
}
