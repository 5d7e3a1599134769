package democmd

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/runcmd"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

func TestVerifyAll(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.jpg")
	if err := os.WriteFile(bad, []byte("not a picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := verifyAll(t.Context(), []job.Record{
		{ID: "a", State: job.Completed, Kind: "thumbnail", Output: "file://" + bad},
		{ID: "b", Lane: "bulk", State: job.Dead, Reason: "poison", Error: "it crashed"},
	})
	if len(wrong) != 2 || !strings.HasPrefix(wrong[0], "a in lane") ||
		wrong[1] != "b in lane bulk: dead: poison it crashed" {
		t.Errorf("a file that is no picture, and a dead job: %q", wrong)
	}
}

// A demo that is interrupted says so, and leaves no file without a report in it; one that was there stays.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	d := Demo{
		Load: Everyday(), Report: filepath.Join(dir, "report.html"), Picture: filepath.Join(dir, "picture.svg"),
		Dir: filepath.Join(dir, "keep"),
	}
	if err := os.WriteFile(d.Picture, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := d.Run(ctx, &app.App{Streams: app.Streams{Out: io.Discard, Err: io.Discard}})
	if err == nil || !strings.HasPrefix(err.Error(), "interrupted: ") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(d.Report); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the report: %v", err)
	}
	if _, err := os.Stat(d.Picture); err != nil {
		t.Error(err)
	}
}

// The clips are as long as keeps the slots busy on this machine, and no longer.
func TestClipLength(t *testing.T) {
	l := Load{Standard: 14, Bulk: 10, Busy: 24 * time.Second}
	for _, c := range []struct {
		takes time.Duration
		cores int
		want  time.Duration
	}{
		{250 * time.Millisecond, 2, 8 * time.Second},
		{250 * time.Millisecond, 4, 16 * time.Second},
		{250 * time.Millisecond, 64, 16 * time.Second}, // there are four slots for them
		{time.Millisecond, 64, 2 * time.Minute},
		{time.Minute, 1, shortestClip},
		{0, 1, shortestClip},
	} {
		if got := l.clipLength(c.takes, c.cores); got != c.want {
			t.Errorf("%s a second on %d cores: %s, not %s", c.takes, c.cores, got, c.want)
		}
	}
}

// The trial without lanes has as many workers as the one with them, and no fewer slots: else it would be no comparison.
func TestSameFleet(t *testing.T) {
	parse := func(yaml string) *lanes.Policy {
		yaml, err := runcmd.Below(yaml, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		p, err := lanes.Parse([]byte(yaml))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	with, without := parse(runcmd.LocalYAML), parse(oneQueueYAML)
	if with.Budget != without.Budget {
		t.Errorf("budgets of %d and %d workers", with.Budget, without.Budget)
	}
	most := 0 // of a worker with lanes
	for _, p := range with.Pools {
		slots := p.Slots
		for _, n := range p.Shoulder {
			slots += n
		}
		most = max(most, slots)
	}
	if got := without.Pools[0]; len(without.Lanes) != 1 || len(without.Pools) != 1 || got.Max != without.Budget ||
		got.Slots < most || len(got.Shoulder) > 0 {
		t.Errorf("without lanes: %+v; a worker with lanes has up to %d slots", got, most)
	}
	strictest := slices.MinFunc(with.Lanes, func(x, y lanes.Lane) int { return int(x.StartWithin - y.StartWithin) })
	if got := without.Lanes[0].StartWithin; got != strictest.StartWithin {
		t.Errorf("the one queue's objective is %s, not %s: the fleet would grow later", got, strictest.StartWithin)
	}
}

// The picture of the running demo fits the terminal.
func TestPictureFits(t *testing.T) {
	var b strings.Builder
	snap := fleet.Snapshot{Lanes: []fleet.LaneStatus{{Name: "express"}, {Name: "standard"}}}
	if err := (&trial{}).picture(snap, nil)(&b, 60); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if len(strings.TrimSpace(line)) > 60 {
			t.Errorf("too long: %q", line)
		}
	}
	if !strings.Contains(b.String(), "s, with lanes\nLANE      READY") {
		t.Errorf("\n%s", b.String())
	}
}
