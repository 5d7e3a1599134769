package media

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// scratch is the folder that attempts get private folders in. Several workers may share it: each holds a lock on the
// folders of its own attempts, which the kernel lets go of when the worker dies, however it dies.
type scratch struct {
	path string
	log  *slog.Logger
}

// folderPrefix marks what is ours in the scratch folder, so that a scratch folder that holds other things too (/tmp by
// mistake) loses none of them.
const folderPrefix = "siren-"

func openScratch(path string, log *slog.Logger) (*scratch, error) {
	ours := path == ""
	if ours {
		path = filepath.Join(os.TempDir(), fmt.Sprintf("siren-scratch-%d", os.Getuid()))
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("scratch folder: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the scratch folder: %w", err)
	}
	// Anyone may make a folder under /tmp before us, and would own what we put there.
	if info, err := os.Stat(path); ours && err == nil && info.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()) {
		return nil, fmt.Errorf("the scratch folder %s belongs to someone else; name another one", path)
	}
	s := &scratch{path: path, log: log}
	return s, s.sweep()
}

// sweep removes the folders that nobody holds.
func (s *scratch) sweep() error {
	top, err := lock(s.path, syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer func() { _ = top.Close() }()
	list, err := os.ReadDir(s.path)
	if err != nil {
		return fmt.Errorf("read the scratch folder: %w", err)
	}
	for _, e := range list {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), folderPrefix) {
			continue
		}
		left := filepath.Join(s.path, e.Name())
		held, err := lock(left, syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			continue // its worker lives
		}
		s.log.Info("removing what a dead worker left", slog.String("folder", left))
		if err := os.RemoveAll(left); err != nil {
			s.log.Warn("can't remove what a dead worker left", slog.String("folder", left), slog.Any("error", err))
		}
		_ = held.Close()
	}
	return nil
}

// scratchFolder is the private folder of one attempt.
type scratchFolder struct {
	path string
	held *os.File
	log  *slog.Logger
}

// make makes the private, empty folder of an attempt.
func (s *scratch) make(job, attempt string) (*scratchFolder, error) {
	if attempt == "" || strings.ContainsAny(attempt, "/\x00") || strings.Trim(attempt, ".") == "" {
		return nil, fmt.Errorf("attempt %q doesn't name a folder", attempt)
	}
	if err := os.MkdirAll(s.path, 0o700); err != nil { // a cleaner of /tmp may have been there
		return nil, fmt.Errorf("make the scratch folder: %w", err)
	}
	top, err := lock(s.path, syscall.LOCK_SH) // a sweep must not see the folder before it is held
	if err != nil {
		return nil, err
	}
	defer func() { _ = top.Close() }()
	path := filepath.Join(s.path, folderPrefix+job+"-"+attempt)
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the attempt's scratch folder: %w", err)
	}
	held, err := lock(path, syscall.LOCK_EX)
	if err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	return &scratchFolder{path, held, s.log}, nil
}

func (f *scratchFolder) remove() {
	if err := os.RemoveAll(f.path); err != nil {
		f.log.Error("can't remove a scratch folder", slog.String("folder", f.path), slog.Any("error", err))
	}
	_ = f.held.Close()
}

// lock opens a folder and locks it until it is closed.
func lock(path string, how int) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("scratch: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
