package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/polyglot-media/siren/lanes/plain"
)

// logLevel makes ffmpeg and ffprobe say warnings too, and of each line what it is: [mov,mp4 @ 0x55d0c0] [error] moov
// atom not found.
const logLevel = "+level+warning"

var (
	leveled = regexp.MustCompile(`^((?:\[[^\]]* @ 0x[0-9a-f]+\] *)*)\[(panic|fatal|error|warning)\] (.*)$`)
	// of what was said just before.
	continued = regexp.MustCompile(`^ *(Last message repeated|Consider increasing the value for)`)
	addresses = regexp.MustCompile(` @ 0x[0-9a-f]+\]`)
)

// maxLine is where a line is broken that doesn't end.
const maxLine = 4 << 10

// stderrLines takes what a program says there. All of it goes to the job's log; the end of it, without warnings and
// without levels, is what errors are made of.
type stderrLines struct {
	log     io.Writer
	errors  plain.Tail
	line    []byte // not whole yet
	warning bool   // the last line was one
}

func (s *stderrLines) Write(p []byte) (int, error) {
	s.line = append(s.line, p...)
	for {
		line, rest, whole := bytes.Cut(s.line, []byte("\n"))
		if !whole {
			break
		}
		s.take(string(line))
		s.line = append(s.line[:0], rest...)
	}
	if len(s.line) > maxLine {
		s.end()
	}
	return len(p), nil
}

// end takes what came without the end of its line.
func (s *stderrLines) end() {
	if len(s.line) > 0 {
		s.take(string(s.line))
		s.line = s.line[:0]
	}
}

// take takes a line. One without a level is no message of ffmpeg's own and counts as an error, unless it is known to
// continue another.
func (s *stderrLines) take(line string) {
	_, _ = io.WriteString(s.log, tidy(addresses.ReplaceAllString(strings.TrimRight(line, "\r"), "]"))+"\n")
	if m := leveled.FindStringSubmatch(line); m != nil {
		s.warning = m[2] == "warning"
		line = m[1] + m[3]
	} else if !continued.MatchString(line) {
		s.warning = false
	}
	if !s.warning {
		_, _ = io.WriteString(&s.errors, line+"\n")
	}
}

// tidy returns a line for people: without our own paths and without what isn't text.
func tidy(line string) string {
	line = strings.NewReplacer(InputName, "the input", InputPath, "the input").Replace(line)
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, line)
}

// logStart writes the program's command line to the job's log, without our own paths and the long list of formats.
// No argument is a text of the job's, so there is no secret in it.
func logStart(log io.Writer, program string, args []string) {
	short := strings.NewReplacer(Formats, "…", InputName, "input", InputPath, "input", "file:", "")
	words := []string{filepath.Base(program)}
	for _, arg := range args {
		words = append(words, short.Replace(arg))
	}
	_, _ = fmt.Fprintln(log, strings.Join(words, " "))
}

// logEnd writes to the job's log how the program ended (err is nil for exit status 0), and why it was stopped if it
// was.
func logEnd(log io.Writer, program string, err, stopped error, took time.Duration) {
	status, why := "exit status 0", ""
	if err != nil {
		status = tidy(err.Error())
	}
	if stopped != nil {
		why = ", stopped: " + stopped.Error()
	}
	_, _ = fmt.Fprintf(log, "%s: %s after %.1f s%s\n", filepath.Base(program), status, took.Seconds(), why)
}
