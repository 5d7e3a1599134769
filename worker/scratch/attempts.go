package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// marker is the file by which we know the folder of attempts again as our own, and markerText what it holds.
const (
	marker     = ".siren"
	markerText = "siren worker keeps the files of running jobs in this folder, and deletes from it what workers " +
		"that died have left.\n"
)

// attemptsFolder returns the name of our folder below the scratch folder. Users may share a scratch folder, so each has
// its own.
func attemptsFolder() string { return fmt.Sprintf("siren-attempts-%d", os.Getuid()) }

// openAttempts opens our folder below dir; create makes it, else fs.ErrNotExist says that it isn't there. A name alone
// makes nothing ours: a link, a folder of somebody else's or one that others can write, and one that has something in
// it but no marker, are refused, and nothing in them is touched.
func openAttempts(dir string, create bool) (_ *os.Root, err error) {
	path := filepath.Join(dir, attemptsFolder())
	if create {
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make the folder of attempts: %w", err)
		}
	}
	named, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := refuseFolder(path, named); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open the folder of attempts: %w", err)
	}
	defer func() {
		if err != nil {
			_ = root.Close()
		}
	}()
	opened, err := root.Stat(".")
	if err != nil {
		return nil, err
	}
	if !os.SameFile(named, opened) {
		return nil, fmt.Errorf("somebody replaced %s by another folder; name another scratch folder with "+
			"--scratch", path)
	}
	return root, claim(root, path, create)
}

// refuseFolder returns why what is at the path can't be our folder; nil when it can.
func refuseFolder(path string, info fs.FileInfo) error {
	const other = "remove it, or name another scratch folder with --scratch"
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is a link or a file, not a folder: %s", path, other)
	case !mine(info):
		return fmt.Errorf("%s belongs to user %d, not to %d, whom this process runs as: %s", path,
			info.Sys().(*syscall.Stat_t).Uid, os.Getuid(), other)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written by others (mode %04o): if what is in it is Siren's, chmod 700 it; else %s",
			path, info.Mode().Perm(), other)
	}
	return nil
}

func mine(info fs.FileInfo) bool { return info.Sys().(*syscall.Stat_t).Uid == uint32(os.Getuid()) }

// claim makes sure of the marker. An empty folder gets it where mark is set; one that has something else in it must
// have it.
func claim(root *os.Root, path string, mark bool) error {
	top, err := lock(root, ".", syscall.LOCK_EX) // another worker may be at it
	if err != nil {
		return err
	}
	defer func() { _ = top.Close() }()
	list, err := top.ReadDir(-1)
	if err != nil {
		return fmt.Errorf("read the folder of attempts: %w", err)
	}
	text := ""
	if info, err := root.Lstat(marker); err == nil && info.Mode().IsRegular() && info.Size() <= int64(len(markerText)) {
		raw, err := root.ReadFile(marker)
		if err != nil {
			return fmt.Errorf("read the marker of the folder of attempts: %w", err)
		}
		text = string(raw)
	}
	// who wrote it died meanwhile
	begun := len(list) == 1 && list[0].Name() == marker && list[0].Type().IsRegular() &&
		strings.HasPrefix(markerText, text)
	switch {
	case text == markerText:
		return nil
	case len(list) > 0 && !begun:
		return fmt.Errorf("%s has files in it, and no marker that says they are Siren's: move them elsewhere, or "+
			"name another scratch folder with --scratch", path)
	case !mark:
		return nil
	}
	return writeMarker(root)
}

func writeMarker(root *os.Root) error {
	if err := root.WriteFile(marker, []byte(markerText), 0o600); err != nil {
		return fmt.Errorf("mark the folder of attempts as Siren's: %w", err)
	}
	return nil
}

// touchMarker keeps the marker young: cleaners of /tmp remove files that are old.
func touchMarker(root *os.Root) error {
	now := time.Now()
	if err := root.Chtimes(marker, now, now); errors.Is(err, fs.ErrNotExist) {
		return writeMarker(root)
	}
	return nil
}
