package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Drive has Node run a script, which drives Chromium. The script reads what it is told from the file that it is given.
func Drive(ctx context.Context, script string, told any) error {
	text, err := json.Marshal(told)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "siren-browser-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "told.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	node := exec.CommandContext(ctx, "node", script, file)
	node.Stdout, node.Stderr = os.Stdout, os.Stderr
	if err := node.Run(); err != nil {
		return fmt.Errorf("%s: it isn't as it should be: %w", script, err)
	}
	return nil
}
