// Package dist tests scripts/dist, as far as it needs no release made: `make dist-check` makes one twice.
package dist

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The copy of the source that the second making starts from is what lies there: with what isn't committed yet, and
// without what was deleted.
func TestCopyIsWhatLiesThere(t *testing.T) {
	script, err := os.ReadFile("../../scripts/dist")
	if err != nil {
		t.Fatal(err)
	}
	tree, to := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(program string, args ...string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), program, args...)
		c.Dir = tree
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v\n%s", program, args, err, out)
		}
	}
	write("scripts/dist", string(script))
	write("deleted", "was committed")
	write("a b", "old")
	write(".gitignore", "/ignored\n")
	run("git", "init", "-q")
	run("git", "add", "-A")
	run("git", "-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-qm", "all")
	if err := os.Remove(filepath.Join(tree, "deleted")); err != nil {
		t.Fatal(err)
	}
	write("a b", "new")
	write("folder/untracked", "new")
	write("ignored", "new")
	run("scripts/dist", "copy", to)

	for name, want := range map[string]string{
		"a b": "new", "folder/untracked": "new", "deleted": "", "ignored": "", "scripts/dist": string(script),
	} {
		got, err := os.ReadFile(filepath.Join(to, name))
		if string(got) != want || (err != nil) != (want == "") {
			t.Errorf("%s: %v, %q", name, err, got)
		}
	}
}
