// Package command measures what siren's commands bring about on a fleet, or say of it.
package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/wait"
)

// liveYAML is a fleet that grows and shrinks by itself, as that of `siren demo`. @DIR@ is the folder of the clips and
// outputs.
const liveYAML = `
lanes:
  - {name: express, match: [lane=express], startWithin: 2s, reserve: 1}
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: [lane=bulk], startWithin: 30m}
pools:
  - name: general
    lanes: [express, standard]
    guests: [bulk]
    slots: 1
    shoulder: {express: 1}
    min: 1
    max: 3
  - {name: batch, lanes: [bulk], slots: 1, max: 2}
budget: 4
timing: {coldStart: 1s}
storage:
  - {prefix: "file://@DIR@/", read: true, write: true}
`

// live is a real `siren scaler` with the workers that it wants, on the bench's servers.
type live struct {
	b      *stand.Bench
	dir    string // policy, log, and the workers' logs
	cmd    *exec.Cmd
	ended  chan error
	board  *redis.Board
	roster *redis.Roster
}

// openLive starts one and returns when its floor of workers takes jobs.
func openLive(ctx context.Context, b *stand.Bench) (l *live, err error) {
	l = &live{
		b: b, ended: make(chan error, 1), board: redis.NewBoard(b.Store, b.Log),
		roster: redis.NewRoster(b.Store, b.Log),
	}
	if l.dir, err = os.MkdirTemp(b.Dir, "live-"); err != nil {
		return nil, err
	}
	policy := filepath.Join(l.dir, "siren.yaml")
	if err := os.WriteFile(policy, []byte(strings.ReplaceAll(liveYAML, "@DIR@", b.Dir)), 0o644); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(l.dir, "scaler.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own copy
	l.cmd = b.Command(context.WithoutCancel(ctx), "scaler", "--policy", policy, "--data", l.dir, "--drain-timeout",
		"0s")
	l.cmd.Stdout, l.cmd.Stderr = log, log
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM} // Ctrl-C is for us to pass on
	if err := l.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { l.ended <- l.cmd.Wait() }()
	err = wait.Until(ctx, 30*time.Second, "the fleet to take jobs", func() (bool, error) {
		snap, err := l.board.Snapshot(ctx)
		return err == nil && time.Since(snap.At) < 5*time.Second && len(snap.Pools) == 2 && snap.Pools[0].Ready > 0, nil
	})
	if err != nil {
		return nil, errors.Join(err, l.stop())
	}
	return l, nil
}

// stop ends the scaler and its workers; what they run goes back to its lane.
func (l *live) stop() error { return stop("scaler", l.cmd, l.ended) }

// stop ends a siren that runs for a while; ended says how.
func stop(what string, cmd *exec.Cmd, ended <-chan error) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(fmt.Errorf("the %s doesn't stop", what), cmd.Process.Kill())
	}
}

// purge cancels what waits: a queue that is emptied behind Siren's back leaves records of jobs that seem to wait.
func (l *live) purge() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var problems []error
	for _, lane := range []string{stand.StandardLane, stand.BulkLane} {
		_, err := said(ctx, l.b, "lanes", "purge", lane, "--yes")
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// said returns what a siren command prints.
func said(ctx context.Context, b *stand.Bench, args ...string) ([]byte, error) {
	out, err := b.Command(ctx, args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("siren %s: %w: %s", strings.Join(args, " "), err, exit.Stderr)
	}
	return out, err
}

// load returns n short transcodes and thumbnails, of lanes by turns.
func load(b *stand.Bench, n int, inLanes ...string) []job.Job {
	jobs := make([]job.Job, n)
	for i := range jobs {
		lane := inLanes[i%len(inLanes)]
		if lane == stand.ExpressLane {
			jobs[i] = b.Media(lane, "thumbnail", ".jpg", demoClip(b, i), `{"at": "1s", "width": 320}`)
			continue
		}
		jobs[i] = b.Media(lane, "transcode", ".mp4", demoClip(b, i), `{"height": 240, "crf": 26}`)
	}
	return jobs
}

// demoClips is how many different sources the load has: they take 4, 5 and 6 s to play.
const demoClips = 3

func demoClip(b *stand.Bench, i int) string {
	return filepath.Join(b.Dir, "demo"+strconv.Itoa(i%demoClips)+".mp4")
}

// makeDemoClips makes the sources of `siren demo`.
func makeDemoClips(ctx context.Context, b *stand.Bench) error {
	for i := range demoClips {
		if _, err := os.Stat(demoClip(b, i)); err == nil {
			continue
		}
		err := stand.FFmpeg(ctx, fmt.Sprintf("-f lavfi -i testsrc2=size=640x360:rate=25:duration=%d -f lavfi "+
			"-i sine=frequency=%d:duration=%d -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac -shortest %s",
			4+i, 330*(i+1), 4+i, demoClip(b, i)))
		if err != nil {
			return err
		}
	}
	return nil
}
