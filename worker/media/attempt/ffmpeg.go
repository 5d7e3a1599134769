package attempt

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/sandbox"
)

// Run is what ffmpeg is to make of the input.
type Run struct {
	Of      string   // a file of the scratch folder that ffmpeg has made, in place of the input; "": the input
	Seconds float64  // how long the longest output will be; 0 when nobody knows
	From    float64  // how much of the job is done before it, from 0 to 1
	To      float64  // how much of the job is done then, from 0 to 1; 0: all of it
	Input   []string // options of the input
	Outputs []Output
	// Printed takes what ffmpeg writes to Stdout. There is no other way to know how far it is then.
	Printed Printed
}

// Output is a file that ffmpeg makes in the scratch folder, or Stdout.
type Output struct {
	Name    string
	Several bool // the name is a pattern, such as %03d.jpg, of the names of several files
	Options []string
}

// Stdout is the name of an output that is read while ffmpeg works, or that is thrown away (-f null).
const Stdout = "pipe:1"

// Printed reads what ffmpeg writes to Stdout, of which it knows how many seconds of the input that was made of.
type Printed interface {
	io.Writer
	Seconds() float64
}

// FFmpeg runs ffmpeg on the input. Its -timelimit would only set RLIMIT_CPU, which is set.
func (a *Attempt) FFmpeg(ctx context.Context, r Run) error {
	if a.Parts != nil {
		if err := a.rest(); err != nil {
			return err
		}
	}
	said, err := a.run(ctx, r)
	if err == nil && undecoded.MatchString(said) {
		a.Warn("input %s is damaged: parts of it couldn't be decoded (%s)", a.From, sandbox.LastWord(said))
	}
	return err
}

// run runs ffmpeg on what is here of the input, and returns what it said was wrong.
func (a *Attempt) run(ctx context.Context, r Run) (said string, err error) {
	p := progress{total: r.Seconds, from: r.From, to: cmp.Or(r.To, 1), report: a.report}
	var out io.Writer = &p
	if r.Printed != nil {
		out = &printing{progress: &p, to: r.Printed}
	}
	said, err = a.Box.Run(ctx, a.Programs.FFmpeg, a.args(r), out)
	if work.KindOf(err) == work.BadInput {
		a.strayed = a.strayed || unfiltered.MatchString(said)
		return said, a.unreadable(inWords(err))
	} else if err != nil {
		return said, err
	}
	if unwritten.MatchString(said) || a.Dir.Full() {
		return said, work.Fail(work.Transient, fmt.Errorf("ffmpeg could not write all of its output: the scratch disk "+
			"is full (%s)", sandbox.LastWord(said)))
	}
	for _, o := range r.Outputs {
		if o.Name == Stdout || o.Several {
			continue
		}
		if info, err := a.Dir.Stat(o.Name); err != nil || info.Size() == 0 {
			return said, work.Fail(work.BadInput, fmt.Errorf("ffmpeg made no output from input %s", a.From))
		}
	}
	if r.Printed != nil {
		p.done = r.Printed.Seconds()
	}
	return said, a.enough(p.done, r.Seconds, said)
}

// enough refuses an input that is cut off or damaged, and of which less than a twentieth could be read.
func (a *Attempt) enough(done, seconds float64, said string) error {
	switch {
	case done >= seconds/20:
		return nil
	case a.cut != "":
		return work.Fail(work.BadInput, fmt.Errorf("%s, and next to nothing can be read of what is there", a.cut))
	case undecoded.MatchString(said):
		return work.Fail(work.BadInput, fmt.Errorf("input %s is damaged, and next to nothing can be read of it (%s)",
			a.From, sandbox.LastWord(said)))
	default:
		return nil
	}
}

// report reports progress that never goes back: a job may take several runs.
func (a *Attempt) report(p job.Progress) {
	a.fraction = max(a.fraction, p.Fraction)
	p.Fraction = a.fraction
	a.Task.Report(p)
}

// args returns the command line of a run.
func (a *Attempt) args(r Run) []string {
	args := append([]string{"-nostdin", "-nostats", "-y"}, sandbox.Guards(a.Task.Limits)...)
	if r.Printed == nil {
		args = append(args, "-progress", Stdout)
	}
	threads := a.threads()
	if len(threads) > 0 {
		args = append(args, "-filter_threads", threads[1])
	}
	if a.jumps { // by more than these seconds: what follows is taken to come at once
		args = append(args, "-dts_error_threshold", "30")
	}
	if a.Strict {
		args = append(args, "-xerror", "-err_detect", "explode")
	} else if r.Seconds > 0 { // ffmpeg would call it failed by how many packets are damaged; see enough
		args = append(args, "-max_error_rate", "1")
	}
	input := sandbox.InputName
	if r.Of != "" {
		input = "file:" + r.Of
	}
	args = slices.Concat(args, threads, r.Input, []string{"-i", input})
	for _, o := range r.Outputs {
		if r.Of == "" {
			o.Options = a.ownChannels(o.Options)
		}
		// Nothing of the time, the machine or ffmpeg's version is written. hls alone differs: by the cap on its rates
		// with more than one thread, and by the version, which its muxer writes into initialization segments.
		args = append(append(args, o.Options...), "-fflags", "+bitexact", "-flags", "+bitexact")
		name := "file:" + o.Name
		if o.Name == Stdout {
			name = Stdout
		}
		args = append(append(args, threads...), name)
	}
	return args
}

// unwritten is what ffmpeg before 6 says, and then ends with status 0, when the end of its output didn't fit on the
// disk.
var unwritten = regexp.MustCompile(`Error writing trailer of|Error closing file|No space left on device`)

// undecoded is what ffmpeg says of what it had to leave out or make up.
var undecoded = regexp.MustCompile(`(?i)error while decoding|Error submitting packet|Invalid data found|corrupt|` +
	`concealing|decode_slice|Invalid NAL|damaged|error decoding`)

func (a *Attempt) threads() []string {
	n := a.Task.Limits.Threads
	if n <= 0 {
		return nil
	}
	return []string{"-threads", strconv.Itoa(n)}
}

// progress reads ffmpeg's -progress output and reports it.
type progress struct {
	total  float64 // seconds to come
	from   float64 // how much of the job was done before, and
	to     float64 // is then
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

// printing hands on what ffmpeg prints, and reports progress by it, a hundred times at most where the length is known.
type printing struct {
	*progress
	to Printed
}

func (p *printing) Write(b []byte) (int, error) {
	n, err := p.to.Write(b)
	if done := p.to.Seconds(); done >= p.done+max(p.total/100, 1) {
		p.done = done
		p.report(job.Progress{Note: p.value().Note})
	}
	return n, err
}

func (p *progress) value() job.Progress {
	v := job.Progress{Note: fmt.Sprintf("%.1f s", p.done)}
	v.Fraction = p.from
	if p.total > 0 {
		v.Fraction += (p.to - p.from) * min(p.done/p.total, 1)
		v.Note = fmt.Sprintf("%.1f of %.1f s", min(p.done, p.total), p.total)
	}
	if strings.HasSuffix(p.speed, "x") {
		v.Note += " at " + p.speed
	}
	return v
}

// Number writes a number for ffmpeg's command line.
func Number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
