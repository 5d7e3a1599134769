package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// room is one package.
type room struct {
	path  string   // its folder
	lines int      // of its files, tests apart
	names []string // exported, tests apart: functions, types, variables and constants
	cycle []string // its largest set of files that need each other in a circle; nil for none
	long  int      // lines over longLine, in tests too

	main    bool     // a program
	helper  bool     // only tests need it
	imports []string // paths of packages that its files import, tests apart
	tested  []string // the same of its tests
}

// measure reads every package below root, where go.mod is.
func measure(root string) ([]room, error) {
	folders := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			folders[filepath.Dir(path)] = append(folders[filepath.Dir(path)], path)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var rooms []room
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		r, err := measureRoom(folder, folders[folder])
		if err != nil {
			return nil, err
		}
		rooms = append(rooms, r)
	}
	module, err := modulePath(root)
	if err != nil {
		return nil, err
	}
	markHelpers(rooms, module, root)
	return rooms, nil
}

func measureRoom(folder string, paths []string) (room, error) {
	r := room{path: filepath.ToSlash(folder)}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return r, err
		}
		r.long += longLines(text)
		f, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
		if err != nil {
			return r, err
		}
		if strings.HasSuffix(path, "_test.go") {
			r.tested = append(r.tested, imports(f)...)
			continue
		}
		r.lines += bytes.Count(text, []byte("\n"))
		r.main = f.Name.Name == "main"
		r.imports = append(r.imports, imports(f)...)
		files = append(files, f)
		r.names = append(r.names, exported(f)...)
	}
	r.cycle = largestCycle(needs(fset, folder, files))
	return r, nil
}

// longLines counts the lines over longLine columns; a tab counts for four.
func longLines(text []byte) (long int) {
	for line := range bytes.Lines(text) {
		columns := utf8.RuneCount(bytes.TrimRight(line, "\n")) + 3*bytes.Count(line, []byte("\t"))
		if columns > longLine && !bytes.HasPrefix(line, []byte("//go:")) {
			long++
		}
	}
	return long
}

// exported lists what a file shows to other packages, methods and fields apart.
func exported(f *ast.File) (names []string) {
	add := func(id *ast.Ident) {
		if id.IsExported() {
			names = append(names, id.Name)
		}
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				add(d.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					add(s.Name)
				case *ast.ValueSpec:
					for _, id := range s.Names {
						add(id)
					}
				}
			}
		}
	}
	return names
}

// nothing imports every package as an empty one: only names of the package itself are looked for.
type nothing struct{}

func (nothing) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, filepath.Base(path))
	p.MarkComplete()
	return p, nil
}

// needs finds which file of a package names what of which other: functions, types, variables and constants; methods
// belong to their type.
func needs(fset *token.FileSet, folder string, files []*ast.File) map[string]map[string]bool {
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	c := types.Config{Importer: nothing{}, Error: func(error) {}}   // what is imported is unknown on purpose
	pkg, _ := c.Check(filepath.ToSlash(folder), fset, files, &info) // the error is of that
	arrows := map[string]map[string]bool{}
	for id, o := range info.Uses {
		if pkg == nil || o.Parent() != pkg.Scope() {
			continue
		}
		from, to := fset.File(id.Pos()).Name(), fset.File(o.Pos()).Name()
		if from != to {
			if arrows[from] == nil {
				arrows[from] = map[string]bool{}
			}
			arrows[from][to] = true
		}
	}
	return arrows
}

// largestCycle finds the largest set of nodes that reach each other (Tarjan's strongly connected components).
func largestCycle(arrows map[string]map[string]bool) (largest []string) {
	index, low := map[string]int{}, map[string]int{}
	var stack []string
	var visit func(string)
	visit = func(n string) {
		index[n] = len(index) + 1
		low[n] = index[n]
		stack = append(stack, n)
		for to := range arrows[n] {
			if index[to] == 0 {
				visit(to)
				low[n] = min(low[n], low[to])
			} else if slices.Contains(stack, to) {
				low[n] = min(low[n], index[to])
			}
		}
		if low[n] != index[n] {
			return
		}
		at := slices.Index(stack, n)
		if ring := slices.Clone(stack[at:]); len(ring) > max(1, len(largest)) {
			slices.Sort(ring)
			largest = ring
		}
		stack = stack[:at]
	}
	for _, n := range slices.Sorted(maps.Keys(arrows)) {
		if index[n] == 0 {
			visit(n)
		}
	}
	return largest
}
