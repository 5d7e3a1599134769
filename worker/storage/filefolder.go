package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/work"
)

// MadeFolder reads the manifest. A folder without one is somebody's: only ours appear at once.
func (s fileStore) MadeFolder(ctx context.Context, at Place, id string) (*job.Manifest, error) {
	parent, err := s.folder(at, false)
	if errors.Is(err, errNoFolder) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer func() { _ = parent.Close() }()
	if err := s.alone(ctx, at); err != nil {
		return nil, err
	}
	return s.madeIn(ctx, parent, at, id)
}

func (s fileStore) madeIn(ctx context.Context, parent *os.Root, at Place, id string) (*job.Manifest, error) {
	list, err := fs.ReadDir(parent.FS(), path.Base(at.Path))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(list) == 0:
		return nil, nil
	case err != nil && !errors.Is(err, syscall.ENOTDIR):
		return nil, writeError(at, err)
	}
	m, err := made(ctx, s, at, id)
	if m == nil && err == nil {
		err = outputExists(at)
	}
	return m, err
}

// replaceable refuses to replace what isn't wholly an output of Siren's: a file, or a folder in which there is anything
// that its manifest doesn't list.
func (s fileStore) replaceable(ctx context.Context, parent *os.Root, at Place) error {
	name := path.Base(at.Path)
	list, err := fs.ReadDir(parent.FS(), name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(list) == 0 {
		return nil
	}
	ours := map[string]bool{path.Join(name, job.ManifestName): true}
	if m, err := readManifest(ctx, s, at); err == nil {
		for _, f := range m.Files {
			ours[path.Join(name, f.Name)] = true
		}
	}
	err = fs.WalkDir(parent.FS(), name, func(file string, e fs.DirEntry, err error) error {
		if err == nil && !ours[file] && (!e.IsDir() || path.Base(file) == location.Reserved) {
			err = strange(at, path.Base(file))
		}
		return err
	})
	if work.KindOf(err) == work.OutputExists {
		return err
	} else if err != nil {
		return writeError(at, err)
	}
	return nil
}

// CommitFolder writes the attempt's files and then the manifest into a folder beside the output,
//
//	<folder of the output>/.siren/<job>/<attempt>/<name>/
//
// and renames it, which fails when a folder of that name is there and isn't empty.
func (s fileStore) CommitFolder(ctx context.Context, at Place, f Folder) (bool, *job.Manifest, error) {
	parent, err := s.folder(at, true)
	if err != nil {
		return false, nil, err
	}
	defer func() { _ = parent.Close() }()
	if err := s.alone(ctx, at); err != nil {
		return false, nil, err
	}
	defer discard(parent, f.Job.ID, f.Attempt)
	name, own := path.Base(at.Path), path.Join(location.Reserved, f.Job.ID, f.Attempt)
	err = writeFolder(ctx, parent, path.Join(own, name), &f)
	if err == nil && f.Job.Overwrite {
		if err := s.replaceable(ctx, parent, at); err != nil {
			return false, nil, err
		}
		err = parent.Rename(name, path.Join(own, ".old"))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = renameFolder(parent, path.Join(own, name), name)
	}
	if err == nil {
		err = syncFolder(parent, ".")
	} else if !f.Job.Overwrite { // it may be there; and whoever is faster takes away what other attempts are writing
		if m, found := s.madeIn(ctx, parent, at, f.Job.ID); m != nil || found != nil {
			return m != nil, m, found
		}
	}
	if err != nil {
		return false, nil, writeError(at, err)
	}
	for _, other := range attempts(parent, f.Job.ID) {
		discard(parent, f.Job.ID, other) // attempts that died, or come too late
	}
	return false, &f.Manifest, nil
}

// renameFolder renames a folder of an attempt's, and replaces an empty folder, which os.Root's Rename refuses to.
// Neither name is looked up further than in the folders that are open, so no link leads out.
func renameFolder(parent *os.Root, from, to string) error {
	own, err := parent.Open(path.Dir(from))
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }()
	dir, err := parent.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	err = syscall.Renameat(int(own.Fd()), path.Base(from), int(dir.Fd()), to)
	if err != nil {
		return &os.LinkError{Op: "renameat", Old: from, New: to, Err: err}
	}
	return nil
}

// alone refuses an output that would lie in a folder that a job made: its manifest lists all that is in it, and nothing
// that has more in it is replaced.
func (s fileStore) alone(ctx context.Context, at Place) error {
	dir := at
	dir.Folder = true
	for dir.Path = path.Dir(at.Path); strings.HasPrefix(dir.Path+"/", at.Below.Path); dir.Path = path.Dir(dir.Path) {
		if m, err := readManifest(ctx, s, dir); err == nil {
			return work.Fail(work.OutputExists, fmt.Errorf("output %s would lie in %s, the output of job %s: choose a "+
				"name outside of it", at, dir, m.Job))
		}
		if dir.Path == "/" {
			break
		}
	}
	return nil
}

// writeFolder writes the folder's files, and the manifest last, below the folder name.
func writeFolder(ctx context.Context, parent *os.Root, name string, f *Folder) error {
	for i := range f.Manifest.Files {
		about := &f.Manifest.Files[i]
		file, err := f.sum(about)
		if err != nil {
			return err
		}
		_, err = writeAttempt(ctx, parent, path.Join(name, about.Name), file)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	out, err := parent.OpenFile(path.Join(name, job.ManifestName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = out.Write(f.text())
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close(), syncFolder(parent, name))
}
