// Package enumtest has the values of an enum tested one by one: a new one fails the test until somebody has said what
// it is.
package enumtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// declared returns the values of all constants of a type in this package.
func declared(t *testing.T, kind string) (values []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if c, ok := n.(*ast.ValueSpec); ok {
				if of, ok := c.Type.(*ast.Ident); ok && of.Name == kind && len(c.Values) == 1 {
					value, err := strconv.Unquote(c.Values[0].(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, value)
				}
			}
			return true
		})
	}
	slices.Sort(values)
	return values
}

// Want requires that a predicate is what want says for each value of an enum in the package under test, and that want
// names all of them.
func Want[T ~string](t *testing.T, kind, predicate string, is func(T) bool, want map[T]bool) {
	t.Helper()
	named := []string{}
	for v := range maps.Keys(want) {
		named = append(named, string(v))
		if is(v) != want[v] {
			t.Errorf("%s of %q is %v", predicate, v, is(v))
		}
	}
	slices.Sort(named)
	if all := declared(t, kind); !slices.Equal(named, all) {
		t.Errorf("%s: the test names %q, and there are %q", predicate, named, all)
	}
}
