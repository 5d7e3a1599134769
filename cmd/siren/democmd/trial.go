package democmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/democmd/report"
	"github.com/polyglot-media/siren/cmd/siren/lanecmd"
	"github.com/polyglot-media/siren/cmd/siren/reach"
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

// trial is one run of the load, on servers and a fleet of its own.
type trial struct {
	*Demo
	report.Trial
	name, yaml string
	times      []time.Duration // of the express jobs after the burst; nil: once every lower slot is busy
	came       []time.Duration // when they came
	// what is done once it was played and before everything of it ends; nil: nothing, and it has no web page
	then func(context.Context) error

	url    string // of its web page
	board  *redis.Board
	ledger *jobledger.Ledger
	client *client.Client
	ids    []string
	bad    []string // what is wrong with outputs
}

func (t *trial) dir() string { return filepath.Join(t.Demo.dir, t.name) }

// run runs it from the servers' start to their end.
func (t *trial) run(ctx context.Context, a *app.App) (err error) {
	if t.Policy, err = lanes.Parse([]byte(t.yaml)); err != nil {
		return err
	}
	for _, sub := range []string{"out", "scratch", "fleet"} {
		if err := os.MkdirAll(filepath.Join(t.dir(), sub), 0o755); err != nil {
			return err
		}
	}
	logFile, err := os.Create(filepath.Join(t.dir(), "siren.log"))
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
	var given serve.Servers
	if t.Given != nil {
		given = t.Given()
	}
	s, err := serve.StartServers(ctx, given, "", a.Err, log)
	if err != nil {
		return err
	}
	defer s.Stop()
	if t.then != nil {
		closePage, err := t.openPage(ctx, a, s, log)
		if err != nil {
			return err
		}
		defer closePage()
	}
	fleetCtx, stopFleet := context.WithCancel(ctx)
	defer stopFleet()
	fleetDone := make(chan error, 1)
	go func() { fleetDone <- t.fleet(s, log).Run(fleetCtx) }()
	err = t.reach(ctx, a, s, log)
	stopFleet()
	if stopped := <-fleetDone; err == nil && stopped != nil && !errors.Is(stopped, context.Canceled) {
		err = stopped
	}
	return err
}

func (t *trial) fleet(s serve.Servers, log *slog.Logger) serve.Local {
	return serve.Local{
		Self: t.Self, Version: app.Version(), Policy: t.Policy, At: reach.Plain(s.AMQPURL, s.RedisFor(role.Scaler)),
		Workers: reach.Plain(s.AMQPURL, s.RedisFor(role.Worker)), Dir: filepath.Join(t.dir(), "fleet"),
		Drain: 5 * time.Second, WorkerArgs: []string{"--scratch", filepath.Join(t.dir(), "scratch"), "--threads", "1"},
		Log: log,
	}
}

// reach connects to the servers and plays the trial.
func (t *trial) reach(ctx context.Context, a *app.App, s serve.Servers, log *slog.Logger) error {
	store, err := redislink.Open(s.RedisURL, log)
	if err != nil {
		return err
	}
	defer store.Close()
	t.board, t.ledger = redis.NewBoard(store, log), jobledger.New(store, log)
	t.client, err = client.New(client.Options{AMQPURL: s.AMQPURL, RedisURL: s.RedisFor(role.Producer), Log: log})
	if err != nil {
		return err
	}
	defer t.client.Close()
	if err := t.play(ctx, a); err != nil || t.then == nil {
		return err
	}
	return t.then(ctx)
}

// openPage opens the fleet's web page, and says where it is.
func (t *trial) openPage(ctx context.Context, a *app.App, s serve.Servers, log *slog.Logger) (stop func(), err error) {
	t.url, stop, err = t.Page.Open(ctx, reach.Plain(s.AMQPURL, s.RedisFor(role.Gateway)), log)
	if err == nil {
		fmt.Fprintf(a.Out, "The lanes' web page: %s\n", t.url)
	}
	return stop, err
}

// play plays it once everything runs: the burst, the express jobs on top, the wait for the end.
func (t *trial) play(ctx context.Context, a *app.App) error {
	if err := t.awaitFleet(ctx); err != nil {
		return err
	}
	t.Began = time.Now()
	burst := t.burst()
	for _, r := range t.client.EnqueueBatch(ctx, burst) {
		if r.Err != nil {
			return fmt.Errorf("enqueue the burst: %w", r.Err)
		}
		t.ids = append(t.ids, r.ID)
	}
	then := "once every lower slot is busy"
	if t.times != nil {
		then = "when they came before"
	}
	fmt.Fprintf(a.Out, "%d transcodes wait; %d express thumbnails follow %s\n", len(burst), t.Load.Express, then)

	showCtx, stopShowing := context.WithCancel(ctx)
	var showing sync.WaitGroup
	showing.Go(func() { t.show(showCtx, a.Out) })
	defer func() { stopShowing(); showing.Wait() }()
	if err := t.express(ctx); err != nil {
		return err
	}
	for r, err := range t.ledger.Watch(ctx, t.ids...) {
		if err != nil {
			return fmt.Errorf("follow job %s: %w", r.ID, err)
		}
	}
	if err := t.readRecords(ctx); err != nil {
		return err
	}
	var verifying sync.WaitGroup
	verifying.Go(func() { t.bad = verifyAll(ctx, t.Records) })
	if t.times == nil {
		t.awaitShrink(ctx)
	}
	verifying.Wait()
	stopShowing()
	showing.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return t.readPlans(ctx)
}

// readRecords reads what has become of the jobs.
func (t *trial) readRecords(ctx context.Context) error {
	for _, id := range t.ids {
		r, err := t.ledger.Get(ctx, id)
		if err != nil {
			return fmt.Errorf("read job %s: %w", id, err)
		}
		t.Records = append(t.Records, r)
	}
	return nil
}

// readPlans reads what the scaler changed.
func (t *trial) readPlans(ctx context.Context) error {
	plans, err := t.board.Plans(ctx, "", t.Began.Add(-time.Minute), 1000)
	if err != nil {
		return fmt.Errorf("read the plans: %w", err)
	}
	slices.Reverse(plans)
	t.Plans = slices.DeleteFunc(plans, func(p fleet.Plan) bool { return p.From == p.To })
	return nil
}

// awaitFleet waits until each pool's floor takes jobs.
func (t *trial) awaitFleet(ctx context.Context) error {
	return Poll(ctx, 60*time.Second, "the workers to start", func() bool {
		snap, err := t.board.Snapshot(ctx)
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

// express enqueues the thumbnails one by one, each at its time.
func (t *trial) express(ctx context.Context) error {
	times := t.times
	if times == nil {
		if err := t.awaitBusy(ctx); err != nil {
			return err
		}
		for i := range t.Load.Express {
			times = append(times, time.Since(t.Began)+time.Duration(i)*t.Load.Every)
		}
	}
	for i, at := range times {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(t.Began.Add(at))):
		}
		t.came = append(t.came, time.Since(t.Began))
		id, err := t.client.Enqueue(ctx, t.thumbnail(i))
		if err != nil {
			return fmt.Errorf("enqueue an express job: %w", err)
		}
		t.ids = append(t.ids, id)
	}
	return nil
}

// awaitBusy waits until the fleet has grown and all its shared slots run something; or until no transcode waits, on a
// machine that is too fast for that.
func (t *trial) awaitBusy(ctx context.Context) error {
	enqueued := time.Now()
	return Poll(ctx, 30*time.Second, "every lower slot to be busy", func() bool {
		snap, err := t.board.Snapshot(ctx)
		if err != nil || snap.At.Before(enqueued) {
			return false
		}
		slots, busy, waiting := 0, 0, 0
		for _, p := range snap.Pools {
			slots, busy = slots+p.Slots, busy+p.Busy
		}
		for _, l := range snap.Lanes {
			waiting += l.Ready
		}
		return waiting == 0 || slots > t.Policy.Pools[0].Min && busy == slots
	})
}

// awaitShrink waits until the fleet is back at its floor; that it isn't in time is seen in the report.
func (t *trial) awaitShrink(ctx context.Context) {
	_ = Poll(ctx, t.Load.Settle, "the fleet to shrink back", func() bool {
		snap, err := t.board.Snapshot(ctx)
		if err != nil {
			return false
		}
		for _, p := range snap.Pools {
			if p.Replicas > p.Min || report.Alive(p) > p.Min {
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
func (t *trial) show(ctx context.Context, w io.Writer) {
	every, draw := 5*time.Second, func(picture func(io.Writer, int) error) { _ = picture(w, 0) }
	if show.Draws(w) {
		screen := show.NewScreen(w)
		defer screen.Close()
		every, draw = 0, func(picture func(io.Writer, int) error) { _ = screen.Draw(picture) }
	}
	var shown time.Time
	for {
		snap, err := t.board.Snapshot(ctx)
		if err == nil {
			t.Moments = append(t.Moments, report.Moment{At: time.Now(), Snap: snap})
			if time.Since(shown) >= every {
				shown = time.Now()
				page, _ := t.ledger.List(ctx, jobrecord.Filter{State: job.Running})
				draw(t.picture(snap, page.Records))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// picture returns what writes a picture of what runs, in lines of so many characters.
func (t *trial) picture(snap fleet.Snapshot, running []job.Record) func(w io.Writer, width int) error {
	title := "with lanes"
	if t.times != nil {
		title = "without lanes"
	}
	slices.SortFunc(running, func(x, y job.Record) int { return strings.Compare(x.ID, y.ID) })
	return func(w io.Writer, width int) error {
		fmt.Fprintf(w, "\n%.0f s, %s\n", time.Since(t.Began).Seconds(), title)
		if err := lanecmd.LaneTable(snap).Fit(w, width); err != nil {
			return err
		}
		for _, p := range snap.Pools {
			fmt.Fprintf(w, "%-8s %s %s  ", p.Name, strings.Repeat("#", p.Busy)+
				strings.Repeat(".", max(0, p.Slots-p.Busy)), say.Plural(p.Replicas, "worker"))
			show.Paint(w, show.Dim, p.Why)
			fmt.Fprintln(w)
		}
		for _, r := range running {
			fmt.Fprintf(w, "  %-12s %s %3.0f%%  %s\n", r.ID, show.Bar(r.Progress.Fraction, 24),
				100*r.Progress.Fraction, r.Progress.Note)
		}
		return nil
	}
}
