package procs

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/polyglot-media/siren/internal/procs/procstest"
)

func TestNextRunStopsWhatACrashedOneLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	crashed, lines := procstest.Start(t, 1, "orphans", dir)
	number, err := strconv.Atoi(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	orphan, err := Identify(number)
	if err != nil {
		t.Fatal(err)
	}
	var family []PID
	procstest.Eventually(t, "the orphan has a child",
		func() bool { family = orphan.Descendants(); return len(family) == 1 })
	if err := crashed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = crashed.Wait()
	if !orphan.Alive() {
		t.Fatal("the orphan died with its parent: nothing left to test")
	}
	h, err := OpenHome(dir, "orphans", procstest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, p := range append(family, orphan) {
		if p.Alive() {
			t.Errorf("process %d of the crashed run still lives", p.Number)
		}
	}
}

func TestAReusedNumberIsNotKilled(t *testing.T) {
	t.Parallel()
	stranger, err := start("stranger", procstest.Command("sleep"), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Kill() }()
	for name, change := range map[string]func(*PID){
		"began at another time": func(p *PID) { p.Began-- },
		"in an earlier boot":    func(p *PID) { p.Boot = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			e := entry{Name: "long gone", PID: stranger.PID}
			change(&e.PID)
			raw, err := json.Marshal([]entry{e})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.WriteFile(filepath.Join(dir, "x", lockFile), nil, 0o600),
				os.WriteFile(filepath.Join(dir, "x", "run.json"), raw, 0o600)); err != nil {
				t.Fatal(err)
			}
			h, err := OpenHome(dir, "x", procstest.Log(t))
			if err != nil {
				t.Fatal(err)
			}
			h.Close()
			if !stranger.Running() {
				t.Error("a process of somebody else was killed")
			}
		})
	}
}

func TestADirectoryHasOneUser(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := OpenHome(dir, "x", procstest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenHome(dir, "x", procstest.Log(t)); err == nil ||
		!strings.Contains(err.Error(), "in use by another running siren") {
		t.Errorf("second user: %v", err)
	}
	first.Close()
	second, err := OpenHome(dir, "x", procstest.Log(t))
	if err != nil {
		t.Fatalf("after the first one's end: %v", err)
	}
	second.Close()
}

func TestABrokenRunFileIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := OpenHome(dir, "x", procstest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if err := os.WriteFile(filepath.Join(dir, "x", "run.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenHome(dir, "x", procstest.Log(t)); err == nil || !strings.Contains(err.Error(), "run.json") {
		t.Errorf("error: %v", err)
	}
}

func TestTheGroupEndsWithItsLeader(t *testing.T) {
	t.Parallel()
	p, err := start("parent", procstest.Command("parent"), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	var children []PID
	procstest.Eventually(t, "it has a child", func() bool { children = p.PID.Descendants(); return len(children) == 1 })
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if !awaitGone(children, killWait) {
		t.Error("the child outlives the leader of its group")
	}
}

func TestChildrenDieWithTheirParent(t *testing.T) {
	t.Parallel()
	parent, lines := procstest.Start(t, 1, "doomed")
	number, err := strconv.Atoi(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	child, err := Identify(number)
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if !awaitGone([]PID{child}, killWait) {
		t.Error("the child outlives its killed parent")
	}
}

// A directory isn't ours by its name: what somebody else put there names no process to kill, and is no data for a
// server.
func TestAHomeThatIsNotOursIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(dir string) error
		says string
	}{
		"a link": {func(dir string) error { return os.Symlink(filepath.Dir(dir), dir) }, "is a link or a file"},
		"others can write it": {func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777))
		}, "can be written by others (mode 0777)"},
		"somebody else's": {func(dir string) error {
			if os.Getuid() != 0 { // who can't give one away
				return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o720))
			}
			return errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, 12345, 12345))
		}, map[bool]string{true: "belongs to user 12345", false: "can be written by others"}[os.Getuid() == 0]},
		"another program's": {func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "dump.rdb"), nil, 0o600))
		}, `no file "lock"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := c.make(filepath.Join(dir, "x")); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenHome(dir, "x", procstest.Log(t)); err == nil || !strings.Contains(err.Error(), c.says) ||
				!strings.Contains(err.Error(), "--data") {
				t.Errorf("%v, want %q", err, c.says)
			}
			if _, err := os.Stat(filepath.Join(dir, "x", "lock")); err == nil {
				t.Error("it was taken")
			}
		})
	}
}
