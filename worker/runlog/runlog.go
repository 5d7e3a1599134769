// Package runlog holds the end of what the programs of one run of a job say, until somebody keeps it.
package runlog

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/work"
)

const (
	keepTime = time.Second // bounds one keeping: while the log is kept the claim isn't renewed
	gap      = "…\n"       // stands for what isn't kept
)

// Log is the end of what was said, below a line that names the run. It is safe for concurrent use.
type Log struct {
	job  string
	head string

	mu    sync.Mutex
	said  plain.Tail
	fresh bool // it hasn't been kept as it is now
}

// New returns the log of a run of the job that begins now. Its head is a line.
func New(job, head string) *Log {
	return &Log{job: job, head: head, said: plain.Tail{Most: work.MaxLog - len(head) - len(gap)}, fresh: true}
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fresh = l.fresh || len(p) > 0
	return l.said.Write(p)
}

// Keep has keep store what was said so far, unless that is stored already.
func (l *Log) Keep(ctx context.Context, keep func(ctx context.Context, job, text string) error) error {
	text, fresh := l.take()
	if !fresh {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keepTime)
	defer cancel()
	err := keep(ctx, l.job, text)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.fresh = true
	}
	return err
}

// take returns the log as it is now, for keeping; false when it has been kept already.
func (l *Log) take() (text string, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh, l.fresh = l.fresh, false
	said := l.said.String()
	if l.said.Over {
		if _, whole, _ := strings.Cut(said, "\n"); whole != "" { // the first line is half a line
			said = whole
		}
		said = gap + said
	}
	return l.head + said, fresh
}
