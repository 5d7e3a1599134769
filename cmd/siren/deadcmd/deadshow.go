package deadcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/lanes/job"
)

// readLetter reads a dead job as `siren dead show` prints it.
type deadLetter struct {
	Record *job.Record     `json:"record,omitempty"` // absent once it has expired
	Letter *letter         `json:"letter,omitempty"` // absent when siren.dead doesn't have it (any more)
	Job    json.RawMessage `json:"job,omitempty"`    // the message's body, where it is JSON
}

// letter is a message in siren.dead but for its body.
type letter struct {
	Lane       string    `json:"lane"`
	Reason     string    `json:"reason"`
	Error      string    `json:"error"`
	Attempts   int       `json:"attempts"`
	Copy       int       `json:"replay,omitempty"`
	EnqueuedAt time.Time `json:"enqueuedAt,omitzero"`
	ReadyAt    time.Time `json:"readyAt,omitzero"`
	DeadAt     time.Time `json:"deadAt,omitzero"`
	Body       string    `json:"body,omitempty"` // where it isn't JSON, or too much to be shown as such
}

func newDeadShow(a *app.App) *cobra.Command {
	var o show.Output
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a dead job with its message as it is in siren.dead",
		Long: `Show a dead job: its record, and its message as it is in siren.dead, where it stays. The letters
before it are out of the queue for as long as the search takes.`,
		Example:           "  siren dead show 06ezy…\n  siren dead show 06ezy… -o json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.UpTo(1, a.CompleteJobs(job.Dead)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.Operate(func(op *app.Operator) error {
				d, err := readLetter(cmd.Context(), op, args[0])
				if err != nil {
					return err
				}
				return o.Print(a.Out, d)
			})
		},
	}
	app.FormFlag(c, &o, "yaml", "json")
	return c
}

// bodyShown is how much is shown of a message that is larger than any job.
const bodyShown = 1 << 10

// readLetter reads all that is known of a dead job.
func readLetter(ctx context.Context, o *app.Operator, id string) (d deadLetter, err error) {
	r, err := o.Ledger.Find(ctx, id)
	switch {
	case err == nil:
		o.WarnOfBorne(id, r)
		d.Record, id = &r, r.ID
	case !app.RedisNotFound(err):
		return d, err
	}
	if err := findLetter(ctx, o, id, &d); err != nil {
		return d, err
	}
	switch {
	case d.Letter == nil && d.Record == nil:
		return d, dead.NoJob(id)
	case d.Letter == nil && d.Record.State != job.Dead:
		return d, operate.NotFound.Errorf("job %q is %s, not dead; see `siren jobs get %s`", id, d.Record.State, id)
	}
	return d, nil
}

// errFound ends a search.
var errFound = errors.New("found")

// findLetter looks for the message in siren.dead, where it stays: the newest one, should there be several. A malformed
// message that bears the id is only shown where no letter has it.
func findLetter(ctx context.Context, o *app.Operator, id string, d *deadLetter) error {
	letters, end, err := dead.Open(ctx, o.Desk(), "dead show")
	if err != nil {
		return err
	}
	defer end()
	newest, borne := -1, false
	err = dead.Look(ctx, o.Desk(), letters, func(batch []dead.Letter) error {
		for _, l := range batch {
			if l.Job.ID == id && l.ID != id && newest < 0 && d.Record == nil {
				borne = true
				d.show(l)
			}
			if l.ID != id || l.Copy <= newest {
				continue
			}
			newest, borne = l.Copy, false
			d.show(l)
			if l.Standing == dead.Current { // whatever comes behind it is no newer
				return errFound
			}
		}
		return nil
	})
	if borne {
		o.Warn("no job has the id %s; a message that bears it was malformed, and this is its letter", id)
	}
	if errors.Is(err, errFound) {
		return nil
	}
	return err
}

// show takes a letter in.
func (d *deadLetter) show(l dead.Letter) {
	d.Job = nil
	d.Letter = &letter{
		Lane: l.Lane, Reason: l.Reason, Error: l.Error, Attempts: l.Attempt, Copy: l.Copy,
		EnqueuedAt: l.EnqueuedAt, ReadyAt: l.ReadyAt, DeadAt: l.DeadAt,
	}
	switch {
	case len(l.Body) > job.MaxMessage:
		d.Letter.Body = fmt.Sprintf("%.*q… (%d bytes; siren dead export has all of it)", bodyShown, l.Body,
			len(l.Body))
	case !json.Valid(l.Body), job.Nesting(l.Body) > job.MaxDepth+1:
		d.Letter.Body = string(l.Body)
	default:
		d.Job = l.Body
	}
}
