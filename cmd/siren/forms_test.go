package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// In JSON a duration is a string such as "1m30s": a lanes.Duration. A time.Duration would be a number of nanoseconds.
func TestDurationsAreStringsInJSON(t *testing.T) {
	fields := 0
	for _, room := range []string{"../../cmd", "../../internal", "../../lanes", "../../scaler", "../../worker"} {
		must(t, filepath.WalkDir(room, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				f, ok := n.(*ast.Field)
				if !ok || f.Tag == nil {
					return true
				}
				tag, _ := strconv.Unquote(f.Tag.Value)
				if name := reflect.StructTag(tag).Get("json"); name != "" && name != "-" {
					fields++
					if mentionsDuration(f.Type) {
						t.Errorf("%s: %q is a time.Duration; make it a lanes.Duration", path, name)
					}
				}
				return true
			})
			return nil
		}))
	}
	if fields < 100 {
		t.Errorf("found only %d fields with a name in JSON", fields)
	}
}

// mentionsDuration says whether time.Duration is a type or a part of it.
func mentionsDuration(of ast.Expr) (found bool) {
	ast.Inspect(of, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Duration" {
			pkg, isIdent := s.X.(*ast.Ident)
			found = found || isIdent && pkg.Name == "time"
		}
		return true
	})
	return found
}
