package scratch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Try does below an operator's folder what Open and Make do there, and takes it away again.
func Try(in string) error {
	if ours, err := openAttempts(in, false); err == nil {
		_ = ours.Close()
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	probe, err := os.MkdirTemp(in, ".siren-doctor-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(probe) }()
	root, err := os.OpenRoot(probe)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	held, err := lock(root, ".", syscall.LOCK_EX)
	if err != nil {
		return err
	}
	return errors.Join(root.WriteFile("file", make([]byte, 4096), 0o600), held.Close())
}

// Dir returns the absolute path of the folder that an operator names; "" is the system's temporary folder.
func Dir(dir string) (string, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("scratch folder: %w", err)
	}
	return dir, nil
}
