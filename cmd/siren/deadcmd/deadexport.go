package deadcmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/choose"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
)

// exportedLetter is a line of `siren dead export`: all there is of a dead letter.
type exportedLetter struct {
	ID         string         `json:"id,omitempty"`
	Lane       string         `json:"lane,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	Error      string         `json:"error,omitempty"`
	Attempts   int            `json:"attempts,omitempty"`
	Copy       int            `json:"replay,omitempty"`
	EnqueuedAt time.Time      `json:"enqueuedAt,omitzero"`
	ReadyAt    time.Time      `json:"readyAt,omitzero"`
	DeadAt     time.Time      `json:"deadAt,omitzero"`
	Priority   int            `json:"priority,omitempty"`
	Headers    map[string]any `json:"headers"`
	Body       string         `json:"body,omitempty"`       // as it came, where it is UTF-8
	BodyBase64 []byte         `json:"bodyBase64,omitempty"` // where it isn't
	Record     *job.Record    `json:"record,omitempty"`     // the ledger's, where it has one
}

func newDeadExport(a *app.App) *cobra.Command {
	var f choose.Dead
	c := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Write dead letters as NDJSON, and leave them where they are",
		Long: `Write dead letters to a new file, or with - or without a file to the standard output: one a line,
with headers, the body as it came (bodyBase64 where it isn't UTF-8) and the job's record. URLs are
as they are stored, with passwords and signatures, which no other command shows. The letters stay
where they are, but are out of the queue meanwhile.`,
		Example: `  siren dead export --lane bulk --since 24h bulk.ndjson
  siren dead export --died-of no-id | jq -c '.body | fromjson | ` +
			`del(.dedupKey, .dedupWindow, .expiresAt)' | siren enqueue --file -`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: app.UpTo(1, app.Files()),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.Check(); err != nil {
				return err
			}
			file := "-"
			if len(args) > 0 {
				file = args[0]
			}
			return a.Operate(func(o *app.Operator) error { return exportDead(cmd.Context(), o, &f, file) })
		},
	}
	f.Flags(a, c)
	return c
}

func exportDead(ctx context.Context, o *app.Operator, f *choose.Dead, file string) error {
	d, end, err := dead.Open(ctx, o.Desk(), "dead export")
	if err != nil {
		return err
	}
	defer end()
	x, err := newExporter(file, o.Out)
	if err != nil {
		return err
	}
	choose := f.Chooser(o.Now())
	err = dead.Look(ctx, o.Desk(), d, func(batch []dead.Letter) error {
		var chosen []dead.Letter
		for _, l := range batch {
			if choose(l.Facts) {
				chosen = append(chosen, l)
			}
		}
		return x.add(chosen)
	})
	if err = errors.Join(err, x.close()); err != nil {
		return exit.With(exit.Code(err), fmt.Errorf("%s written, and then: %w", say.Plural(x.written, "letter"), err))
	}
	if x.written == 0 {
		if err := o.NothingOf(ctx, f.Lane); err != nil {
			return errors.Join(err, x.dropEmpty())
		}
	}
	if file != "-" {
		fmt.Fprintf(o.Out, "%s written to %s\n", say.Plural(x.written, "letter"), file)
	}
	return nil
}

// exporter writes letters, a line each. A nil one writes nothing.
type exporter struct {
	file    *os.File // nil: the standard output
	buffer  *bufio.Writer
	written int
}

// newExporter begins a new file, or with - goes to out. What is in a job may be secret, such as a signed URL: only the
// owner can read the file.
func newExporter(path string, out io.Writer) (*exporter, error) {
	if path == "-" {
		return &exporter{buffer: bufio.NewWriter(show.Raw(out))}, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, exit.With(exit.Usage, fmt.Errorf("%s already exists: name a new file", path))
	}
	if err != nil {
		return nil, exit.With(exit.Usage, err)
	}
	return &exporter{file: f, buffer: bufio.NewWriter(f)}, nil
}

// add writes letters; they are on the disk when it returns.
func (x *exporter) add(letters []dead.Letter) error {
	if x == nil || len(letters) == 0 {
		return nil
	}
	for _, l := range letters {
		line, err := show.AsItIs(exported(l), "")
		if err != nil {
			return fmt.Errorf("write the letter of job %s: %w", l.ID, err)
		}
		_, _ = x.buffer.Write(line) // Flush says whether it failed
	}
	err := x.buffer.Flush()
	if err == nil && x.file != nil {
		err = x.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("write the letters: %w", err)
	}
	x.written += len(letters)
	return nil
}

func (x *exporter) close() error {
	if x == nil || x.file == nil {
		return nil
	}
	return x.file.Close()
}

// dropEmpty removes the file if nothing was written to it: it would be in the way of the next try.
func (x *exporter) dropEmpty() error {
	if x == nil || x.file == nil || x.written > 0 {
		return nil
	}
	return os.Remove(x.file.Name())
}

func exported(l dead.Letter) exportedLetter {
	e := exportedLetter{
		ID: l.ID, Lane: l.Lane, Reason: l.Reason, Error: l.Error, Attempts: l.Attempt, Copy: l.Copy,
		EnqueuedAt: l.EnqueuedAt, ReadyAt: l.ReadyAt, DeadAt: l.DeadAt, Priority: l.Job.Priority, Headers: l.Headers,
		Record: l.Record,
	}
	if utf8.Valid(l.Body) {
		e.Body = string(l.Body)
	} else {
		e.BodyBase64 = l.Body
	}
	return e
}
