package main

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// modulePath returns the path of the module whose go.mod is in the folder.
func modulePath(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(strings.TrimPrefix(first, "module")), nil
}

// imports lists the paths of the packages that a file imports.
func imports(f *ast.File) (paths []string) {
	for _, i := range f.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// markHelpers finds the packages that only tests need: imported by tests or by other such packages, and by nothing
// else. A program isn't one, nor is what nothing here imports.
func markHelpers(rooms []room, module, root string) {
	imported, needed := map[string]bool{}, map[string]bool{}
	byPath := map[string]*room{}
	for i := range rooms {
		r := &rooms[i]
		within, _ := filepath.Rel(root, r.path)
		byPath[path.Join(module, filepath.ToSlash(within))] = r
		for _, p := range slices.Concat(r.imports, r.tested) {
			imported[p] = true
		}
	}
	var need func(string)
	need = func(p string) {
		r := byPath[p]
		if r == nil || needed[p] {
			return
		}
		needed[p] = true
		for _, to := range r.imports {
			need(to)
		}
	}
	for p, r := range byPath {
		if r.main || !imported[p] {
			need(p)
		}
	}
	for p, r := range byPath {
		r.helper = !needed[p]
	}
}
