package gateway

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// What is in an embedded type that isn't exported huma neither reads nor documents: a filter would choose everything.
func TestEmbeddedTypesAreExported(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range s.Fields.List {
				if name, ok := field.Type.(*ast.Ident); ok && len(field.Names) == 0 && !name.IsExported() {
					t.Errorf("%s: a struct embeds %s", f.Name(), name)
				}
			}
			return true
		})
	}
}
