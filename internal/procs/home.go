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

// home is the directory of one server or fleet. It is locked while this process uses it, and its run file names the
// processes that run for it, so that the next run can stop what a crashed one left.
type home struct {
	dir       string
	temporary bool
	log       *slog.Logger
	lock      *os.File

	mu      sync.Mutex
	entries []entry
}

// entry is one process in the run file.
type entry struct {
	Name string `json:"name"`
	pid
}

// openHome locks dir/name (a temporary directory when dir is "") and stops the processes that its run file still names.
func openHome(dir, name string, log *slog.Logger) (*home, error) {
	h := &home{log: log, temporary: dir == ""}
	var err error
	if h.temporary {
		h.dir, err = os.MkdirTemp("", "siren-"+name+"-")
	} else if h.dir, err = filepath.Abs(filepath.Join(dir, name)); err == nil {
		err = os.MkdirAll(h.dir, 0o700)
	}
	if err == nil {
		err = refuseHome(h.dir)
	}
	if err == nil {
		err = h.acquire()
	}
	if err != nil {
		return nil, fmt.Errorf("data directory of %s: %w", name, err)
	}
	if err := h.stopLeftovers(); err != nil {
		h.close()
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
func (h *home) acquire() error {
	f, err := os.OpenFile(h.path(lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%s is in use by another running siren; stop that one or choose another directory", h.dir)
		}
		return fmt.Errorf("lock %s: %w", h.dir, err)
	}
	h.lock = f
	return nil
}

// close gives the directory back, and removes it when it was temporary.
func (h *home) close() {
	if h.temporary {
		if err := os.RemoveAll(h.dir); err != nil {
			h.log.Warn("remove the temporary directory", slog.Any("error", err))
		}
	}
	// Closing alone wouldn't do: a child that is being started this moment has a copy until its exec.
	_ = syscall.Flock(int(h.lock.Fd()), syscall.LOCK_UN)
	_ = h.lock.Close()
}

func (h *home) path(name ...string) string { return filepath.Join(append([]string{h.dir}, name...)...) }

// run starts cmd and writes it to the run file.
func (h *home) run(name string, cmd *exec.Cmd, onParentDeath syscall.Signal) (*process, error) {
	p, err := start(name, cmd, onParentDeath)
	if err != nil {
		return nil, err
	}
	if err := h.add(entry{Name: name, pid: p.pid}); err != nil {
		return nil, errors.Join(err, p.kill())
	}
	return p, nil
}

// add notes a running process, and forgets the ended ones.
func (h *home) add(e entry) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries = slices.DeleteFunc(h.entries, func(old entry) bool { return !old.alive() })
	h.entries = append(h.entries, e)
	raw, err := json.Marshal(h.entries)
	if err != nil {
		return fmt.Errorf("run file: %w", err)
	}
	return writeWhole(h.path("run.json"), raw)
}

// stopLeftovers stops what the run file of an earlier run names and what still lives.
func (h *home) stopLeftovers() error {
	raw, err := os.ReadFile(h.path("run.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var left []entry
	if err == nil {
		err = json.Unmarshal(raw, &left)
	}
	if err != nil {
		return fmt.Errorf("run file of an earlier run: %w; remove %s when none of its processes is left", err,
			h.path("run.json"))
	}
	var pids []pid
	for _, e := range left {
		if e.alive() {
			h.log.Info("stopping what an earlier run left", slog.String("process", e.Name), slog.Int("pid", e.Number))
			pids = append(append(pids, e.pid), e.descendants()...)
			e.signal(syscall.SIGTERM)
		}
	}
	if awaitGone(pids, leftoverGrace) {
		return nil
	}
	if err := killAll(pids); err != nil {
		return fmt.Errorf("earlier run in %s: %w", h.dir, err)
	}
	return nil
}

// writeWhole writes a private file so that a reader sees the old or the new content, never a half.
func writeWhole(path string, content []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
