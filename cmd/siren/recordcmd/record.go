// Package recordcmd is `siren record`: the jobs that came to the fleet, as a trace that siren simulate and siren advise
// play. What a line says of a job is in internal/operate/recording; here are flags, the wait, and the file.
package recordcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate/recording"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// command is what the flags say.
type command struct {
	*app.Operator
	lasts, since, wait time.Duration
	path               string
	force              bool
}

// New makes `siren record`.
func New(a *app.App) *cobra.Command {
	var r command
	c := &cobra.Command{
		Use:   "record",
		Short: "Record which jobs come, as a trace for siren simulate",
		Long: `Record the jobs that come to the fleet for a while, or that have come, as a trace: a CSV that
siren simulate and siren advise play. It is made of the jobs' records, which Redis keeps for a while
after a job's end (timing.keep), so the past can be recorded too, and nothing is asked of the broker.

A line is a job: when it came, its lane, how many seconds the attempt ran that ended it, its kind;
and how long it waited, how often it was started and what became of it. Ctrl-C ends the recording,
and what came until then is written.`,
		Example: `  siren record --for 1h -o trace.csv
  siren record --since 6h -o trace.csv
  siren record --since 30m -o - | head`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.check(); err != nil {
				return exit.With(exit.Usage, err)
			}
			return a.Operate(func(o *app.Operator) error {
				r.Operator = o
				return r.run(cmd.Context())
			})
		},
	}
	f := c.Flags()
	f.DurationVar(&r.lasts, "for", 0, "`TIME` to record from now on")
	f.DurationVar(&r.since, "since", 0, "record what came at most this long ago, too")
	f.DurationVar(&r.wait, "wait", time.Minute, "most `TIME` to wait, in the end, for jobs that haven't ended; the "+
		"run time of the others is foreseen")
	f.StringVarP(&r.path, "output", "o", "", "`FILE` to write; -: the standard output")
	f.BoolVar(&r.force, "force", false, "write over a file that is there")
	app.CompleteFlag(c, "output", app.Files("csv"))
	return c
}

func (r *command) check() error {
	switch {
	case r.lasts < 0 || r.since < 0 || r.wait < 0:
		return errors.New("--for, --since and --wait can't be negative")
	case r.lasts == 0 && r.since == 0:
		return errors.New("record what? --for 1h records the next hour, --since 6h the last six")
	case r.path == "":
		return errors.New("where to? name the file to write: -o trace.csv")
	}
	return nil
}

// margin is how much sooner than its jobs' records are forgotten a recording has to be written.
const margin = 5 * time.Minute

func (r *command) run(ctx context.Context) error {
	e, err := r.InForce(ctx)
	if err != nil {
		return err
	}
	now, keep := r.Now(), e.Policy.Timing.Keep
	if r.lasts+r.wait > keep.D()-margin {
		return exit.With(exit.Usage, fmt.Errorf("records are kept for %s after their jobs' ends (timing.keep), and a "+
			"recording is written at its end: record for at most %s, or raise timing.keep", keep,
			lanes.Duration(max(0, keep.D()-margin-r.wait))))
	}
	if r.since > keep.D() {
		r.Warn("records are kept for %s after their jobs' ends (timing.keep): of jobs that ended before there are none",
			keep)
		r.since = keep.D()
	}
	rec := &recording.Recording{
		Ledger: r.Ledger, From: now.Add(-r.since), To: now.Add(r.lasts), Service: e.Policy.Timing.ServiceTime.D(),
	}
	out, err := create(r.path, r.force, r.Out)
	if err != nil {
		return exit.With(exit.Usage, err)
	}
	s, err := r.record(ctx, rec, out)
	if err = errors.Join(err, out.close(err == nil)); err != nil {
		return err
	}
	r.tell(rec, s)
	return nil
}

// record waits until the window is over and its jobs have ended, or somebody ends it, and writes the trace.
func (r *command) record(ctx context.Context, rec *recording.Recording, out *file) (s recording.Summary, err error) {
	if r.lasts > 0 && !r.over(ctx, rec.To) {
		rec.To = r.Now()
	}
	if ctx.Err() == nil {
		if err := r.settle(ctx, rec); err != nil {
			return s, err
		}
	}
	again, stop := goOn(ctx)
	defer stop()
	snap, err := r.Board.Snapshot(again)
	if err != nil && !app.RedisNotFound(err) {
		return s, err
	}
	if err := out.head(rec, snap); err != nil {
		return s, err
	}
	show.Progress(r.Err, "writing")
	s, err = rec.Write(again, r.Now(), out.line)
	show.Progress(r.Err, "")
	switch {
	case again.Err() != nil:
		return s, errors.New("interrupted while it was written: nothing is left of it")
	case errors.Is(err, lanes.ErrAway):
		return s, exit.With(exit.Code(err), fmt.Errorf("%w; nothing was written, and the records are still there: "+
			"siren record --since %s", show.Gist(err), say.Span(r.Now().Sub(rec.From)+time.Minute)))
	case err != nil:
		return s, err
	}
	for _, l := range snap.Lanes {
		if l.Unrecorded > 0 {
			r.Warn("%s of lane %s %s without a record, as jobs do that plain AMQP sent: they aren't in the trace",
				say.Plural(l.Unrecorded, "job"), l.Name, say.Verb(l.Unrecorded, "waits", "wait"))
		}
	}
	return s, nil
}

// secondAfter is how long after the first signal another one isn't taken for it: a program that ends a command may send
// it two.
const secondAfter = time.Second

// goOn returns the context of what is still done: ctx, or when that has been ended by a signal, one that the next
// signal ends.
func goOn(ctx context.Context) (context.Context, func()) {
	if ctx.Err() == nil {
		return ctx, func() {}
	}
	again, end := context.WithCancel(context.WithoutCancel(ctx))
	second := make(chan os.Signal, 1)
	listen := time.AfterFunc(secondAfter, func() { signal.Notify(second, os.Interrupt, syscall.SIGTERM) })
	go func() {
		select {
		case <-second:
			end()
		case <-again.Done():
		}
	}()
	return again, func() {
		listen.Stop()
		signal.Stop(second)
		end()
	}
}

// over waits until a moment, and reports whether it has come; false when somebody has ended the recording.
func (r *command) over(ctx context.Context, to time.Time) bool {
	defer show.Progress(r.Err, "")
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		left := to.Sub(r.Now())
		if left <= 0 {
			return true
		}
		show.Progress(r.Err, fmt.Sprintf("recording for %s more; Ctrl-C writes what came until then", say.Span(left)))
		select {
		case <-ticker.C:
		case <-time.After(left):
		case <-ctx.Done():
			return false
		}
	}
}

// settle waits for the jobs that haven't ended.
func (r *command) settle(ctx context.Context, rec *recording.Recording) error {
	show.Progress(r.Err, fmt.Sprintf("waiting at most %s for jobs that haven't ended", say.Span(r.wait)))
	defer show.Progress(r.Err, "")
	bounded, end := context.WithTimeout(ctx, r.wait)
	defer end()
	rec.Trouble = show.NewTrouble(r.Err).Say
	return rec.Await(bounded)
}

// tell says what was recorded, and what to know of it.
func (r *command) tell(rec *recording.Recording, s recording.Summary) {
	where := cmp.Or(map[string]string{"-": "the standard output"}[r.path], r.path)
	fmt.Fprintf(r.Err, "wrote %s to %s: those that came in %s\n", say.Plural(s.Jobs, "job"), where,
		say.Span(rec.To.Sub(rec.From)))
	for _, n := range []struct {
		n    int
		says string
	}{
		{s.Open, "hadn't ended: how long they run is foreseen; a longer --wait has more of them end"},
		{s.Unsure, "ended in a crash, or were called off between two attempts: how long they run is foreseen"},
		{s.Direct, "were sent by plain AMQP: they count as come when they started"},
		{s.Never, "ended before they started, and aren't in the trace: cancelled, expired or missing"},
	} {
		if n.n > 0 {
			fmt.Fprintf(r.Err, "  %d %s\n", n.n, n.says)
		}
	}
	if s.Failed > 0 {
		part := float64(s.Failed) / float64(s.Attempts)
		fmt.Fprintf(r.Err, "  %d of %s failed: simulate it with --failing %.2g\n", s.Failed,
			say.Plural(s.Attempts, "attempt"), part)
	}
	if n := s.Foreseen(); n > 0 {
		r.Warn("%d of %s (%.0f %%) %s a run time that is foreseen, not measured", n, say.Plural(s.Jobs, "line"),
			100*float64(n)/float64(s.Jobs), say.Verb(n, "has", "have"))
	}
	if r.path != "-" {
		fmt.Fprintf(r.Err, "siren simulate --trace %[1]s plays it, siren advise --trace %[1]s looks for a better "+
			"policy\n", r.path)
	}
}

// coldStart returns the longest of the pools' measured cold starts; 0 when there is none.
func coldStart(s fleet.Snapshot) (d time.Duration) {
	for _, q := range s.Pools {
		d = max(d, q.ColdStart.D())
	}
	return d
}
