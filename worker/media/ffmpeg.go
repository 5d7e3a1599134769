package media

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/sandbox"
)

// ffmpeg runs ffmpeg on the input (its -timelimit would only set RLIMIT_CPU, which is set) and returns the name of the
// output file, which is the one given, in the scratch folder. before are options of the input, after those of the
// output. seconds is how long the output will be, 0 if unknown.
func (a *attempt) ffmpeg(ctx context.Context, name string, seconds float64, before, after []string) (string, error) {
	args := append([]string{"-nostdin", "-nostats", "-progress", "pipe:1", "-y"}, sandbox.Guards(a.task.Limits)...)
	threads := a.threads()
	if len(threads) > 0 {
		args = append(args, "-filter_threads", threads[1])
	}
	if a.strict {
		args = append(args, "-xerror", "-err_detect", "explode")
	}
	args = append(append(append(args, threads...), before...), "-i", sandbox.InputName)
	// Nothing of the time, the machine or ffmpeg's version: the same job makes the same bytes again.
	args = append(append(args, after...), "-fflags", "+bitexact", "-flags", "+bitexact")
	args = append(append(args, threads...), "file:"+name)
	p := progress{total: seconds, report: a.task.Report}
	said, err := a.box.Run(ctx, a.h.options.FFmpeg, args, &p)
	if work.KindOf(err) == work.BadInput {
		return "", a.unreadable(inWords(err))
	} else if err != nil {
		return "", err
	}
	if unwritten.MatchString(said) || a.dir.Full() {
		return "", work.Fail(work.Transient, fmt.Errorf("ffmpeg could not write all of its output: the scratch disk "+
			"is full (%s)", sandbox.LastWord(said)))
	}
	if info, err := a.dir.Stat(name); err != nil || info.Size() == 0 {
		return "", work.Fail(work.BadInput, fmt.Errorf("ffmpeg made no output from input %s", a.from))
	}
	if a.cut != "" && p.done < seconds/20 {
		return "", work.Fail(work.BadInput, fmt.Errorf("%s, and next to nothing can be read of what is there", a.cut))
	}
	if undecoded.MatchString(said) {
		a.warn("input %s is damaged: parts of it couldn't be decoded (%s)", a.from, sandbox.LastWord(said))
	}
	return name, nil
}

// unwritten is what ffmpeg before 6 says, and then ends with status 0, when the end of its output didn't fit on the
// disk.
var unwritten = regexp.MustCompile(`Error writing trailer of|Error closing file|No space left on device`)

// undecoded is what ffmpeg says of what it had to leave out or make up.
var undecoded = regexp.MustCompile(`(?i)error while decoding|Error submitting packet|Invalid data found|corrupt|` +
	`concealing|decode_slice|Invalid NAL|damaged|error decoding`)

func (a *attempt) threads() []string {
	n := a.task.Limits.Threads
	if n <= 0 {
		return nil
	}
	return []string{"-threads", strconv.Itoa(n)}
}

// progress reads ffmpeg's -progress output and reports it.
type progress struct {
	total  float64 // seconds to come
	done   float64 // seconds made
	speed  string
	report func(job.Progress)
	rest   []byte
}

func (p *progress) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		line, after, whole := bytes.Cut(p.rest, []byte("\n"))
		if !whole {
			if len(p.rest) > 4<<10 {
				p.rest = nil
			}
			return len(b), nil
		}
		p.rest = append([]byte(nil), after...)
		p.line(strings.TrimSpace(string(line)))
	}
}

func (p *progress) line(line string) {
	name, value, _ := strings.Cut(line, "=")
	value = strings.TrimSpace(value)
	switch name {
	case "out_time_us":
		if us, err := strconv.ParseFloat(value, 64); err == nil && us > 0 {
			p.done = us / 1e6
		}
	case "speed":
		p.speed = value
	case "progress":
		p.report(p.value())
	}
}

func (p *progress) value() job.Progress {
	v := job.Progress{Note: fmt.Sprintf("%.1f s", p.done)}
	if p.total > 0 {
		v.Fraction = min(p.done/p.total, 1)
		v.Note = fmt.Sprintf("%.1f of %.1f s", min(p.done, p.total), p.total)
	}
	if strings.HasSuffix(p.speed, "x") {
		v.Note += " at " + p.speed
	}
	return v
}

// number writes a number for ffmpeg's command line.
func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
