package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWho(t *testing.T) {
	config := filepath.Join(t.TempDir(), "kubeconfig")
	t.Setenv("KUBECONFIG", config)
	t.Setenv("SIREN_USER", "")
	host, err := os.Hostname()
	if err := err; err != nil {
		t.Fatal(err)
	}
	if got := Who(""); !strings.HasSuffix(got, "@"+host) || strings.HasPrefix(got, "@") {
		t.Errorf("who() = %q", got)
	}
	if err := os.WriteFile(config, []byte("apiVersion: v1\nkind: Config\ncurrent-context: lab\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SIREN_USER", "ann\n\x1b[2J")
	if got, want := Who(""), "ann �[2J (kube context lab)"; got != want {
		t.Errorf("who() = %q, not %q", got, want)
	}
	if got, want := Who("bob"), "bob (kube context lab)"; got != want {
		t.Errorf("who() of a name = %q, not %q", got, want)
	}
}
