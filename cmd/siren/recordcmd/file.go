package recordcmd

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/internal/operate/recording"
	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// file is a trace that is being written. It comes to its place when it is complete: until then it has another name.
type file struct {
	path   string
	force  bool
	temp   *os.File // nil: the standard output
	buffer *bufio.Writer
	csv    *csv.Writer
}

// create begins a trace; with "-" it goes to out.
func create(path string, force bool, out io.Writer) (*file, error) {
	f := &file{path: path, force: force}
	if path == "-" {
		f.buffer = bufio.NewWriter(out)
		f.csv = csv.NewWriter(f.buffer)
		return f, nil
	}
	if err := f.free(); err != nil {
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	f.temp, f.buffer = temp, bufio.NewWriter(temp)
	f.csv = csv.NewWriter(f.buffer)
	return f, nil
}

// free refuses a file that is there and not to be written over.
func (f *file) free() error {
	switch is, err := os.Stat(f.path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("write %s: %w", f.path, err)
	case !is.Mode().IsRegular():
		return fmt.Errorf("%s is no file; -o - writes to the standard output", f.path)
	case !f.force:
		return fmt.Errorf("%s is there already: name another file, or say --force", f.path)
	}
	return nil
}

// head writes what stands above the jobs.
func (f *file) head(r *recording.Recording, s fleet.Snapshot) error {
	fmt.Fprintf(f.buffer, "# recorded by siren %s: jobs that came from %s to %s\n", app.Version(),
		r.From.UTC().Format(time.RFC3339), r.To.UTC().Format(time.RFC3339))
	if d := coldStart(s); d > 0 {
		fmt.Fprintf(f.buffer, "# %s: %s\n", load.ColdStart, lanes.Duration(d.Round(time.Millisecond)))
	}
	return f.csv.Write(recording.Columns())
}

func (f *file) line(l recording.Line) error { return f.csv.Write(l.Row()) }

// close ends the file. Unless it is complete nothing is left of it.
func (f *file) close(complete bool) error {
	f.csv.Flush()
	err := errors.Join(f.csv.Error(), f.buffer.Flush())
	if f.temp == nil {
		return err
	}
	if err = errors.Join(err, f.temp.Close()); err == nil && complete {
		if err = f.free(); err == nil { // somebody may have made one meanwhile
			err = errors.Join(os.Chmod(f.temp.Name(), 0o644), os.Rename(f.temp.Name(), f.path))
		}
	}
	if err != nil || !complete {
		err = errors.Join(err, os.Remove(f.temp.Name()))
	}
	return err
}
