package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/storage/azuretest"
	"github.com/polyglot-media/siren/worker/storage/gcstest"
	"github.com/polyglot-media/siren/worker/storage/s3test"
	"github.com/polyglot-media/siren/worker/workertest"
)

// ground is a place to commit to, for the tests that hold for every store.
type ground struct {
	*bench
	store Store
	rules Rules
	base  string                   // URL that outputs are below
	read  func(name string) []byte // nil when it isn't there
	put   func(name, text string)  // as somebody else does
}

func (g *ground) at(name string) Place {
	at, err := g.rules.Locate("output", g.base+name, Write)
	workertest.Must(g.t, err)
	return at
}

func (g *ground) product(j, attempt, content string, overwrite bool) Product {
	file := filepath.Join(g.t.TempDir(), "made")
	workertest.Must(g.t, os.WriteFile(file, []byte(content), 0o600))
	return Product{
		File: open(g.t, file), MediaType: "text/plain", Job: job.Job{ID: j, Overwrite: overwrite},
		Attempt: attempt,
	}
}

// onEveryStore runs a test on files and on buckets of every cloud.
func onEveryStore(t *testing.T, test func(t *testing.T, g *ground)) {
	t.Run("file", func(t *testing.T) {
		b := newBench(t)
		g := &ground{bench: b, base: "file://" + b.out + "/", rules: NewRules(b.storage)}
		g.store = fileStore{g.rules}
		g.read = func(name string) []byte {
			data, err := os.ReadFile(filepath.Join(b.out, name))
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			workertest.Must(t, err)
			return data
		}
		g.put = func(name, text string) {
			file := filepath.Join(b.out, name)
			workertest.Must(t, os.MkdirAll(filepath.Dir(file), 0o755))
			workertest.Must(t, os.WriteFile(file, []byte(text), 0o600))
		}
		test(t, g)
	})
	for name, use := range buckets {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			folder := fmt.Sprintf("%s-%d/", filepath.Base(t.Name()), time.Now().UnixNano())
			folder = strings.ToLower(strings.ReplaceAll(folder, "_", "-"))
			g := &ground{bench: b, base: name + "://" + use(t) + "/" + folder}
			b.storage = append(b.storage, lanes.Storage{Prefix: g.base, Read: true, Write: true})
			g.rules = NewRules(b.storage)
			stores, err := New(Options{Log: slog.New(slog.DiscardHandler)})
			workertest.Must(t, err)
			g.store = stores.Store(g.at("any"), g.rules)
			g.read = func(name string) []byte {
				content, _, err := g.store.Open(context.Background(), g.at(name))
				if work.KindOf(err) == work.BadInput {
					return nil
				}
				workertest.Must(t, err)
				defer func() { _ = content.Close() }()
				data, err := io.ReadAll(content)
				workertest.Must(t, err)
				return data
			}
			g.put = func(name, text string) {
				b, err := g.store.(bucketStore).buckets.Open(t.Context(), g.at(name).Host)
				workertest.Must(t, err)
				workertest.Must(t, b.WriteAll(t.Context(), key(g.at(name)), []byte(text), nil))
			}
			test(t, g)
		})
	}
}

// buckets starts a server for each scheme of buckets, and returns the name of a bucket there.
var buckets = map[string]func(testing.TB) string{
	"s3": func(t testing.TB) string {
		s3test.Use(t)
		return s3test.Bucket
	},
	"gs": func(t testing.TB) string {
		gcstest.Use(t)
		return gcstest.Bucket
	},
	"azblob": func(t testing.TB) string {
		azuretest.Use(t)
		return azuretest.Container
	},
}

func TestCommitIsCreateIfAbsent(t *testing.T) {
	onEveryStore(t, func(t *testing.T, g *ground) {
		ctx := t.Context()
		out := g.at("new/folder/a.txt")
		size, err := g.store.Made(ctx, out, "one")
		if err != nil || size != Absent {
			t.Fatalf("before: %d, %v", size, err)
		}
		done, size, err := g.store.Commit(ctx, out, g.product("one", "a1", "first", false))
		if done || size != 5 || err != nil {
			t.Fatalf("commit: %v, %d, %v", done, size, err)
		}
		if size, err := g.store.Made(ctx, out, "one"); size != 5 || err != nil {
			t.Errorf("after: %d, %v", size, err)
		}
		done, size, err = g.store.Commit(ctx, out, g.product("one", "a2", "second attempt", false))
		if !done || size != 5 || err != nil {
			t.Errorf("another attempt of the same Job: %v, %d, %v; want done with the first one's size", done, size,
				err)
		}
		_, err = g.store.Made(ctx, out, "two")
		workertest.Expect(t, err, work.OutputExists, "not from this job")
		_, _, err = g.store.Commit(ctx, out, g.product("two", "b1", "other", false))
		workertest.Expect(t, err, work.OutputExists, "not from this job")
		if got := g.read("new/folder/a.txt"); string(got) != "first" {
			t.Errorf("the output is %q", got)
		}
		done, size, err = g.store.Commit(ctx, out, g.product("two", "b2", "overwritten", true))
		if done || size != 11 || err != nil {
			t.Errorf("overwrite: %v, %d, %v", done, size, err)
		}
		if got := g.read("new/folder/a.txt"); string(got) != "overwritten" {
			t.Errorf("the output is %q", got)
		}
	})
}

// Of many attempts at once, of two jobs, exactly one creates; those of its job are done, the others refused.
func TestCommitRace(t *testing.T) {
	onEveryStore(t, func(t *testing.T, g *ground) {
		for round := range 5 {
			out := g.at(fmt.Sprintf("race%d.txt", round))
			var products []Product
			for i := range 8 {
				job := []string{"one", "two"}[i%2]
				products = append(products, g.product(job, fmt.Sprintf("a%d", i), job+" "+strings.Repeat("x", 1000+i),
					false))
			}
			created, won := make([]bool, 8), make([]error, 8)
			var wg sync.WaitGroup
			for i := range products {
				wg.Go(func() {
					done, _, err := g.store.Commit(t.Context(), out, products[i])
					// S3 may ask a loser of a close race to come again (409): a transient error.
					for try := 0; work.KindOf(err) == work.Transient && err != nil && try < 5; try++ {
						done, _, err = g.store.Commit(t.Context(), out, products[i])
					}
					created[i], won[i] = err == nil && !done, err
				})
			}
			wg.Wait()
			winner := -1
			for i, c := range created {
				if c && winner >= 0 {
					t.Fatalf("attempts %d and %d both created the output", winner, i)
				} else if c {
					winner = i
				}
			}
			if winner < 0 {
				t.Fatalf("nobody created the output: %v", won)
			}
			content := string(g.read(fmt.Sprintf("race%d.txt", round)))
			if want, _ := os.ReadFile(products[winner].File.Name()); content != string(want) {
				t.Errorf("the output isn't the winner's")
			}
			for i, err := range won {
				if i%2 == winner%2 && err != nil {
					t.Errorf("attempt %d of the winning Job: %v", i, err)
				} else if i%2 != winner%2 && work.KindOf(err) != work.OutputExists {
					t.Errorf("attempt %d of the other Job: %v", i, err)
				}
			}
		}
	})
}

// A commit that is cancelled in the middle leaves nothing visible, and the next attempt works.
func TestCommitCancelled(t *testing.T) {
	onEveryStore(t, func(t *testing.T, g *ground) {
		p := g.product("one", "a1", "", false)
		workertest.Must(t, os.Truncate(p.File.Name(), 400<<20))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, _, err := g.store.Commit(ctx, g.at("large.bin"), p); err == nil {
			t.Fatal("it was done before it could be cancelled: make the file larger")
		}
		if got := g.read("large.bin"); got != nil {
			t.Errorf("%d bytes are visible", len(got))
		}
		if _, _, err := g.store.Commit(t.Context(), g.at("large.bin"),
			g.product("one", "a2", "ok", false)); err != nil {
			t.Error(err)
		}
	})
}

// A large object goes up in parts; the condition holds for it as well.
func TestCommitInParts(t *testing.T) {
	onEveryStore(t, func(t *testing.T, g *ground) {
		large := g.product("one", "a1", "", false)
		workertest.Must(t, os.Truncate(large.File.Name(), 24<<20))
		_, size, err := g.store.Commit(t.Context(), g.at("large.bin"), large)
		if err != nil || size != 24<<20 {
			t.Fatalf("%d, %v", size, err)
		}
		other := g.product("two", "b1", "", false)
		workertest.Must(t, os.Truncate(other.File.Name(), 25<<20))
		_, _, err = g.store.Commit(t.Context(), g.at("large.bin"), other)
		workertest.Expect(t, err, work.OutputExists, "already exists")
		again := g.product("one", "a2", "", false)
		workertest.Must(t, os.Truncate(again.File.Name(), 24<<20))
		if done, _, err := g.store.Commit(t.Context(), g.at("large.bin"), again); !done || err != nil {
			t.Errorf("the same job again: %v, %v", done, err)
		}
		if got := g.read("large.bin"); len(got) != 24<<20 || !bytes.Equal(got[:10], make([]byte, 10)) {
			t.Errorf("the output has %d bytes", len(got))
		}
	})
}

// What attempts of files leave beside the output: the winner's evidence, nothing else.
func TestFileEvidence(t *testing.T) {
	b := newBench(t)
	r := NewRules(b.storage)
	g := &ground{bench: b, rules: r, base: "file://" + b.out + "/", store: fileStore{r}}
	out := g.at("a.txt")
	workertest.Must(t, os.MkdirAll(filepath.Join(b.out, ".siren/one/dead"), 0o755))
	workertest.Must(t, os.WriteFile(filepath.Join(b.out, ".siren/one/dead/a.txt"), []byte("half"), 0o644))
	for _, p := range []Product{
		g.product("one", "a1", "first", false), g.product("one", "a2", "second", false),
		g.product("two", "b1", "x", false),
	} {
		_, _, _ = g.store.Commit(t.Context(), out, p)
	}
	var found []string
	workertest.Must(t, filepath.WalkDir(b.out, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, strings.TrimPrefix(path, b.out+"/"))
		}
		return err
	}))
	if fmt.Sprint(found) != "[.siren/one/a1/a.txt a.txt]" {
		t.Errorf("found %v", found)
	}
	// A crash between the link and the end: the next attempt finds the evidence.
	if size, err := g.store.Made(t.Context(), out, "one"); size != 5 || err != nil {
		t.Errorf("made: %d, %v", size, err)
	}
	// A file that was copied over the output is nobody's.
	workertest.Must(t, os.Remove(filepath.Join(b.out, "a.txt")))
	workertest.Must(t, os.WriteFile(filepath.Join(b.out, "a.txt"), []byte("first"), 0o644))
	_, err := g.store.Made(t.Context(), out, "one")
	workertest.Expect(t, err, work.OutputExists, "")
	_, _, err = g.store.Commit(t.Context(), out, g.product("three", "c1", "over", true))
	workertest.Must(t, err)
	if left := workertest.Names(t, filepath.Join(b.out, ".siren")); fmt.Sprint(left) != "[one]" {
		t.Errorf("the overwriting job left %v", left)
	}
}

// Every scheme that URLs may have can be opened, and those that outputs may have are stores.
func TestEverySchemeIsOpened(t *testing.T) {
	stores, err := New(Options{})
	workertest.Must(t, err)
	if have := slices.Sorted(maps.Keys(schemes)); !slices.Equal(have,
		slices.Sorted(slices.Values(location.Schemes(false)))) {
		t.Errorf("opened are %v, and URLs may have %v", have, location.Schemes(false))
	}
	for scheme, open := range stores.open {
		if _, store := open(nil).(Store); store != slices.Contains(location.Schemes(true), scheme) {
			t.Errorf("%s: a store: %t", scheme, store)
		}
	}
}
