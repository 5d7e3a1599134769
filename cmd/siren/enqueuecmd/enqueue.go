package enqueuecmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/jobcmd"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/intake"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
)

// enqueue is what `siren enqueue` may be told.
type enqueue struct {
	id, input, output string
	preset            string
	labels            []string
	params            []string
	overwrite         bool
	priority          int
	expiresIn         time.Duration
	dedupKey          string
	dedupWindow       time.Duration
	wait              bool
	file              string
	ids               string // of a file's jobs without one: new or content
	policyFile        string
}

func New(a *app.App) *cobra.Command {
	var e enqueue
	c := &cobra.Command{
		Use:   "enqueue [KIND]",
		Short: "Put jobs into their lanes",
		Long: `Put a job into the lane that its labels choose, and print its id. With --file, put in
many: one JSON job a line, from a file or - for standard input. A job is refused here
when its kind, params or URLs can never work; the worker finds out the rest.

A line of a file that is no job, or too long for one, is reported with its number and
left out; the exit code is 1 then.

A job without an id gets a new one, so the same file again makes the same jobs again.
With --ids content the id follows from the content of the line: the job is recognised as
long as the first one's record is kept (timing.keep in the policy counts from its end).
Two lines with the same content are then one job.

With --preset, the kind and its params come from a preset (siren presets), and --param
changes single ones of them; NAME=null takes one away.

The kinds, and what each takes with --param:` + kindHelp(),
		Example: `  siren enqueue thumbnail --input file:///m/a.mp4 --output file:///m/a.jpg --label urgent=true --wait
  siren enqueue transcode --input s3://uploads/a.mov --output s3://media/a.mp4 --param height=720
  siren enqueue --preset web@1 --input s3://uploads/a.mov --output s3://media/a.mp4
  siren enqueue --file jobs.ndjson --ids content --wait`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case e.file == "" && e.preset == "" && len(args) == 0:
				return fmt.Errorf("say which kind (%s), --preset or --file", kindNames())
			case e.file == "" && len(args) > 1:
				return errors.New("give one kind: the input and the output are flags")
			case e.file != "" && (len(args) != 0 || e.preset != ""):
				return errors.New("--file has the kinds and presets in it: leave the argument and --preset out")
			}
			return nil
		},
		ValidArgsFunction: app.UpTo(1, a.CompleteKinds),
		RunE:              func(cmd *cobra.Command, args []string) error { return e.run(cmd.Context(), a, args) },
	}
	f := c.Flags()
	f.StringVar(&e.id, "id", "", "id of the job, 1 to 64 of A-Z a-z 0-9 . _ - (default a new one that sorts by time)")
	f.StringVar(&e.preset, "preset", "",
		"`NAME@VERSION` of the preset that has the kind and its params; see siren presets")
	f.StringVarP(&e.input, "input", "i", "", "URL of the input: file://, s3://, gs://, azblob:// or http(s)://")
	f.StringVar(&e.output, "output", "", "URL of the output: file://, s3://, gs:// or azblob://")
	f.StringArrayVarP(&e.labels, "label", "l", nil, "label NAME=VALUE, as often as you like; labels choose the lane")
	f.StringArrayVarP(&e.params, "param", "p", nil, "parameter NAME=VALUE of the kind, as often as you like")
	f.BoolVar(&e.overwrite, "overwrite", false, "replace an output that is there already")
	f.IntVar(&e.priority, "priority", 0, "start it before jobs of its lane with a lower one, 0 to "+
		strconv.Itoa(lanes.MaxPriority)+"; the lane's priorities say how high it may be")
	f.DurationVar(&e.expiresIn, "expires-in", 0, "dead-letter the job unless it has started by then (0: never)")
	f.StringVar(&e.dedupKey, "dedup-key", "", "enqueue nothing when an earlier job has this key, and print that "+
		"one's id")
	f.DurationVar(&e.dedupWindow, "dedup-window", job.DefaultDedupWindow, "for how long --dedup-key is remembered")
	f.BoolVarP(&e.wait, "wait", "w", false, "wait until the jobs end, with their progress; exit code 4 when one fails")
	f.StringVarP(&e.file, "file", "f", "", "NDJSON file of jobs; - is standard input")
	e.ids = newIDs
	app.OneOf(c, &e.ids, "ids", "", "`WHICH` ids the jobs of a file get that have none", newIDs, contentIDs)
	f.StringVar(&e.policyFile, "policy", "", "policy file to classify by (default the policy in force)")
	app.Once(c, "id", "preset", "input", "output", "priority", "expires-in", "dedup-key", "dedup-window", "file",
		"policy")
	app.CompleteFlag(c, "file", app.Files())
	app.CompleteFlag(c, "param", a.CompleteParams)
	app.CompleteFlag(c, "preset", a.CompletePresets)
	app.CompleteFlag(c, "policy", app.Files("yaml", "yml"))
	return c
}

func kindNames() string { return strings.Join(kinds.Names(), ", ") }

// kindHelp lists the kinds with their params.
func kindHelp() string {
	var b strings.Builder
	for _, k := range kinds.All() {
		fmt.Fprintf(&b, "\n\n%s: %s.", k.Name, k.About)
		for _, p := range k.Params {
			fmt.Fprintf(&b, "\n  %-8s %s", p.Name, p.Range())
		}
	}
	return b.String()
}

func (e *enqueue) run(ctx context.Context, a *app.App, args []string) error {
	log, err := a.Logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	servers, err := a.Endpoints()
	if err != nil {
		return err
	}
	policy, err := e.policy(ctx, a)
	if err != nil {
		return err
	}
	c, err := servers.Client(client.Options{Policy: policy, Log: log})
	if err != nil {
		return err
	}
	defer c.Close()

	var ids []string
	if e.file != "" {
		ids, err = e.bulk(ctx, a, c, policy)
	} else {
		ids, err = e.single(ctx, a, c, policy, strings.Join(args, ""))
	}
	if err != nil && len(ids) == 0 || !e.wait {
		return err
	}
	return errors.Join(err, a.WithLedger(func(l *jobledger.Ledger) error { return waitFor(ctx, a, l, ids) }))
}

// policy returns the file's policy, else the one in force.
func (e *enqueue) policy(ctx context.Context, a *app.App) (*lanes.Policy, error) {
	if e.policyFile != "" {
		return lanes.Load(e.policyFile)
	}
	store, err := a.Store()
	if err != nil {
		return nil, err
	}
	defer store.Close()
	effective, err := a.Effective(ctx, store)
	return &effective.Policy, err
}

// single enqueues the job that the flags describe, of a kind or, where that is "", of the preset's.
func (e *enqueue) single(
	ctx context.Context, a *app.App, c *client.Client, p *lanes.Policy, kind string,
) ([]string, error) {
	j := job.Job{
		ID: cmp.Or(e.id, job.NewID(c.Now(ctx))), Kind: kind, Preset: e.preset, Input: e.input,
		Output: e.output, Overwrite: e.overwrite, Priority: e.priority,
	}
	if e.expiresIn < 0 {
		return nil, exit.With(exit.Usage, fmt.Errorf("--expires-in %s: say how long from now on, as in 10m",
			e.expiresIn))
	} else if e.expiresIn > 0 {
		j.ExpiresAt = c.Now(ctx).Add(e.expiresIn).UTC()
	}
	if j.DedupKey = e.dedupKey; e.dedupKey != "" {
		j.DedupWindow = lanes.Duration(e.dedupWindow)
	}
	var err error
	if j.Labels, err = parseLabels(e.labels); err != nil {
		return nil, exit.With(exit.Usage, err)
	}
	if preset, err := p.Preset(e.preset); err == nil && kind == "" {
		kind = preset.Kind
	}
	if j.Params, err = parseParams(kind, e.params); err != nil {
		return nil, exit.With(exit.Usage, err)
	}
	if err := intake.Check(j, p); err != nil {
		return nil, exit.With(exit.Usage, err)
	}
	o := c.EnqueueBatch(ctx, []job.Job{j})[0]
	if errors.Is(o.Err, lanes.ErrPriority) {
		return nil, exit.With(exit.Usage, o.Err)
	}
	if o.Err != nil {
		return nil, o.Err
	}
	sayKnown(a, o)
	fmt.Fprintln(a.Out, o.ID)
	return []string{o.ID}, nil
}

// sayKnown warns of a job that was enqueued before, under its id or dedup key: it runs once, whatever it says this
// time.
func sayKnown(a *app.App, o client.Outcome) {
	if o.Duplicate {
		fmt.Fprintf(a.Err, "%s was enqueued before with this dedupKey; nothing was enqueued now\n", o.ID)
	}
	if !o.Known {
		return
	}
	fmt.Fprintf(a.Err, "%s was enqueued before, and a job runs once: `siren jobs get %s` shows what became of it; "+
		"use another id for another job\n", o.ID, o.ID)
}

func parseLabels(pairs []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, p := range pairs {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--label %q: write NAME=VALUE", p)
		}
		if _, twice := labels[name]; twice {
			return nil, fmt.Errorf("--label %q: %s is given twice", p, name)
		}
		labels[name] = value
	}
	return labels, nil
}

// parseParams makes the params' object of a job of the kind.
func parseParams(kind string, pairs []string) (json.RawMessage, error) {
	params := map[string]json.RawMessage{}
	for _, p := range pairs {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--param %q: write NAME=VALUE", p)
		}
		if _, twice := params[name]; twice {
			return nil, fmt.Errorf("--param %q: %s is given twice", p, name)
		}
		params[name] = kinds.Written(kind, name, value)
	}
	if len(params) == 0 {
		return nil, nil
	}
	return json.Marshal(params)
}

// waitFor shows the jobs' progress until all have ended.
func waitFor(ctx context.Context, a *app.App, ledger *jobledger.Ledger, ids []string) error {
	latest := map[string]job.Record{}
	var failed []job.Record
	var vanished, gone []error
	shown := time.Time{}
	trouble := show.NewTrouble(a.Err)
	for r, err := range ledger.Watch(ctx, ids...) {
		if errors.Is(err, lanes.ErrAway) {
			trouble.Say(err)
			continue
		}
		trouble.Say(nil)
		if errors.Is(err, job.ErrVanished) {
			vanished = append(vanished, err)
			continue
		}
		if app.RedisNotFound(err) { // Redis has lost its record; the others are waited for
			gone = append(gone, operate.NoJob(r.ID))
			continue
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		latest[r.ID] = r
		if r.State.Failed() {
			failed = append(failed, r)
		}
		due := time.Since(shown) > 100*time.Millisecond //nolint:forbidigo // a pace of this process's own
		if show.Draws(a.Err) && (due || r.State.Final()) {
			shown = time.Now() //nolint:forbidigo // as above
			show.Rewrite(a.Err, progressLine(latest, len(ids)))
		}
	}
	if show.Draws(a.Err) {
		fmt.Fprintln(a.Err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("stopped waiting; the jobs go on: siren jobs watch %s",
			strings.Join(ids[:min(3, len(ids))], " "))
	}
	slices.SortFunc(failed, func(x, y job.Record) int { return strings.Compare(x.ID, y.ID) })
	for _, r := range failed {
		fmt.Fprintf(a.Err, "%s is %s%s\n", r.ID, r.State, why(r, a.Now()))
	}
	for _, err := range vanished {
		fmt.Fprintln(a.Err, show.Harmless(err.Error()))
	}
	if n := len(failed) + len(vanished); n > 0 {
		for _, err := range gone {
			fmt.Fprintln(a.Err, show.Harmless(err.Error()))
		}
		return exit.With(exit.JobFailed, fmt.Errorf("%d of %s failed", n, say.Plural(len(ids), "job")))
	}
	return errors.Join(gone...)
}

// why returns what there is to say of a job that failed.
func why(r job.Record, now time.Time) string {
	if r.State == job.Cancelled {
		return ""
	}
	return ": " + jobcmd.Detail(r, now)
}

// progressLine returns one line for all the jobs that are waited for.
func progressLine(latest map[string]job.Record, n int) string {
	var sum float64
	count := map[job.State]int{}
	note := ""
	for _, r := range latest {
		count[r.State]++
		if r.State.Final() {
			sum++
		} else if r.State == job.Running {
			sum += r.Progress.Fraction
			note = r.Progress.Note
		}
	}
	line := fmt.Sprintf("%s %3.0f%%", show.Bar(sum/float64(n), 30), 100*sum/float64(n))
	if n == 1 {
		for _, r := range latest {
			return fmt.Sprintf("%s  %s  %s", line, r.State, note)
		}
	}
	failed := count[job.Dead] + count[job.Cancelled] + count[job.Missing]
	return fmt.Sprintf("%s  %d completed, %d running, %d waiting, %d failed", line, count[job.Completed],
		count[job.Running],
		n-count[job.Completed]-count[job.Running]-failed, failed)
}
