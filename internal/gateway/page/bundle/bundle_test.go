package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is embedded is made of the sources as they are.
func TestBundleIsUpToDate(t *testing.T) {
	files, err := bundle("../web")
	if err != nil {
		t.Fatal(err)
	}
	there, err := os.ReadDir("../dist")
	if err != nil {
		t.Fatal(err)
	}
	if len(there) != len(files) {
		t.Errorf("dist has %d files, and %d are made", len(there), len(files))
	}
	for name, content := range files {
		if got, err := os.ReadFile(filepath.Join("../dist", name)); err != nil || !bytes.Equal(got, content) {
			t.Errorf("dist/%s isn't what is made: run `make generate` (%v)", name, err)
		}
	}
}
