package storage

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/polyglot-media/siren/worker/workertest"
)

// A commit removes what other attempts of its job left beside the output, and nothing that only lies where they would.
func TestCommitRemovesNoStrangersFiles(t *testing.T) {
	b := newBench(t)
	r := NewRules(b.storage)
	g := &ground{bench: b, rules: r, base: "file://" + b.out + "/", store: fileStore{r}}
	stays := []string{"linked/.siren/one/notes.v1/x", "other/kept/one/dead/x"}
	for _, file := range append(stays, "linked/.siren/one/dead/x") {
		workertest.Must(t, os.MkdirAll(filepath.Join(b.out, filepath.Dir(file)), 0o755))
		workertest.Must(t, os.WriteFile(filepath.Join(b.out, file), nil, 0o644))
	}
	workertest.Must(t, os.Symlink("kept", filepath.Join(b.out, "other/.siren")))
	for _, folder := range []string{"linked", "other"} {
		_, _, err := g.store.Commit(t.Context(), g.at(folder+"/a.txt"), g.product("one", "a1", "first", false))
		workertest.Must(t, err)
	}
	for _, file := range stays {
		if _, err := os.Stat(filepath.Join(b.out, file)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(b.out, "linked/.siren/one/dead")); err == nil {
		t.Error("the dead attempt is left")
	}
}
