package procs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// leftoverGrace is how long a process that a crashed run left may need to end after SIGTERM.
const leftoverGrace = 10 * time.Second

// Home is the directory of one server or fleet. It is locked while this process uses it, and its run file names the
// processes that run for it, so that the next run can stop what a crashed one left.
type Home struct {
	Dir       string
	temporary bool
	log       *slog.Logger
	lock      *os.File

	mu      sync.Mutex
	entries []entry
}

// entry is one process in the run file.
type entry struct {
	Name string `json:"name"`
	PID
}

// OpenHome locks dir/name (a temporary directory when dir is "") and stops the processes that its run file still names.
func OpenHome(dir, name string, log *slog.Logger) (*Home, error) {
	h := &Home{log: log, temporary: dir == ""}
	var err error
	if h.temporary {
		h.Dir, err = os.MkdirTemp("", "siren-"+name+"-")
	} else if h.Dir, err = filepath.Abs(filepath.Join(dir, name)); err == nil {
		err = os.MkdirAll(h.Dir, 0o700)
	}
	if err == nil {
		err = refuseHome(h.Dir)
	}
	if err == nil {
		err = h.acquire()
	}
	if err != nil {
		return nil, fmt.Errorf("data directory of %s: %w", name, err)
	}
	if err := h.stopLeftovers(); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// refuseHome returns why the directory can't be a home; nil when it can. Siren trusts what a home holds: its run file
// says which processes to stop, the rest what a server is to load. So its name isn't enough. It must be this user's,
// nobody else may write it, and one that isn't empty must have the lock file of an earlier run.
func refuseHome(dir string) error {
	const other = "choose another directory with --data"
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is a link or a file, not a directory: %s", dir, other)
	case info.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()):
		return fmt.Errorf("%s belongs to user %d, but this process runs as user %d: %s", dir,
			info.Sys().(*syscall.Stat_t).Uid, os.Getuid(), other)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written by others (mode %04o): if what is in it is Siren's, chmod 700 it; else %s",
			dir, info.Mode().Perm(), other)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(list) > 0 && !slices.ContainsFunc(list, func(e fs.DirEntry) bool {
		return e.Name() == lockFile && e.Type().IsRegular()
	}) {
		return fmt.Errorf("%s has files in it, and no file %q of an earlier run of Siren's: %s", dir, lockFile, other)
	}
	return nil
}

// lockFile is the file of a home that is locked while it is used.
const lockFile = "lock"

// acquire takes the lock. It belongs to this process alone (the file is closed on exec), so it is free as soon as this
// process is dead, whatever its children do.
func (h *Home) acquire() error {
	f, err := os.OpenFile(h.Path(lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%s is in use by another running siren; stop that one or choose another directory", h.Dir)
		}
		return fmt.Errorf("lock %s: %w", h.Dir, err)
	}
	h.lock = f
	return nil
}

// Close gives the directory back, and removes it when it was temporary.
func (h *Home) Close() {
	if h.temporary {
		if err := os.RemoveAll(h.Dir); err != nil {
			h.log.Warn("remove the temporary directory", slog.Any("error", err))
		}
	}
	// Closing alone wouldn't do: a child that is being started this moment has a copy until its exec.
	_ = syscall.Flock(int(h.lock.Fd()), syscall.LOCK_UN)
	_ = h.lock.Close()
}

func (h *Home) Path(name ...string) string { return filepath.Join(append([]string{h.Dir}, name...)...) }

// Run starts cmd and writes it to the run file.
func (h *Home) Run(name string, cmd *exec.Cmd, onParentDeath syscall.Signal) (*Process, error) {
	p, err := start(name, cmd, onParentDeath)
	if err != nil {
		return nil, err
	}
	if err := h.add(entry{Name: name, PID: p.PID}); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// add notes a running process, and forgets the ended ones.
func (h *Home) add(e entry) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries = slices.DeleteFunc(h.entries, func(old entry) bool { return !old.Alive() })
	h.entries = append(h.entries, e)
	raw, err := json.Marshal(h.entries)
	if err != nil {
		return fmt.Errorf("run file: %w", err)
	}
	return WriteWhole(h.Path("run.json"), raw)
}

// stopLeftovers stops what the run file of an earlier run names and what still lives.
func (h *Home) stopLeftovers() error {
	raw, err := os.ReadFile(h.Path("run.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var left []entry
	if err == nil {
		err = json.Unmarshal(raw, &left)
	}
	if err != nil {
		return fmt.Errorf("run file of an earlier run: %w; remove %s when none of its processes is left", err,
			h.Path("run.json"))
	}
	var pids []PID
	for _, e := range left {
		if e.Alive() {
			h.log.Info("stopping what an earlier run left", slog.String("process", e.Name), slog.Int("pid", e.Number))
			pids = append(append(pids, e.PID), e.Descendants()...)
			e.signal(syscall.SIGTERM)
		}
	}
	if err := KillAll(pids, leftoverGrace); err != nil {
		return fmt.Errorf("earlier run in %s: %w", h.Dir, err)
	}
	return nil
}

// WriteWhole writes a private file so that a reader sees the old or the new content, never a half.
func WriteWhole(path string, content []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
