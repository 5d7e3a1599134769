package lanes

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

// wantOf expects a predicate's answer for each constant of a type: a new one has to be named here.
func wantOf[T ~string](t *testing.T, kind, predicate string, is func(T) bool, want map[T]bool) {
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

func TestTrouble(t *testing.T) {
	wantOf(t, "Reason", "Trouble", Reason.Trouble, map[Reason]bool{
		Steady: false, Busy: false, Backlog: false, Reserve: false, Floor: false, Ceiling: false, Budget: false, Holding: false,
		Parking: false, Retiring: false, Rollout: false, Stuck: true, Stale: true, Paused: false, Held: false, Foreign: true,
	})
}

func TestFinal(t *testing.T) {
	wantOf(t, "State", "Final", State.Final, map[State]bool{
		Queued: false, Running: false, Retrying: false, Completed: true, Dead: true, Cancelled: true, Missing: true,
	})
	wantOf(t, "State", "Failed", State.Failed, map[State]bool{
		Queued: false, Running: false, Retrying: false, Completed: false, Dead: true, Cancelled: true, Missing: true,
	})
}

func TestPermanent(t *testing.T) {
	wantOf(t, "ErrorKind", "Permanent", ErrorKind.Permanent, map[ErrorKind]bool{
		BadInput: true, NotAllowed: true, OutputExists: true, OverLimit: true, Expired: true, Transient: false, TimedOut: false, Interrupted: false,
	})
}
