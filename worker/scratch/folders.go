// Package scratch gives each attempt at a job a private folder, and takes away what dead workers left. It owns one
// folder below the one that an operator names, and touches nothing else there. It doesn't know what is in the files.
package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"

	"github.com/polyglot-media/siren/lanes/job"
)

// Folders is where attempts get private folders: all of them in one folder of ours below the scratch folder that the
// operator names. That one may be anybody's, /tmp or a volume of mode 0777, and hold anything: nothing in it is touched
// but our folder,
//
//	<scratch folder>/siren-attempts-<user id>/<job>-<attempt>
//
// which has a marker in it (see attemptsFolder). Once it is open all goes by its descriptor, so whoever may rename it
// or put another in its place gains nothing. Several workers may share it: each holds a lock on the folders of its own
// attempts, which the kernel lets go of when the worker dies, however it dies.
type Folders struct {
	dir string // the operator's
	log *slog.Logger

	mu   sync.Mutex
	ours *os.Root
}

// attemptForm is what the folder of an attempt is called, job-attempt. The marker's name doesn't fit.
var attemptForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}-[A-Za-z0-9_]{1,64}$`)

// Open opens our folder below dir, "" being the system's temporary folder, and removes what dead workers left in
// it.
func Open(dir string, log *slog.Logger) (*Folders, error) {
	dir, err := Dir(dir)
	if err != nil {
		return nil, err
	}
	s := &Folders{dir: dir, log: log}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reopen(); err != nil {
		return nil, err
	}
	if err := s.sweep(); err != nil {
		_ = s.ours.Close()
		return nil, err
	}
	return s, nil
}

// reopen makes our folder where it isn't there, as when a cleaner of /tmp has been there, and opens it. The caller
// holds mu.
func (s *Folders) reopen() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the scratch folder: %w", err)
	}
	ours, err := openAttempts(s.dir, true)
	if err != nil {
		return err
	}
	if s.ours != nil {
		_ = s.ours.Close()
	}
	s.ours = ours
	return nil
}

// sweep removes the attempts that nobody holds: what has an attempt's name, is a folder and no link, and is our own.
// The caller holds mu.
func (s *Folders) sweep() error {
	top, err := lock(s.ours, ".", syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer func() { _ = top.Close() }()
	list, err := top.ReadDir(-1)
	if err != nil {
		return fmt.Errorf("read the scratch folder: %w", err)
	}
	for _, e := range list {
		info, err := s.ours.Lstat(e.Name())
		if err != nil || !info.IsDir() || !mine(info) || !attemptForm.MatchString(e.Name()) {
			continue
		}
		held, err := lock(s.ours, e.Name(), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			continue // its worker lives
		}
		left := slog.String("folder", filepath.Join(s.dir, attemptsFolder(), e.Name()))
		s.log.Info("removing what a dead worker left", left)
		if err := s.ours.RemoveAll(e.Name()); err != nil {
			s.log.Warn("can't remove what a dead worker left", left, slog.Any("error", err))
		}
		_ = held.Close()
	}
	return nil
}

// Folder is the private folder of one attempt. All is done by its descriptors, whatever becomes of the names that lead
// to it.
type Folder struct {
	*os.Root
	name string
	held *os.File // the folder itself, locked
	in   *Folders
}

// Make makes the private, empty folder of an attempt.
func (s *Folders) Make(j, attempt string) (*Folder, error) {
	name := j + "-" + attempt
	if !job.ValidID(j) || !attemptForm.MatchString(name) {
		return nil, fmt.Errorf("attempt %q of job %q doesn't name a folder", attempt, j)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	folder, err := s.makeIn(name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.reopen(); err != nil {
			return nil, err
		}
		folder, err = s.makeIn(name)
	}
	if err != nil {
		return nil, fmt.Errorf("make the attempt's scratch folder: %w", err)
	}
	return folder, nil
}

func (s *Folders) makeIn(name string) (*Folder, error) {
	top, err := lock(s.ours, ".", syscall.LOCK_SH) // a sweep must not see the folder before it is held
	if err != nil {
		return nil, err
	}
	defer func() { _ = top.Close() }()
	if err := s.ours.Mkdir(name, 0o700); err != nil {
		return nil, err
	}
	f := &Folder{name: name, in: s}
	if f.Root, err = s.ours.OpenRoot(name); err == nil {
		f.held, err = lock(f.Root, ".", syscall.LOCK_EX)
	}
	if err == nil {
		err = touchMarker(s.ours)
	}
	if err != nil {
		f.close()
		_ = s.ours.Remove(name)
		return nil, err
	}
	return f, nil
}

func (f *Folder) close() {
	if f.Root != nil {
		_ = f.Close()
	}
	if f.held != nil {
		_ = f.held.Close()
	}
}

// Discard empties the folder and takes it away.
func (f *Folder) Discard() {
	f.in.mu.Lock()
	defer f.in.mu.Unlock()
	if err := f.in.ours.RemoveAll(f.name); err != nil {
		f.in.log.Error("can't remove a scratch folder", slog.String("folder", f.name), slog.Any("error", err))
	}
	f.close()
}

// Path leads this process, and a child of it before it becomes a program, to the very folder.
func (f *Folder) Path() string { return fmt.Sprintf("/proc/self/fd/%d", f.held.Fd()) }

// OpenMade opens what a program has left there. A hostile one may have left a link, which must not lead out, or a pipe,
// which must not be waited for.
func (f *Folder) OpenMade(name string) (*os.File, error) {
	file, err := f.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = file.Close()
		return nil, errors.Join(err, fmt.Errorf("%s is not a regular file", name))
	}
	return file, nil
}

// Full reports whether the folder's disk has no block left. Then nobody can tell whether the last write is there: the
// muxer of pictures doesn't say.
func (f *Folder) Full() bool {
	var disk syscall.Statfs_t
	// no blocks: a tmpfs without a size
	return syscall.Fstatfs(int(f.held.Fd()), &disk) == nil && disk.Blocks > 0 && disk.Bfree == 0
}

// lock opens a folder below root and locks it until it is closed.
func lock(root *os.Root, name string, how int) (*os.File, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("scratch: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("scratch: lock %s: %w", name, err)
	}
	return f, nil
}
