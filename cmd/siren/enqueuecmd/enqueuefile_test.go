package enqueuecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
)

// Files come from everywhere: a line that can't be a job is told of, and what follows it is read.
func TestEachLine(t *testing.T) {
	long := strings.Repeat("x", longestLine)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"unix", "a\nb\n", []string{"1 a", "2 b"}},
		{"no newline at the end", "a\nb", []string{"1 a", "2 b"}},
		{"windows", "a\r\n\r\nb\r\n", []string{"1 a", "2 ", "3 b"}},
		{"empty lines", "\n\na\n \n", []string{"1 ", "2 ", "3 a", "4 "}},
		{"nothing", "", nil},
		{"a byte order mark, and another where a file was appended", "\ufeffa\r\n\ufeffb\n", []string{"1 a", "2 b"}},
		{"a byte order mark alone", "\ufeff", nil},
		{"too long", "a\n" + long + "\nb\n", []string{
			"1 a", "2 ! it is longer than 262144 bytes, and a job can't be",
			"3 b",
		}},
		{
			"far too long", strings.Repeat(long, 3) + "y\nb",
			[]string{"1 ! it is longer than 262144 bytes, and a job can't be", "2 b"},
		},
		{"too long at the end", "a\n" + long, []string{
			"1 a",
			"2 ! it is longer than 262144 bytes, and a job can't be",
		}},
		{"just not too long", long[1:] + "\nb\n", []string{"1 " + long[1:], "2 b"}},
	} {
		var got []string
		err := eachLine(strings.NewReader(c.text), func(number int, line []byte, err error) error {
			if err != nil {
				line = []byte("! " + err.Error())
			}
			got = append(got, fmt.Sprintf("%d %s", number, line))
			return nil
		})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %.300q, %v", c.name, got, err)
		}
	}
	for name, text := range map[string]string{
		"little": "\xff\xfea\x00\n\x00", "big": "\xfe\xff\x00a\x00\n",
		"little, unmarked": "{\x00}\x00", "big, unmarked": "\x00{\x00}",
	} {
		if err := eachLine(strings.NewReader(text), nil); !errors.Is(err, errNotLines) ||
			!strings.Contains(err.Error(), "iconv -f UTF-16 -t UTF-8") {
			t.Errorf("UTF-16, %s: %v", name, err)
		}
	}
}

// endless is a line without an end, for so many bytes.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	e.left -= n
	for i := range n {
		p[i] = 'x'
	}
	return n, nil
}

// However long a line is, it takes no more memory.
func TestALongLineIsNotKept(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	lines := 0
	if err := eachLine(&endless{64 << 20}, func(int, []byte, error) error { lines++; return nil }); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; lines != 1 || took > 16*longestLine {
		t.Errorf("%d lines; %d bytes of memory", lines, took)
	}
}

// Somebody who waits at a terminal for a line can leave.
func TestEnqueueFileIsInterruptible(t *testing.T) {
	in, typing := io.Pipe()
	defer typing.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	_, err := io.ReadAll(app.Interruptible(ctx, in))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A file that was broken off says how to go on: behind a line where ids were made, by the same command where they
// follow from the lines.
func TestEnqueueFileBrokenOff(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	for _, c := range []struct {
		made bool
		want string
	}{
		{true, "interrupted; 500 jobs enqueued; lines up to 612 are done, and of those after it some may be: the " +
			"ids that were made here are new ones each time, so go on behind line 612, or use --ids content from " +
			"the beginning"},
		{false, "interrupted; 500 jobs enqueued; the same command goes on: what is enqueued is known by its id"},
	} {
		t.Run(fmt.Sprint("made ", c.made), func(t *testing.T) {
			f := &jobFile{App: &app.App{Streams: app.Streams{Err: io.Discard}}, enqueued: 500, done: 612, made: c.made}
			if err := f.report(ctx, ctx.Err()); err == nil || err.Error() != c.want || exit.Code(err) != exit.Failed {
				t.Errorf("%v", err)
			}
		})
	}
}
