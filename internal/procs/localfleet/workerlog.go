package localfleet

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	maxLogBytes = 4 << 20 // of one worker's log file; the one before it is kept as NAME.log.1
	keptLogs    = 100     // log files of workers that have ended
)

// logDir holds one log file for each worker, and the last few of those that have ended.
type logDir struct {
	dir    string
	output *sharedWriter

	mu    sync.Mutex
	ended []string // oldest first
}

// openLogDir makes the directory. The logs of an earlier run count as ended ones.
func openLogDir(dir string, output io.Writer) (*logDir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(old, func(a, b string) int { return modTime(a).Compare(modTime(b)) })
	return &logDir{dir: dir, ended: old, output: &sharedWriter{w: output}}, nil
}

// modTime returns when the file was last written; the zero time when it is gone.
func modTime(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func (d *logDir) create(worker string) (*workerLog, error) {
	path := filepath.Join(d.dir, worker+".log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &workerLog{dir: d, path: path, prefix: worker + " | ", file: f}, nil
}

// end keeps the log of an ended worker, and drops the oldest one.
func (d *logDir) end(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = append(d.ended, path)
	for len(d.ended) > keptLogs {
		_ = os.Remove(d.ended[0])
		_ = os.Remove(d.ended[0] + ".1")
		d.ended = d.ended[1:]
	}
}

// workerLog takes what one worker writes. One goroutine writes (os/exec's), then Close.
type workerLog struct {
	dir    *logDir
	path   string
	prefix string
	file   *os.File
	size   int
	line   []byte // begun, not ended yet
}

// Write writes to the log. It never fails: a full disk must not end a worker by a broken pipe.
func (l *workerLog) Write(p []byte) (int, error) {
	if l.size+len(p) > maxLogBytes {
		l.rotate()
	}
	n, _ := l.file.Write(p)
	l.size += n
	l.line = append(l.line, p...)
	for {
		line, rest, found := bytes.Cut(l.line, []byte("\n"))
		if !found && len(l.line) < maxLine {
			return len(p), nil
		}
		l.dir.output.write(l.prefix, line)
		l.line = append(l.line[:0], rest...)
	}
}

// maxLine is where a line without an end is cut.
const maxLine = 64 << 10

func (l *workerLog) rotate() {
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		return
	}
	next, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	_ = l.file.Close()
	l.file, l.size = next, 0
}

// Close ends the log of a worker that has ended.
func (l *workerLog) Close() error {
	if len(l.line) > 0 {
		l.dir.output.write(l.prefix, l.line)
	}
	l.dir.end(l.path)
	return l.file.Close()
}

// sharedWriter writes whole lines of many workers to one writer, which may be nil.
type sharedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *sharedWriter) write(prefix string, line []byte) {
	if s.w == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.w.Write(slices.Concat([]byte(prefix), line, []byte("\n")))
}
