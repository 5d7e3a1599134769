package kube

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCurrentContext(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ content, want string }{
		"one":             {kubeconfig, "lab"},
		"none is current": {"apiVersion: v1\nkind: Config\n", ""},
		"not YAML":        {"{", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, "config")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("KUBECONFIG", file)
			if got := CurrentContext(); got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
	t.Setenv("KUBECONFIG", filepath.Join(dir, "missing"))
	if got := CurrentContext(); got != "" {
		t.Errorf("%q of a file that isn't there", got)
	}
}
