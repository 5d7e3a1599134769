package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// names are the files of the tests' folders.
var names = []string{"main.m3u8", "a/000.m4s", "a/001.m4s", "b/000.m4s"}

// folder is a folder of names, each with its name and the content in it.
func (g *ground) folder(id, attempt, content string, overwrite bool, names ...string) Folder {
	dir := g.t.TempDir()
	f := Folder{
		Job: job.Job{ID: id, Overwrite: overwrite}, Attempt: attempt,
		Manifest: job.Manifest{Job: id, Kind: "hls", Main: names[0]},
		Open:     func(name string) (*os.File, error) { return os.Open(filepath.Join(dir, name)) },
	}
	for _, name := range names {
		workertest.Must(g.t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		workertest.Must(g.t, os.WriteFile(filepath.Join(dir, name), []byte(name+" "+content), 0o600))
		f.Manifest.Files = append(f.Manifest.Files, job.ManifestFile{Name: name, Type: "text/plain"})
	}
	return f
}

func (g *ground) folderAt(name string) Place { return g.at(name + "/") }

// whole checks that the folder's files are what its manifest says, and returns what is in them; "" when none is there.
func (g *ground) whole(name string) string {
	g.t.Helper()
	text := g.read(name + "/" + job.ManifestName)
	if text == nil {
		return ""
	}
	var m job.Manifest
	workertest.Must(g.t, json.Unmarshal(text, &m))
	content := ""
	for _, f := range m.Files {
		data := g.read(name + "/" + f.Name)
		sum := sha256.Sum256(data)
		if int64(len(data)) != f.Bytes || hex.EncodeToString(sum[:]) != f.SHA256 {
			g.t.Fatalf("%s/%s is %q, not what the manifest says: %+v", name, f.Name, data, f)
		}
		_, content, _ = strings.Cut(string(data), " ")
	}
	return content
}

func TestFolderIsCreateIfAbsent(t *testing.T) {
	onEveryStore(t, func(t *testing.T, g *ground) {
		ctx, at := t.Context(), g.folderAt("film")
		if m, err := g.store.MadeFolder(ctx, at, "one"); m != nil || err != nil {
			t.Fatalf("before: %v, %v", m, err)
		}
		done, m, err := g.store.CommitFolder(ctx, at, g.folder("one", "a1", "first", false, names...))
		workertest.Must(t, err)
		if done || len(m.Files) != 4 || g.whole("film") != "first" {
			t.Fatalf("committed: done %t, %+v, %q", done, m, g.whole("film"))
		}
		done, m, err = g.store.CommitFolder(ctx, at, g.folder("one", "a2", "second", false, names...))
		workertest.Must(t, err)
		if !done || m.Bytes() == 0 || g.whole("film") != "first" {
			t.Errorf("another attempt: done %t, %+v, %q", done, m, g.whole("film"))
		}
		_, err = g.store.MadeFolder(ctx, at, "two")
		workertest.Expect(t, err, work.OutputExists, "not from this job")
		_, _, err = g.store.CommitFolder(ctx, at, g.folder("two", "b1", "other", false, names...))
		workertest.Expect(t, err, work.OutputExists, "not from this job")
		_, _, err = g.store.CommitFolder(ctx, at, g.folder("two", "b2", "over", true, names[0], "c.m4s"))
		workertest.Must(t, err)
		if g.whole("film") != "over" || g.read("film/a/000.m4s") != nil {
			t.Errorf("overwritten: %q, and of the old: %q", g.whole("film"), g.read("film/a/000.m4s"))
		}
	})
}

// Wherever an attempt ends, no half of the folder passes for whole; the job's next attempt ends well, and another job
// is refused or has the folder alone.
func TestFolderInterruptedAtEveryWrite(t *testing.T) {
	onEveryStore(t, func(t *testing.T, g *ground) {
		for writes := range len(names) + 1 {
			for _, overwrite := range []bool{false, true} {
				name := fmt.Sprintf("cut%d-%t", writes, overwrite)
				at := g.folderAt(name)
				if overwrite {
					_, _, err := g.store.CommitFolder(t.Context(), at, g.folder("old", "o1", "old", false, names...))
					workertest.Must(t, err)
				}
				ctx, cut := context.WithCancel(t.Context())
				f := g.folder("one", "a1", "first", overwrite, names...)
				if writes == len(names) { // before the manifest
					f.Manifest.Files = append(f.Manifest.Files, job.ManifestFile{Name: "last"})
				}
				open := f.Open
				f.Open = func(file string) (*os.File, error) {
					if file == slices.Concat(names, []string{"last"})[writes] {
						cut()
						return nil, ctx.Err()
					}
					return open(file)
				}
				_, _, err := g.store.CommitFolder(ctx, at, f)
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("after %d writes: %v", writes, err)
				}
				if got := g.whole(name); got != "" && (!overwrite || got != "old") {
					t.Errorf("after %d writes there is an output: %q", writes, got)
				}
				for _, attempt := range []string{"a2", "a3"} {
					_, _, err = g.store.CommitFolder(t.Context(), at,
						g.folder("one", attempt, "next "+attempt, overwrite, names...))
					workertest.Must(t, err)
				}
				if got := g.whole(name); got != "next a2" && !overwrite || got != "next a3" && overwrite {
					t.Errorf("after %d writes and another attempt: %q", writes, got)
				}
			}
		}
	})
}

// Two workers at one job, of which one has lost its claim without knowing: the output is one's, not a mixture.
func TestFolderRace(t *testing.T) {
	onEveryStore(t, func(t *testing.T, g *ground) {
		for round := range 6 {
			name := fmt.Sprintf("race%d", round)
			var wait sync.WaitGroup
			errs := make([]error, 4)
			for i := range errs {
				id := []string{"one", "one", "two", "two"}[i]
				f := g.folder(id, fmt.Sprintf("a%d", i), fmt.Sprintf("of %d", i), false, names...)
				wait.Go(func() { _, _, errs[i] = g.store.CommitFolder(t.Context(), g.folderAt(name), f) })
			}
			wait.Wait()
			won := g.whole(name)
			var m job.Manifest
			workertest.Must(t, json.Unmarshal(g.read(name+"/"+job.ManifestName), &m))
			for i, err := range errs {
				switch id := []string{"one", "one", "two", "two"}[i]; {
				case id != m.Job:
					workertest.Expect(t, err, work.OutputExists, "not from this job")
				case err != nil: // the earlier of two at once
					workertest.Expect(t, err, work.Interrupted, "a later attempt")
				}
			}
			if !slices.Contains([]string{"of 0", "of 1", "of 2", "of 3"}, won) {
				t.Errorf("round %d: %q", round, won)
			}
		}
	})
}

// What lies in storage under a manifest's name may be anybody's: no name in it leads out of its folder.
func TestForgedManifest(t *testing.T) {
	onEveryStore(t, func(t *testing.T, g *ground) {
		bystander := g.at("bystander.txt")
		_, _, err := g.store.Commit(t.Context(), bystander, g.product("other", "o", "keep me", false))
		workertest.Must(t, err)
		for i, forged := range []string{
			`{"job":"one","files":[{"name":"../bystander.txt"}]}`, `{"job":"../..","files":[]}`, `rubbish`,
			`{"job":"one","files":[{"name":".siren/x"}]}`,
		} {
			name := fmt.Sprintf("forged%d", i)
			at := g.folderAt(name)
			p := g.product("one", "f", forged, true)
			_, _, err = g.store.Commit(t.Context(), at.within(job.ManifestName), p)
			workertest.Must(t, err)
			_, _, err = g.store.CommitFolder(t.Context(), at, g.folder("two", "a1", "mine", true, names...))
			workertest.Must(t, err)
			if g.whole(name) != "mine" || string(g.read("bystander.txt")) != "keep me" {
				t.Errorf("%s: %q, beside it %q", forged, g.whole(name), g.read("bystander.txt"))
			}
		}
	})
}

// What a folder has in it that its manifest doesn't list is somebody's: no job overwrites that.
func TestOverwriteSparesStrangers(t *testing.T) {
	onEveryStore(t, func(t *testing.T, g *ground) {
		for _, name := range []string{"none", "mixed"} {
			if name == "mixed" {
				folder := g.folder("one", "a1", "x", false, names...)
				_, _, err := g.store.CommitFolder(t.Context(), g.folderAt(name), folder)
				workertest.Must(t, err)
			}
			g.put(name+"/sub/keep.txt", "mine")
			over := g.folder("two", "b1", "y", true, append([]string{"sub/keep.txt"}, names...)...)
			_, _, err := g.store.CommitFolder(t.Context(), g.folderAt(name), over)
			workertest.Expect(t, err, work.OutputExists, "isn't replaced")
			if text := g.read(name + "/sub/keep.txt"); string(text) != "mine" {
				t.Errorf("%s: what was there is %q", name, text)
			}
			if got := g.whole(name); name == "mixed" && got != "x" {
				t.Errorf("%s: the folder that was there is %q", name, got)
			}
		}
	})
}

// ofFiles is a ground of files alone.
func ofFiles(t *testing.T) *ground {
	t.Helper()
	b := newBench(t)
	g := &ground{bench: b, base: "file://" + b.out + "/", rules: NewRules(b.storage)}
	g.store = fileStore{g.rules}
	return g
}

// A file and a folder don't replace each other, and that is final.
func TestFileAndFolderOfOneName(t *testing.T) {
	g := ofFiles(t)
	workertest.Must(t, os.WriteFile(filepath.Join(g.out, "file"), []byte("mine"), 0o600))
	_, _, err := g.store.CommitFolder(t.Context(), g.folderAt("file"), g.folder("two", "b1", "y", true, names...))
	workertest.Expect(t, err, work.OutputExists, "isn't replaced")
	if text, _ := os.ReadFile(filepath.Join(g.out, "file")); string(text) != "mine" {
		t.Errorf("the file is %q", text)
	}
	for _, name := range []string{"empty", "full/keep"} {
		workertest.Must(t, os.MkdirAll(filepath.Join(g.out, name), 0o755))
	}
	for _, overwrite := range []bool{false, true} {
		for _, name := range []string{"empty", "full"} {
			_, _, err := g.store.Commit(t.Context(), g.at(name), g.product("one", "a1", "text", overwrite))
			says := map[bool]string{false: "already exists", true: "is a folder"}[overwrite]
			workertest.Expect(t, err, work.OutputExists, says)
		}
	}
	if left := workertest.Names(t, g.out); fmt.Sprint(left) != "[empty file full]" {
		t.Errorf("what is there: %v", left)
	}
}

// An empty folder that somebody made beforehand is no output.
func TestFolderIntoAnEmptyOne(t *testing.T) {
	g := ofFiles(t)
	for _, overwrite := range []bool{false, true} {
		name := fmt.Sprintf("empty-%t", overwrite)
		workertest.Must(t, os.Mkdir(filepath.Join(g.out, name), 0o755))
		folder := g.folder("one", "a1", "x", overwrite, names...)
		_, _, err := g.store.CommitFolder(t.Context(), g.folderAt(name), folder)
		workertest.Must(t, err)
		if _, err := os.Stat(filepath.Join(g.out, name, job.ManifestName)); err != nil {
			t.Error(err)
		}
	}
}

// A folder that a job made has in it what its manifest lists, and nothing of other jobs.
func TestNothingIntoAFinishedFolder(t *testing.T) {
	g := ofFiles(t)
	_, _, err := g.store.CommitFolder(t.Context(), g.folderAt("film"), g.folder("one", "a1", "x", false, names...))
	workertest.Must(t, err)
	for _, overwrite := range []bool{false, true} {
		for _, name := range []string{"film/inner.jpg", "film/a/000.m4s", "film/deep/er/inner.jpg"} {
			_, _, err := g.store.Commit(t.Context(), g.at(name), g.product("two", "b1", "text", overwrite))
			workertest.Expect(t, err, work.OutputExists, "the output of job one")
			folder := g.folder("two", "b1", "y", overwrite, names...)
			_, _, err = g.store.CommitFolder(t.Context(), g.folderAt(name), folder)
			workertest.Expect(t, err, work.OutputExists, "the output of job one")
		}
		_, err := g.store.Made(t.Context(), g.at("film/a/inner.jpg"), "two")
		workertest.Expect(t, err, work.OutputExists, "the output of job one")
	}
	workertest.Must(t, os.Mkdir(filepath.Join(g.out, "app"), 0o755))
	workertest.Must(t, os.WriteFile(filepath.Join(g.out, "app", job.ManifestName), []byte(`{"name":"app"}`), 0o600))
	_, _, err = g.store.Commit(t.Context(), g.at("app/icon.png"), g.product("two", "b1", "text", false))
	workertest.Must(t, err)
}
