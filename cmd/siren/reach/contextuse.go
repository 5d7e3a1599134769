package reach

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// currentLine is the line of the file of contexts that names the current one.
var currentLine = regexp.MustCompile(`(?m)^current:.*$`)

// Use makes the named context the current one. All else in the file, comments too, stays as it is.
func (f Contexts) Use(name string) error {
	if f.path == "" {
		_, err := contextPath()
		return err
	}
	data, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the file of contexts: %w", err)
	}
	text, line := string(data), "current: "+name
	changed := line + "\n" + text
	if at := currentLine.FindStringIndex(text); at != nil {
		changed = text[:at[0]] + line + text[at[1]:]
	}
	if now, err := parseContexts([]byte(changed)); err != nil || now.Current != name ||
		len(now.Contexts) != len(f.Contexts) {
		return fmt.Errorf("%s is written in a way that can't be changed from here: write `%s` into it yourself", f.path,
			line)
	}
	if err := replaceFile(f.path, []byte(changed)); err != nil {
		return fmt.Errorf("write the file of contexts: %w", err)
	}
	return nil
}

// replaceFile writes a file in one step, so that nobody reads half of it. Where it is a link, the link stays.
func replaceFile(path string, text []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".config-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // but for what has become the file
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if was, err := os.Stat(path); err == nil {
		if err := os.Chmod(f.Name(), was.Mode().Perm()); err != nil {
			return err
		}
	}
	return os.Rename(f.Name(), path)
}
