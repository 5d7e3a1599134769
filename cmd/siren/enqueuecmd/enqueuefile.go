package enqueuecmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate/intake"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
)

const (
	enqueueBatch = 500 // jobs of a file that are published in one go
	// bytes of a line that are read: a job may be spaced out, but is no longer than MaxMessage.
	longestLine = 4 * job.MaxMessage
)

// The words of --ids.
const (
	newIDs     = "new"
	contentIDs = "content"
)

// jobFile is a file of jobs on its way into the lanes.
type jobFile struct {
	*app.App
	client  *client.Client
	policy  *lanes.Policy
	ids     string // --ids
	waiting bool   // somebody waits for the jobs

	batch   []job.Job
	numbers []int // of the batch's lines

	enqueued int      // jobs, known ones included
	known    int      // of them: those that were enqueued before
	refused  int      // lines
	made     bool     // some got a new id
	done     int      // the last line that is seen to, as all before it are
	all      []string // ids, where somebody waits
}

// bulk enqueues the jobs of a file, batch by batch. A line that isn't a job is reported with its number and left out.
// The ids are returned for those who wait for the jobs.
func (e *enqueue) bulk(ctx context.Context, a *app.App, c *client.Client, p *lanes.Policy) (ids []string, err error) {
	in := a.In
	if e.file != "-" {
		f, err := os.Open(e.file)
		if err != nil {
			return nil, exit.With(exit.Usage, err)
		}
		defer f.Close()
		in = f
	}
	t := &jobFile{App: a, client: c, policy: p, ids: e.ids, waiting: e.wait}
	err = eachLine(app.Interruptible(ctx, in), func(number int, line []byte, err error) error {
		return t.take(ctx, number, line, err)
	})
	if err == nil {
		err = t.flush(ctx)
	}
	return t.all, t.report(ctx, err)
}

// take takes a line in; an empty one is nothing.
func (t *jobFile) take(ctx context.Context, number int, line []byte, err error) error {
	if err == nil && len(line) == 0 {
		return ctx.Err()
	}
	var job job.Job
	if err == nil {
		job, err = t.job(ctx, line)
	}
	if err != nil {
		t.refuse(number, err)
		return ctx.Err()
	}
	t.batch, t.numbers = append(t.batch, job), append(t.numbers, number)
	if len(t.batch) < enqueueBatch {
		return ctx.Err()
	}
	return t.flush(ctx)
}

// job reads the job of a line.
func (t *jobFile) job(ctx context.Context, line []byte) (job.Job, error) {
	fresh := job.NewID(t.client.Now(ctx))
	j, err := intake.Read(line, fresh)
	if err == nil && j.ID == fresh {
		if t.ids == contentIDs {
			j.ID, err = job.ContentID(j)
		} else {
			t.made = true
		}
	}
	if err == nil {
		err = intake.Check(j, t.policy)
	}
	return j, err
}

func (t *jobFile) refuse(number int, err error) {
	t.refused++
	fmt.Fprintf(t.Err, "line %d: %v\n", number, err)
}

// flush enqueues the batch. When nothing of a whole batch of jobs that could work is taken, that isn't for the lines to
// blame: its error ends the file.
func (t *jobFile) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil || len(t.batch) == 0 {
		return err
	}
	outcomes := t.client.EnqueueBatch(ctx, t.batch)
	failed := 0
	for _, o := range outcomes {
		if o.Err != nil {
			failed++
		}
	}
	first, last := t.numbers[0], t.numbers[len(t.numbers)-1]
	if failed == len(outcomes) && failed > 1 {
		t.refused += failed
		return fmt.Errorf("none of the jobs of lines %d to %d was enqueued: %w", first, last, outcomes[0].Err)
	}
	for i, o := range outcomes {
		if o.Err != nil {
			t.refuse(t.numbers[i], o.Err)
			continue
		}
		t.enqueued++
		switch {
		case o.Known && t.ids == contentIDs:
			t.known++ // is what was asked for
		default:
			sayKnown(t.App, o)
		}
		if t.waiting {
			t.all = append(t.all, o.ID)
		}
		fmt.Fprintln(t.Out, o.ID)
	}
	t.batch, t.numbers, t.done = t.batch[:0], t.numbers[:0], last
	return ctx.Err()
}

// report says what isn't in the lanes, and how to go on when err has ended the file in the middle.
func (t *jobFile) report(ctx context.Context, err error) error {
	if t.known > 0 {
		fmt.Fprintf(t.Err, "%s already known, from an earlier file or an identical line: each runs once\n",
			app.Tally(t.known, "job was", "jobs were"))
	}
	if err == nil && t.refused > 0 {
		return fmt.Errorf("%d of %s %s not enqueued; the lines above say why", t.refused,
			say.Plural(t.refused+t.enqueued, "job"), say.Verb(t.refused, "was", "were"))
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, errNotLines) {
		return exit.With(exit.Usage, err)
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	on := "the same command goes on: what is enqueued is known by its id"
	if t.made {
		on = fmt.Sprintf("lines up to %d are done, and of those after it some may be: the ids that were made here "+
			"are new ones each time, so go on behind line %d, or use --ids content from the beginning",
			t.done, t.done)
	}
	return exit.With(exit.Code(err), fmt.Errorf("%w; %s enqueued; %s", show.Gist(err), say.Plural(t.enqueued, "job"),
		on))
}

// errNotLines is input that isn't made of lines of UTF-8.
var errNotLines = errors.New("this is UTF-16; jobs must be lines of UTF-8: convert them with iconv -f UTF-16 -t UTF-8")

// byteOrderMark is what some programs put in front of UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

// eachLine calls f for each line, without the blanks around it; with an error instead of what is in it for one that is
// too long to be a job. It ends with the first error of f's.
func eachLine(r io.Reader, f func(number int, line []byte, err error) error) error {
	b := bufio.NewReaderSize(r, longestLine)
	if start, _ := b.Peek(2); len(start) == 2 && (start[0] == 0 || start[1] == 0 || start[0] == 0xff &&
		start[1] == 0xfe || start[0] == 0xfe && start[1] == 0xff) {
		return errNotLines
	}
	for number := 1; ; number++ {
		line, err := b.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = b.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d, and so what follows it, can't be read: %w", number, err)
		}
		over := err != nil
		switch line = bytes.TrimSpace(bytes.TrimPrefix(line, byteOrderMark)); {
		case over && len(line) == 0 && !long:
			return nil
		case long:
			err = f(number, nil, fmt.Errorf("it is longer than %d bytes, and a job can't be", longestLine))
		default:
			err = f(number, line, nil)
		}
		if err != nil || over {
			return err
		}
	}
}
