package site

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// disk is a small disk of its own, so that it can be full without anything else being it.
type disk struct{ path string }

const diskSize = "24m"

// mountDisk needs root. Without it there would be no such fault, and that is no reason to pass.
func mountDisk(path string) (*disk, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "mode=0700,size="+diskSize); err != nil {
		return nil, fmt.Errorf("mount a small disk for the scratch files of a worker, to be filled: %w; this needs "+
			"root, or a kernel that lets users make namespaces; in a container CAP_SYS_ADMIN", err)
	}
	return &disk{path}, nil
}

func (d *disk) filler() string { return filepath.Join(d.path, "filler") }

// FillBut leaves only so many blocks free.
func (d *disk) FillBut(blocks int64) error {
	err := d.fill()
	if err != nil || blocks == 0 {
		return err
	}
	info, err := os.Stat(d.filler())
	if err != nil {
		return err
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(d.path, &disk); err != nil {
		return err
	}
	return os.Truncate(d.filler(), info.Size()/disk.Bsize*disk.Bsize-blocks*disk.Bsize)
}

// fill leaves no byte free. The error is that of the file system, which must be that it is full.
func (d *disk) fill() error {
	f, err := os.Create(d.filler())
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for block := bytes.Repeat([]byte{1}, 64<<10); ; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Empty undoes FillBut.
func (d *disk) Empty() error {
	err := os.Remove(d.filler())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// unmount takes it away, also when somebody still looks at it.
func (d *disk) unmount() error { return syscall.Unmount(d.path, unix.MNT_DETACH) }
