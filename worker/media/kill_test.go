package media

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// workOrder is what a worker process of the tests is told to do.
type workOrder struct {
	Scratch string
	Job     job.Job
	Attempt string
	Limits  work.Limits
	Storage []lanes.Storage
}

// carryOut runs such a process: a worker that runs one job, to be killed meanwhile.
func (w workOrder) carryOut() {
	h, err := New(Options{Scratch: w.Scratch, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		_, err = h.Handle(context.Background(), work.Task{
			Job: w.Job, Attempt: w.Attempt, Limits: w.Limits,
			Storage: w.Storage,
		})
	}
	fmt.Println(err)
}

// kill -9 of a worker takes its ffmpeg along; the next worker cleans up, and leaves alone what others still hold.
func TestWorkerKilled(t *testing.T) {
	b := newBench(t)
	kill := workertest.Start(t, workOrder{
		Scratch: b.dir, Job: slowJob(b), Attempt: "dead", Limits: b.limits,
		Storage: b.storage,
	})
	working(t, b.scratch)
	kill()
	gone(t, b.scratch, time.Minute)

	kill = workertest.Start(t, workOrder{
		Scratch: b.dir, Job: slowJob(b), Attempt: "alive", Limits: b.limits,
		Storage: b.storage,
	})
	working(t, b.scratch)
	workertest.Must(t, os.Mkdir(filepath.Join(b.scratch, "not_ours"), 0o755))
	_, err := New(Options{Scratch: b.dir, Log: slog.New(slog.DiscardHandler)})
	workertest.Must(t, err)
	if left := fmt.Sprint(workertest.Names(t, b.scratch)); left != "[.siren not_ours slow-alive]" {
		t.Errorf("scratch has %s", left)
	}
	kill()
	gone(t, b.scratch, time.Minute)
	if left := workertest.Names(t, b.out); len(left) > 0 {
		t.Errorf("output has %v", left)
	}
}
