package witness

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/workload"
)

// Watch sees every change in the folders for outputs, as the kernel tells it: whatever comes to be seen there must be a
// whole output of one of the recipes, and stay that one.
type Watch struct {
	dirs     map[uint32]string // by watch descriptor
	events   *os.File
	expected workload.Expected
	done     chan struct{}

	mu   sync.Mutex
	seen map[string]*history.Sight // by file name
	lost bool                      // the kernel had more to tell than it keeps
}

const (
	appears  = unix.IN_CREATE | unix.IN_MOVED_TO
	vanishes = unix.IN_DELETE | unix.IN_MOVED_FROM
	changes  = unix.IN_MODIFY
)

// WatchOutputs begins to look at the folders.
func WatchOutputs(ctx context.Context, e workload.Expected, dirs ...string) (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch the outputs: %w", err)
	}
	w := &Watch{
		dirs: map[uint32]string{}, events: os.NewFile(uintptr(fd), "inotify"), expected: e,
		done: make(chan struct{}), seen: map[string]*history.Sight{},
	}
	for _, dir := range dirs {
		id, err := unix.InotifyAddWatch(fd, dir, appears|vanishes|changes|unix.IN_ONLYDIR)
		if err != nil {
			_ = w.events.Close()
			return nil, fmt.Errorf("watch %s: %w", dir, err)
		}
		w.dirs[uint32(id)] = dir
	}
	go w.follow(ctx)
	return w, nil
}

// follow reads events until close.
func (w *Watch) follow(ctx context.Context) {
	defer close(w.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := w.events.Read(buf)
		if err != nil {
			return
		}
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			id, mask := binary.NativeEndian.Uint32(buf[at:]), binary.NativeEndian.Uint32(buf[at+4:])
			length := int(binary.NativeEndian.Uint32(buf[at+12:]))
			name := strings.TrimRight(string(buf[at+unix.SizeofInotifyEvent:at+unix.SizeofInotifyEvent+length]), "\x00")
			at += unix.SizeofInotifyEvent + length
			w.note(ctx, w.dirs[id], mask, name)
		}
	}
}

func (w *Watch) note(ctx context.Context, dir string, mask uint32, name string) {
	switch {
	case mask&unix.IN_Q_OVERFLOW != 0:
		w.mu.Lock()
		w.lost = true
		w.mu.Unlock()
	case mask&unix.IN_ISDIR != 0, name == "": // .siren, the attempts' own, and the S3 server's
	case mask&appears != 0:
		recipe, err := w.expected.Recipe(ctx, filepath.Join(dir, name))
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.seen[name] != nil {
			w.seen[name].Problem("appeared once more")
			return
		}
		s := &history.Sight{At: time.Now(), Recipe: recipe}
		w.seen[name] = s
		if err != nil && ctx.Err() == nil {
			s.Problem("can't be read: %v", err)
		}
	default:
		w.mu.Lock()
		defer w.mu.Unlock()
		s := w.seen[name]
		if s == nil {
			s = &history.Sight{At: time.Now()}
			w.seen[name] = s
		}
		if mask&vanishes != 0 {
			s.Problem("vanished")
		} else if len(s.Problems) == 0 {
			s.Problem("was written to while it was to be seen")
		}
	}
}

// Count returns how many outputs there are by now.
func (w *Watch) Count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

// close ends the watch once all that has happened is noted.
func (w *Watch) close() (map[string]*history.Sight, error) {
	time.Sleep(200 * time.Millisecond)
	_ = w.events.Close()
	<-w.done
	if w.lost {
		return nil, errors.New("the kernel didn't tell of all changes of the outputs: see " +
			"/proc/sys/fs/inotify/max_queued_events")
	}
	return w.seen, nil
}
