package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMeasure measures a package in which two files name each other, a third is only named, and one line is too long.
func TestMeasure(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"a.go":      "package p\n\nimport \"fmt\"\n\nfunc A(n int) { fmt.Println(b(n), c) }\n",
		"b.go":      "package p\n\nfunc b(n int) int { A(n); c := n; return c }\n\nvar _, D, e = 1, 2, 3\n",
		"c.go":      "package p\n\nconst c = 1\n\n// " + strings.Repeat("x", longLine-2) + "\n",
		"c_test.go": "package p\n\nfunc Tested() int { return b(c) }\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rooms, err := measure(folder)
	if err != nil || len(rooms) != 1 {
		t.Fatalf("measured %d packages, %v; want one", len(rooms), err)
	}
	r := rooms[0]
	for i, f := range r.cycle {
		r.cycle[i] = filepath.Base(f)
	}
	if want := []string{"a.go", "b.go"}; !slices.Equal(r.cycle, want) {
		t.Errorf("files in a circle: %v, want %v", r.cycle, want)
	}
	if want := []string{"A", "D"}; !slices.Equal(r.names, want) {
		t.Errorf("exported names: %v, want %v", r.names, want)
	}
	if r.lines != 15 || r.long != 1 {
		t.Errorf("%d lines, %d of them too long; want 15 and 1", r.lines, r.long)
	}
}
