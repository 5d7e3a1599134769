package democmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/lanecmd"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/runcmd"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/role"
)

// What the demo enqueues: enough transcodes to keep every lower slot busy, and express thumbnails on top, one at a
// time.
const (
	demoBulk     = 10
	demoStandard = 14
	demoExpress  = 24
	expressEvery = 400 * time.Millisecond
	demoSettle   = 60 * time.Second // how long the fleet may take to shrink back
)

func New(a *app.App) *cobra.Command {
	var d demo
	c := &cobra.Command{
		Use:   "demo",
		Short: "Watch real media jobs go through three lanes while the fleet grows and shrinks",
		Long: `Make a few clips, start a private RabbitMQ, Redis and fleet, enqueue a burst of bulk and
standard transcodes that keeps every slot busy, and put express thumbnails on top. At
the end every output is checked with ffprobe and a report is written. It takes about a
minute and leaves nothing running.`,
		Example: "  siren demo\n  siren demo --input holiday.mp4 --keep ./demo",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context(), a) },
	}
	f := c.Flags()
	f.StringVar(&d.input, "input", "", "a video of your own instead of the made clips")
	f.StringVar(&d.keep, "keep", "", "folder that keeps clips, outputs and logs (default a temporary one)")
	f.StringVar(&d.report, "report", "demo-report.html", "where to write the report")
	app.CompleteFlag(c, "input", app.Files())
	app.CompleteFlag(c, "keep", app.Folders)
	app.CompleteFlag(c, "report", app.Files("html"))
	return c
}

// demo is one run of `siren demo`.
type demo struct {
	input, keep, report string

	dir     string
	policy  *lanes.Policy
	ids     []string
	history []moment
	plans   []fleet.Plan
}

// moment is the fleet at one time of the demo.
type moment struct {
	at   time.Time
	snap fleet.Snapshot
}

func (d *demo) run(ctx context.Context, a *app.App) (err error) {
	if err := d.makeDir(); err != nil {
		return err
	}
	if d.keep == "" {
		defer os.RemoveAll(d.dir)
	}
	if err := d.prepare(ctx, a); err != nil {
		return err
	}
	logFile, err := os.Create(filepath.Join(d.dir, "siren.log"))
	if err != nil {
		return err
	}
	defer logFile.Close()
	log := slog.New(slog.NewTextHandler(logFile, nil))
	defer func() {
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(a.Err, "the end of the log:\n%s\n", lastLines(logFile.Name(), 15))
		}
	}()

	s, err := serve.StartServers(ctx, serve.Servers{}, "", a.Err, log)
	if err != nil {
		return err
	}
	defer s.Stop()
	fleetCtx, stopFleet := context.WithCancel(ctx)
	defer stopFleet()
	fleetDone := make(chan error, 1)
	go func() {
		fleetDone <- serve.Local{
			Version: app.Version(), Policy: d.policy, At: reach.Plain(s.AMQPURL, s.RedisFor(role.Scaler)),
			Workers: reach.Plain(s.AMQPURL, s.RedisFor(role.Worker)), Dir: filepath.Join(d.dir, "fleet"),
			Drain: 5 * time.Second, WorkerArgs: []string{
				"--scratch", filepath.Join(d.dir, "scratch"), "--threads",
				"1",
			}, Log: log,
		}.Run(fleetCtx)
	}()
	store, err := redislink.Open(s.RedisURL, log)
	if err != nil {
		return err
	}
	defer store.Close()
	c, err := client.New(client.Options{AMQPURL: s.AMQPURL, RedisURL: s.RedisFor(role.Producer), Log: log})
	if err != nil {
		return err
	}
	defer c.Close()

	err = d.play(ctx, a, store, c, log)
	stopFleet()
	if stopped := <-fleetDone; err == nil && stopped != nil && !errors.Is(stopped, context.Canceled) {
		err = stopped
	}
	return err
}

// play plays the demo once everything runs: the burst, the express jobs on top, the wait for the end, the proof.
func (d *demo) play(ctx context.Context, a *app.App, store *redislink.Store, c *client.Client, log *slog.Logger) error {
	board, ledger := redis.NewBoard(store, log), jobledger.New(store, log)
	if err := d.awaitFleet(ctx, board); err != nil {
		return err
	}
	began := time.Now()
	var burst []job.Job
	for i := range demoStandard {
		burst = append(burst, d.transcode("standard", i, map[string]string{"customer": "c" + strconv.Itoa(i%4)}))
	}
	for i := range demoBulk {
		burst = append(burst, d.transcode("bulk", i, map[string]string{"batch": "true"}))
	}
	for _, r := range c.EnqueueBatch(ctx, burst) {
		if r.Err != nil {
			return fmt.Errorf("enqueue the burst: %w", r.Err)
		}
		d.ids = append(d.ids, r.ID)
	}
	fmt.Fprintf(a.Out, "%d transcodes are in their lanes; %d express thumbnails follow once every lower slot is busy\n",
		len(burst), demoExpress)

	showCtx, stopShowing := context.WithCancel(ctx)
	var showing sync.WaitGroup
	showing.Go(func() { d.show(showCtx, a.Out, board, ledger, began) })
	defer func() { stopShowing(); showing.Wait() }()

	if err := d.express(ctx, c, board); err != nil {
		return err
	}
	for r, err := range ledger.Watch(ctx, d.ids...) {
		if err != nil {
			return fmt.Errorf("follow job %s: %w", r.ID, err)
		}
	}
	d.awaitShrink(ctx, board)
	stopShowing()
	showing.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return d.prove(ctx, a, board, ledger, began)
}

// makeDir finds the folder for everything.
func (d *demo) makeDir() (err error) {
	if d.keep == "" {
		d.dir, err = os.MkdirTemp("", "siren-demo-")
		return err
	}
	d.dir, err = filepath.Abs(d.keep)
	return err
}

// prepare makes sure of the report, and makes the clips and the policy.
func (d *demo) prepare(ctx context.Context, a *app.App) (err error) {
	report, err := os.OpenFile(d.report, os.O_CREATE|os.O_WRONLY, 0o644) // now rather than after a minute
	if err != nil {
		return fmt.Errorf("the report can't be written: %w; choose another place with --report", err)
	}
	if err := report.Close(); err != nil {
		return err
	}
	for _, sub := range []string{"in", "out", "scratch", "fleet"} {
		if err := os.MkdirAll(filepath.Join(d.dir, sub), 0o755); err != nil {
			return err
		}
	}
	if d.policy, err = runcmd.LocalPolicy(d.dir); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, "making the source clips …")
	return d.makeClips(ctx)
}

// clips is how many different sources there are.
const clips = 3

// makeClips makes test pictures with a tone; or copies the video that was given.
func (d *demo) makeClips(ctx context.Context) error {
	for i := range clips {
		args := []string{
			"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=640x360:rate=25:duration=%d", 4+i),
			"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=%d:duration=%d", 330*(i+1), 4+i),
			"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest",
		}
		if d.input != "" {
			args = []string{"-i", d.input, "-map", "0:v:0", "-map", "0:a:0?", "-c", "copy"}
		}
		args = append(append([]string{"-hide_banner", "-loglevel", "error", "-nostdin", "-y"}, args...), d.clip(i))
		if out, err := exec.CommandContext(ctx, "ffmpeg", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("make a clip with ffmpeg: %w: %s", err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

func (d *demo) clip(i int) string {
	return filepath.Join(d.dir, "in", fmt.Sprintf("clip%d.mp4", i%clips))
}

func (d *demo) transcode(name string, i int, labels map[string]string) job.Job {
	return job.Job{
		ID: fmt.Sprintf("%s-%02d", name, i), Kind: "transcode", Labels: labels,
		Input: "file://" + d.clip(i), Output: fmt.Sprintf("file://%s/out/%s-%02d.mp4", d.dir, name, i),
		Params: []byte(`{"height": 240, "crf": 26}`),
	}
}

func (d *demo) thumbnail(i int) job.Job {
	return job.Job{
		ID: fmt.Sprintf("express-%02d", i), Kind: "thumbnail", Labels: map[string]string{"tier": "premium"},
		Input: "file://" + d.clip(i), Output: fmt.Sprintf("file://%s/out/express-%02d.jpg", d.dir, i),
		Params: []byte(`{"at": "1s", "width": 320}`),
	}
}

// awaitFleet waits until each pool's floor takes jobs.
func (d *demo) awaitFleet(ctx context.Context, board *redis.Board) error {
	return Poll(ctx, 60*time.Second, "the workers to start", func() bool {
		snap, err := board.Snapshot(ctx)
		if err != nil {
			return false
		}
		for _, p := range snap.Pools {
			if p.Ready < p.Min {
				return false
			}
		}
		return len(snap.Pools) > 0
	})
}

// express enqueues the thumbnails one by one, once all the shared slots there are run something.
func (d *demo) express(ctx context.Context, c *client.Client, board *redis.Board) error {
	err := Poll(ctx, 30*time.Second, "every lower slot to be busy", func() bool {
		snap, err := board.Snapshot(ctx)
		if err != nil {
			return false
		}
		slots, busy := 0, 0
		for _, p := range snap.Pools {
			slots, busy = slots+p.Slots, busy+p.Busy
		}
		return slots > d.policy.Pools[0].Min && busy == slots
	})
	if err != nil {
		return err
	}
	for i := range demoExpress {
		id, err := c.Enqueue(ctx, d.thumbnail(i))
		if err != nil {
			return fmt.Errorf("enqueue an express job: %w", err)
		}
		d.ids = append(d.ids, id)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(expressEvery):
		}
	}
	return nil
}

// awaitShrink waits until the fleet is back at its floor; that it isn't in time is seen in the report.
func (d *demo) awaitShrink(ctx context.Context, board *redis.Board) {
	_ = Poll(ctx, demoSettle, "the fleet to shrink back", func() bool {
		snap, err := board.Snapshot(ctx)
		if err != nil {
			return false
		}
		for _, p := range snap.Pools {
			if p.Replicas > p.Min {
				return false
			}
		}
		return true
	})
}

// Poll asks until it is true, for so long at most.
func Poll(ctx context.Context, within time.Duration, what string, ok func() bool) error {
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s for %s", within, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// show draws the lanes, the pools and the running jobs twice a second on a terminal, every five seconds elsewhere, and
// keeps what it saw for the report.
func (d *demo) show(ctx context.Context, w io.Writer, board *redis.Board, ledger *jobledger.Ledger, began time.Time) {
	every := 5 * time.Second
	if show.IsTerminal(w) {
		every = 500 * time.Millisecond
	}
	var shown time.Time
	for {
		snap, err := board.Snapshot(ctx)
		if err == nil {
			d.history = append(d.history, moment{time.Now(), snap})
			if time.Since(shown) >= every {
				shown = time.Now()
				page, _ := ledger.List(ctx, jobrecord.Filter{State: job.Running})
				d.draw(w, snap, page.Records, time.Since(began))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (d *demo) draw(w io.Writer, snap fleet.Snapshot, running []job.Record, elapsed time.Duration) {
	if show.IsTerminal(w) {
		show.ClearScreen(w)
	}
	fmt.Fprintf(w, "\n%.0f s\n", elapsed.Seconds())
	_ = lanecmd.LaneTable(snap).Print(w)
	for _, p := range snap.Pools {
		fmt.Fprintf(w, "%-8s %s %s  ", p.Name, strings.Repeat("#", p.Busy)+strings.Repeat(".", max(0, p.Slots-p.Busy)),
			say.Plural(p.Replicas, "worker"))
		show.Paint(w, show.Dim, p.Why)
		fmt.Fprintln(w)
	}
	slices.SortFunc(running, func(x, y job.Record) int { return strings.Compare(x.ID, y.ID) })
	for _, r := range running {
		fmt.Fprintf(w, "  %-12s %s %3.0f%%  %s\n", r.ID, show.Bar(r.Progress.Fraction, 24), 100*r.Progress.Fraction,
			r.Progress.Note)
	}
}

// lastLines returns the end of a file, for an error.
func lastLines(path string, n int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
