package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/work"
)

// Commit writes the attempt's file beside the output and links it to the final name (see fileStore).
func (s fileStore) Commit(ctx context.Context, at Place, p Product) (bool, int64, error) {
	folder, err := s.folder(at, true)
	if err != nil {
		return false, Absent, err
	}
	defer func() { _ = folder.Close() }()
	if err := s.alone(ctx, at); err != nil {
		return false, Absent, err
	}
	name, own := path.Base(at.Path), path.Join(location.Reserved, p.Job.ID, p.Attempt)
	size, err := writeAttempt(ctx, folder, path.Join(own, name), p.File)
	if err != nil {
		discard(folder, p.Job.ID, p.Attempt)
		return false, Absent, writeError(at, err)
	}
	if p.Job.Overwrite {
		err = folder.Rename(path.Join(own, name), name)
		discard(folder, p.Job.ID, p.Attempt) // only the emptied folders are left
	} else {
		err = folder.Link(path.Join(own, name), name)
	}
	if errors.Is(err, fs.ErrExist) && !p.Job.Overwrite {
		discard(folder, p.Job.ID, p.Attempt)
		size, err = madeBy(folder, at, p.Job.ID)
		if err == nil && size == Absent {
			err = fmt.Errorf("output %s was there and is gone again; someone else removes files there", at)
		}
		return err == nil, size, err
	}
	if errors.Is(err, fs.ErrExist) { // which of all names only a folder's is taken for then
		return false, Absent, work.Fail(work.OutputExists, fmt.Errorf("output %s is a folder, which no file replaces: "+
			"choose another name", at))
	}
	if err != nil {
		discard(folder, p.Job.ID, p.Attempt)
		return false, Absent, writeError(at, err)
	}
	if err := syncFolder(folder, "."); err != nil {
		return false, Absent, writeError(at, err)
	}
	for _, other := range attempts(folder, p.Job.ID) {
		if other != p.Attempt { // attempts that died, or come too late
			discard(folder, p.Job.ID, other)
		}
	}
	return false, size, nil
}

// writeAttempt copies from into the new file name below folder, with its folders, and makes all of it durable.
func writeAttempt(ctx context.Context, folder *os.Root, name string, from *os.File) (int64, error) {
	// Whoever discards the last attempt of another job removes .siren, perhaps just after we made it.
	err := folder.MkdirAll(path.Dir(name), 0o755)
	for tries := 0; errors.Is(err, fs.ErrNotExist) && tries < 100; tries++ {
		err = folder.MkdirAll(path.Dir(name), 0o755)
	}
	if err != nil {
		return 0, err
	}
	out, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return 0, err
	}
	size, err := copyOut(ctx, out, from)
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return 0, err
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if err := syncFolder(folder, dir); err != nil {
			return 0, err
		}
	}
	return size, nil
}

// copyOut copies in steps, so that the kernel can share blocks (copy_file_range) and a cancelled job still stops soon.
func copyOut(ctx context.Context, out, in *os.File) (int64, error) {
	var size int64
	for {
		if err := ctx.Err(); err != nil {
			return size, err
		}
		n, err := io.CopyN(out, in, 64<<20)
		size += n
		if errors.Is(err, io.EOF) {
			return size, nil
		} else if err != nil {
			return size, err
		}
	}
}

func syncFolder(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// discard removes what an attempt wrote, and the folders around it when they are empty. The output itself stays.
func discard(folder *os.Root, job, attempt string) {
	_ = folder.RemoveAll(path.Join(location.Reserved, job, attempt))
	_ = folder.Remove(path.Join(location.Reserved, job))
	_ = folder.Remove(location.Reserved)
}

// Remove deletes the output, and what attempts of the jobs left.
func (s fileStore) Remove(_ context.Context, at Place, jobs ...string) error {
	folder, err := s.folder(at, false)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	for _, job := range jobs {
		for _, attempt := range attempts(folder, job) {
			discard(folder, job, attempt)
		}
	}
	return folder.Remove(path.Base(at.Path))
}
