package worker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/polyglot-media/siren/lanes/work"

	"github.com/polyglot-media/siren/lanes/plain"
)

const (
	runLogTime = time.Second // bounds one keeping: while the log is kept the claim isn't renewed
	runLogGap  = "…\n"       // stands for what isn't kept
)

// runLog is the end of what the programs of one run said, below a line that names the run. Its nil is a log that nobody
// keeps.
type runLog struct {
	job  string
	head string

	mu    sync.Mutex
	said  plain.Tail
	fresh bool // it hasn't been kept as it is now
}

// newRunLog returns the log of a run that begins now.
func (w *Worker) newRunLog(c work.Claim) *runLog {
	if w.o.Logs == nil {
		return nil
	}
	now := w.o.Now().UTC().Format(time.RFC3339)
	return beginLog(c.JobID, fmt.Sprintf("attempt %d on %s, %s\n", c.Attempts, w.o.Name, now))
}

func beginLog(job, head string) *runLog {
	said := plain.Tail{Most: work.MaxLog - len(head) - len(runLogGap)}
	return &runLog{job: job, head: head, said: said, fresh: true}
}

func (l *runLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fresh = l.fresh || len(p) > 0
	return l.said.Write(p)
}

// take returns the log as it is now, for keeping; false when it has been kept already.
func (l *runLog) take() (text string, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh, l.fresh = l.fresh, false
	said := l.said.String()
	if l.said.Over {
		if _, whole, _ := strings.Cut(said, "\n"); whole != "" { // the first line is half a line
			said = whole
		}
		said = runLogGap + said
	}
	return l.head + said, fresh
}

// untake says that what was taken last could not be kept.
func (l *runLog) untake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fresh = true
}

// keepLog keeps what a run has said so far, unless that is kept already. A log that can't be kept is no reason to do
// anything else about the job.
func (w *Worker) keepLog(ctx context.Context, l *runLog) {
	if l == nil {
		return
	}
	text, fresh := l.take()
	if !fresh {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, runLogTime)
	defer cancel()
	if err := w.o.Logs.KeepLog(ctx, l.job, text); err != nil {
		l.untake()
		w.o.Log.Debug("keep what a job's programs said", "job", l.job, "error", err)
	}
}
