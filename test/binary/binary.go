// Package binary makes the siren that is tested from outside.
package binary

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build builds siren. The program runs within the sources.
func Build(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path,
		"github.com/polyglot-media/siren/cmd/siren").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build siren: %w\n%s", err, out)
	}
	return nil
}

// Watch looks at every source file below root, so that go test's cache knows what the siren under test is made of. It
// takes note of what tests look at, and not of what is done before them: so call it in a test.
func Watch(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(path); !d.IsDir() && (ext == ".go" || ext == ".lua" || ext == ".yaml") &&
			!strings.HasSuffix(path, "_test.go") {
			_, err = os.Stat(path)
		}
		return err
	})
}
