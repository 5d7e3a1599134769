package recordcmd

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/operate/recording"
	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

var (
	noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	rec  = &recording.Recording{From: noon, To: noon.Add(time.Hour)}
	snap = fleet.Snapshot{Pools: []fleet.PoolStatus{
		{ColdStart: lanes.Duration(1500 * time.Millisecond)}, {ColdStart: lanes.Duration(2400 * time.Millisecond)},
	}}
)

func written(t *testing.T, f *file, complete bool) error {
	t.Helper()
	if err := f.head(rec, snap); err != nil {
		t.Fatal(err)
	}
	line := recording.Line{Time: noon, Lane: "standard", Service: 2 * time.Second, Kind: "a,\n#b", Started: true}
	if err := errors.Join(f.line(line), f.line(line)); err != nil {
		t.Fatal(err)
	}
	return f.close(complete)
}

func only(t *testing.T, dir string, want ...string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range all {
		names = append(names, f.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("there are %v, want %v", names, want)
	}
}

// A trace comes to its place when it is complete, is read by the simulator, and leaves nothing else.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "trace.csv")
	f, err := create(path, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it is there before it is complete")
	}
	if err := written(t, f, true); err != nil {
		t.Fatal(err)
	}
	only(t, dir, "trace.csv")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := lanes.Parse([]byte("lanes: [{name: standard, startWithin: 9s}]\n" +
		"pools: [{name: all, lanes: [standard], max: 1}]\nbudget: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	trace, err := load.NewTrace(bytes.NewReader(text), p)
	if err != nil {
		t.Fatal(err)
	}
	if jobs := load.List(trace); len(jobs) != 2 || trace.Err() != nil || trace.Cold != 2400*time.Millisecond {
		t.Errorf("%v, %v, cold start %s, of\n%s", jobs, trace.Err(), trace.Cold, text)
	}
}

// What isn't complete leaves nothing, and what is there stays, also when it comes while the trace is made.
func TestFileStays(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "trace.csv")
	f, err := create(path, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := written(t, f, false); err != nil {
		t.Fatal(err)
	}
	only(t, dir)
	if f, err = create(path, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := written(t, f, true); err == nil {
		t.Error("it is written over a file that came meanwhile")
	}
	only(t, dir, "trace.csv")
	if _, err := create(path, false, nil); err == nil {
		t.Error("it is begun over a file that is there")
	}
	if f, err = create(path, true, nil); err != nil {
		t.Fatal(err)
	}
	if err := written(t, f, true); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); !bytes.HasPrefix(text, []byte("# recorded by siren ")) {
		t.Errorf("%q", text)
	}
	if _, err := create(dir, true, nil); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Error(err)
	}
}
