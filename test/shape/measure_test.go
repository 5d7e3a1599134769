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
	write(t, folder, map[string]string{
		"go.mod":    "module p\n",
		"a.go":      "package p\n\nimport \"fmt\"\n\nfunc A(n int) { fmt.Println(b(n), c) }\n",
		"b.go":      "package p\n\nfunc b(n int) int { A(n); c := n; return c }\n\nvar _, D, e = 1, 2, 3\n",
		"c.go":      "package p\n\nconst c = 1\n\n// " + strings.Repeat("x", longLine-2) + "\n",
		"c_test.go": "package p\n\nfunc Tested() int { return b(c) }\n",
	})
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

// TestHelpers tells the packages that only tests need from the others.
func TestHelpers(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, map[string]string{
		"go.mod":              "module example.org/m\n\ngo 1.26\n",
		"cmd/main.go":         "package main\n\nimport _ \"example.org/m/inner\"\n\nfunc main() {}\n",
		"inner/inner.go":      "package inner\n",
		"inner/inner_test.go": "package inner\n\nimport _ \"example.org/m/helper\"\n",
		"helper/helper.go":    "package helper\n\nimport _ \"example.org/m/below\"\n",
		"below/below.go":      "package below\n",
		"both/both.go":        "package both\n",
		"public/public.go":    "package public\n\nimport _ \"example.org/m/both\"\n", // others may import it
		"tests/a_test.go": "package tests\n\nimport (\n\t_ \"example.org/m/both\"\n\t_ " +
			"\"example.org/m/below\"\n)\n",
	})
	rooms, err := measure(folder)
	if err != nil {
		t.Fatal(err)
	}
	var helpers []string
	for _, r := range rooms {
		if r.helper {
			helpers = append(helpers, filepath.Base(r.path))
		}
	}
	if want := []string{"below", "helper"}; !slices.Equal(helpers, want) {
		t.Errorf("needed by tests only: %v, want %v", helpers, want)
	}
	var out strings.Builder
	report(&out, rooms)
	if want := "10 lines without tests"; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in\n%s", want, out.String())
	}
}

func write(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
