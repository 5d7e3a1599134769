package system_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// watcher looks at the folder for outputs all the time, as an impatient user would: whatever is to be seen there at
// any moment must be a whole output, and stay that one.
type watcher struct {
	s    *site
	stop chan struct{}
	end  sync.WaitGroup

	seen     map[string]uint64 // output → inode: the goroutine's until end
	problems []string          // the same
}

// watchOutputs begins to look.
func (s *site) watchOutputs() *watcher {
	w := &watcher{s: s, stop: make(chan struct{}), seen: map[string]uint64{}}
	w.end.Go(func() {
		for {
			w.look()
			select {
			case <-w.stop:
				w.look()
				return
			case <-time.After(3 * time.Millisecond):
			}
		}
	})
	s.t.Cleanup(w.close)
	return w
}

func (w *watcher) close() {
	select {
	case <-w.stop:
	default:
		close(w.stop)
	}
	w.end.Wait()
}

func (w *watcher) look() {
	dir := filepath.Join(w.s.dir, "out")
	entries, err := os.ReadDir(dir)
	if err != nil {
		w.problem("read the folder: %v", err)
	}
	for name := range w.seen {
		if !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == name }) {
			w.problem("%s was there and is gone", name)
			delete(w.seen, name)
		}
	}
	for _, e := range entries {
		if e.IsDir() {
			continue // .siren, the attempts' own
		}
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			w.problem("%s: %v", e.Name(), err)
			continue
		}
		inode := info.Sys().(*syscall.Stat_t).Ino
		was, known := w.seen[e.Name()]
		if known && was != inode {
			w.problem("%s was replaced", e.Name())
		}
		if w.seen[e.Name()] = inode; was != inode {
			if err := whole(filepath.Join(dir, e.Name())); err != nil {
				w.problem("half an output was to be seen: %v", err)
			}
		}
	}
}

func (w *watcher) problem(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// saw ends the watch and checks that exactly these outputs came to be seen, each once and whole.
func (w *watcher) saw(urls ...string) {
	w.s.t.Helper()
	w.close()
	for _, p := range w.problems {
		w.s.t.Error(p)
	}
	for _, u := range urls {
		if _, ok := w.seen[filepath.Base(u)]; !ok {
			w.s.t.Errorf("there is no output %s", u)
		}
	}
	if len(w.seen) != len(urls) {
		w.s.t.Errorf("%d outputs, want %d: %v", len(w.seen), len(urls), w.seen)
	}
}
