package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/work"
)

// fileStore keeps files below file:// prefixes. Paths are resolved by os.Root, so neither ".." nor a symbolic link,
// not even one made while we look, leads out of the prefix; then the rules are asked again about the real path, since a
// link may lead from a writable prefix into a narrower, read-only one.
//
// Who owns an output is proven by its inode. An attempt writes
//
//	<folder of the output>/.siren/<job>/<attempt>/<name>
//
// and links that file to its final name, which fails when the name is taken. The evidence stays: whoever loses compares
// the final file with those of its own job. It is the same file under two names and costs no space, until the output
// is deleted or replaced; then its data stays until the .siren folder is deleted too.
type fileStore struct{ rules Rules }

func openFiles(Options) (func(Rules) Source, error) {
	return func(r Rules) Source { return fileStore{r} }, nil
}

func (s fileStore) Open(_ context.Context, at Place) (io.ReadCloser, int64, error) {
	root, err := openPrefix(at.Below)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = root.Close() }()
	// Without O_NONBLOCK, opening a pipe would wait for its writer.
	file, err := root.OpenFile(at.name(), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, readError(at, err)
	}
	info, err := file.Stat()
	if err == nil {
		err = s.checkOpened(at, file, info)
	}
	if err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

func (s fileStore) checkOpened(at Place, file *os.File, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return work.Fail(work.BadInput, fmt.Errorf("input %s is a folder", at))
	case !info.Mode().IsRegular():
		return work.Fail(work.NotAllowed, fmt.Errorf("input %s is not a regular file but a pipe, socket or device", at))
	}
	return s.checkReal("input", at, file, Read)
}

// checkReal asks the rules about the path that the open file really has.
func (s fileStore) checkReal(role string, at Place, file *os.File, want Access) error {
	real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if err != nil {
		return fmt.Errorf("%s %s: find its real path: %w", role, at, err)
	}
	if want == Write {
		real = path.Join(real, path.Base(at.Path)) // file is the folder it goes into
	}
	at.Path = real
	if below, ok := s.rules.real(at.Scheme).above(at.Location); !ok || !below.allows(want) {
		return leadsOut(role, at, want)
	}
	return nil
}

func leadsOut(role string, at Place, want Access) error {
	return work.Fail(work.NotAllowed, fmt.Errorf("%s %s: a symbolic link leads out of the storage that jobs may %s",
		role,
		at, want))
}

func readError(at Place, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return missing(at)
	case escapes(err):
		return leadsOut("input", at, Read)
	case errors.Is(err, syscall.ENXIO):
		return work.Fail(work.NotAllowed, fmt.Errorf("input %s is not a regular file but a pipe, socket or device", at))
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG):
		return work.Fail(work.BadInput, fmt.Errorf("input %s: %w", at, reasonIn(err)))
	default:
		return fmt.Errorf("open input %s: %w", at, reasonIn(err))
	}
}

// escapes reports whether os.Root refused a path because it leads out. The package has no exported error for that.
func escapes(err error) bool {
	return strings.HasSuffix(err.Error(), "path escapes from parent")
}

// reasonIn returns the reason inside err, without the operation and path that the message says better.
func reasonIn(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	if l := (*os.LinkError)(nil); errors.As(err, &l) {
		return l.Err
	}
	return err
}

func openPrefix(r Rule) (*os.Root, error) {
	real, err := filepath.EvalSymlinks(r.Path)
	if err != nil {
		return nil, fmt.Errorf("storage %s is missing on this worker (%w): is its volume mounted?", r, reasonIn(err))
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return nil, fmt.Errorf("open storage %s: %w", r, reasonIn(err))
	}
	return root, nil
}

// Readable lists the prefix's folder.
func (s fileStore) Readable(_ context.Context, prefix Rule) error {
	root, err := openPrefix(prefix)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	_, err = fs.ReadDir(root.FS(), ".")
	return err
}

func (s fileStore) Made(ctx context.Context, at Place, job string) (int64, error) {
	folder, err := s.folder(at, false)
	if errors.Is(err, errNoFolder) {
		return Absent, nil
	} else if err != nil {
		return Absent, err
	}
	defer func() { _ = folder.Close() }()
	if err := s.alone(ctx, at); err != nil {
		return Absent, err
	}
	return madeBy(folder, at, job)
}

// madeBy looks for the output among the files that attempts of the job wrote.
func madeBy(folder *os.Root, at Place, job string) (int64, error) {
	name := path.Base(at.Path)
	final, err := folder.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Absent, nil
	} else if err != nil {
		return Absent, writeError(at, err)
	}
	for _, attempt := range attempts(folder, job) {
		if file, err := folder.Lstat(path.Join(location.Reserved, job, attempt, name)); err == nil &&
			os.SameFile(file, final) {
			return final.Size(), nil
		}
	}
	return Absent, outputExists(at)
}

// attemptName is what an attempt is called.
var attemptName = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

// attempts names the attempts of the job that wrote something into this folder: what has an attempt's name, and is
// reached by no link, which would lead to other people's files.
func attempts(folder *os.Root, job string) []string {
	for _, dir := range []string{location.Reserved, path.Join(location.Reserved, job)} {
		if info, err := folder.Lstat(dir); err != nil || !info.IsDir() {
			return nil
		}
	}
	list, err := fs.ReadDir(folder.FS(), path.Join(location.Reserved, job))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range list {
		if e.IsDir() && attemptName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

var errNoFolder = errors.New("the output's folder isn't there")

// folder opens the folder that the output goes into; create makes it, inside the
// prefix only; else it may be errNoFolder.
func (s fileStore) folder(at Place, create bool) (*os.Root, error) {
	root, err := openPrefix(at.Below)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	name := path.Dir(at.name())
	if create {
		if err := root.MkdirAll(name, 0o755); err != nil {
			return nil, writeError(at, err)
		}
	}
	if info, err := root.Stat(name); err == nil && !info.IsDir() {
		return nil, work.Fail(work.BadInput, fmt.Errorf("output %s: its folder is a file", at))
	}
	folder, err := root.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoFolder
	} else if err != nil {
		return nil, writeError(at, err)
	}
	self, err := folder.Open(".")
	if err == nil {
		err = s.checkReal("output", at, self, Write)
		_ = self.Close()
	}
	if err != nil {
		_ = folder.Close()
		return nil, err
	}
	return folder, nil
}

func writeError(at Place, err error) error {
	switch {
	case escapes(err):
		return leadsOut("output", at, Write)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENAMETOOLONG),
		errors.Is(err, syscall.ELOOP):
		return work.Fail(work.BadInput, fmt.Errorf("output %s: %w", at, reasonIn(err)))
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS),
		errors.Is(err, syscall.EMLINK):
		return fmt.Errorf("write output %s: %w; its file system must be able to hard-link files", at, reasonIn(err))
	default:
		return fmt.Errorf("write output %s: %w", at, reasonIn(err))
	}
}
