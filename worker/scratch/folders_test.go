package scratch

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/worker/workertest"
)

func openTestScratch(dir string) (*Folders, error) {
	return Open(dir, slog.New(slog.DiscardHandler))
}

// tree returns every path below dir.
func tree(t *testing.T, dir string) (all []string) {
	t.Helper()
	workertest.Must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, strings.TrimPrefix(path, dir))
		return err
	}))
	return all
}

// A scratch folder may be /tmp, or hold anything else: whatever it is called, it isn't ours. Only what an attempt left
// in our own folder goes.
func TestSweepLeavesAloneWhatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	s, err := openTestScratch(dir)
	workertest.Must(t, err)
	held, err := s.Make("living", "1")
	workertest.Must(t, err)
	ours := filepath.Join(dir, attemptsFolder())
	stays := []string{
		filepath.Join(dir, "siren-rabbitmq-1234", "rabbitmq", "server.json"), // the private servers of a `siren up`
		filepath.Join(dir, "siren-old-7", "output.mp4"),                      // an attempt of a version before
		filepath.Join(dir, "siren-holiday", "film.mp4"),
		filepath.Join(dir, "a-1", "x"),
		filepath.Join(ours, "notes", "x"), // no attempt's name
		filepath.Join(ours, "a b-1", "x"),
		filepath.Join(dir, "elsewhere", "x"), // a link leads there
	}
	for _, file := range stays {
		workertest.Must(t, os.MkdirAll(filepath.Dir(file), 0o700))
		workertest.Must(t, os.WriteFile(file, nil, 0o600))
	}
	workertest.Must(t, os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(ours, "link-1")))
	workertest.Must(t, os.WriteFile(filepath.Join(ours, "file-1"), nil, 0o600))
	before := tree(t, dir)
	workertest.Must(t, os.MkdirAll(filepath.Join(ours, "dead-1", "deep"), 0o700))
	workertest.Must(t, os.WriteFile(filepath.Join(ours, "dead-1", "deep", "output.mp4"), nil, 0o600))

	_, err = openTestScratch(dir)
	workertest.Must(t, err)
	if after := tree(t, dir); !slices.Equal(after, before) {
		t.Errorf("left are\n%s\nwant\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	held.Discard()
	if os.Getuid() == 0 { // whoever else's it is
		foreign := filepath.Join(ours, "foreign-1")
		workertest.Must(t, os.Mkdir(foreign, 0o700))
		workertest.Must(t, os.Chown(foreign, 12345, 12345))
		_, err = openTestScratch(dir)
		workertest.Must(t, err)
		if _, err := os.Stat(foreign); err != nil {
			t.Error(err)
		}
	}
}

// What has our folder's name and isn't ours is refused, with what to do, and nothing in it is touched.
func TestScratchThatIsNotOursIsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		says string
	}{
		{"a link to a folder of ours", func(t *testing.T, path string) {
			target := t.TempDir()
			workertest.Must(t, os.WriteFile(filepath.Join(target, marker), []byte(markerText), 0o600))
			workertest.Must(t, os.Symlink(target, path))
		}, "is a link or a file, not a folder: remove it"},
		{"a link to nowhere", func(t *testing.T, path string) {
			workertest.Must(t, os.Symlink("nowhere", path))
		}, "is a link or a file"},
		{"a file", func(t *testing.T, path string) {
			workertest.Must(t, os.WriteFile(path, nil, 0o600))
		}, "is a link or a file"},
		{"a folder that others can write", func(t *testing.T, path string) {
			workertest.Must(t, os.Mkdir(path, 0o700))
			workertest.Must(t, os.Chmod(path, 0o702))
		}, "can be written by others (mode 0702): if what is in it is Siren's, chmod 700 it"},
		{"a folder that its group can write", func(t *testing.T, path string) {
			workertest.Must(t, os.Mkdir(path, 0o700))
			workertest.Must(t, os.Chmod(path, 0o770))
		}, "can be written by others"},
		{"a folder with files and no marker", func(t *testing.T, path string) {
			workertest.Must(t, os.MkdirAll(filepath.Join(path, "job-1", "precious"), 0o700))
		}, "no marker that says they are Siren's: move them elsewhere, or name another scratch folder with --scratch"},
		{"a folder with a marker that says something else", func(t *testing.T, path string) {
			workertest.Must(t, os.MkdirAll(filepath.Join(path, "job-1"), 0o700))
			workertest.Must(t, os.WriteFile(filepath.Join(path, marker), []byte("mine"), 0o600))
		}, "no marker"},
		{"a folder of somebody else's", func(t *testing.T, path string) {
			workertest.Must(t, os.Mkdir(path, 0o700))
			if os.Getuid() != 0 {
				t.Log("only root can give a folder away: this process makes one that others can write instead")
				workertest.Must(t, os.Chmod(path, 0o777))
				return
			}
			workertest.Must(t, os.Chown(path, 12345, 12345))
		}, map[bool]string{
			true:  "belongs to user 12345, not to 0",
			false: "can be written by others",
		}[os.Getuid() == 0]},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, filepath.Join(dir, attemptsFolder()))
			before := tree(t, dir)
			_, err := openTestScratch(dir)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if after := tree(t, dir); !slices.Equal(after, before) {
				t.Errorf("there are %v, were %v", after, before)
			}
			if err := Try(dir); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the doctor's try: %v, want %q", err, c.says)
			}
		})
	}
}

// A marker that a worker didn't get to the end of, in a folder that has nothing else, is written again; a cleaner that
// takes the marker, or all of it, isn't in the way of the jobs to come.
func TestScratchGoesOnWhenItsMarkerIsGone(t *testing.T) {
	dir := t.TempDir()
	ours := filepath.Join(dir, attemptsFolder())
	workertest.Must(t, os.Mkdir(ours, 0o700))
	workertest.Must(t, os.WriteFile(filepath.Join(ours, marker), []byte(markerText[:7]), 0o600))
	s, err := openTestScratch(dir)
	workertest.Must(t, err)
	for attempt, clean := range []string{marker, "."} {
		workertest.Must(t, os.RemoveAll(filepath.Join(ours, clean)))
		folder, err := s.Make("job", fmt.Sprint(attempt))
		workertest.Must(t, err)
		folder.Discard()
		if text, err := os.ReadFile(filepath.Join(ours, marker)); string(text) != markerText {
			t.Errorf("the marker is %q: %v", text, err)
		}
	}
}
