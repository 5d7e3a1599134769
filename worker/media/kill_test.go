package media

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// workOrder is what a worker process of the tests is told to do.
type workOrder struct {
	Scratch string
	Job     job.Job
	Attempt string
	Limits  work.Limits
	Storage []lanes.Storage
}

// beWorker runs such a process: a worker that runs one job, to be killed meanwhile.
func beWorker(text string) {
	var w workOrder
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		panic(err)
	}
	h, err := New(Options{Scratch: w.Scratch, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		_, err = h.Handle(context.Background(), work.Task{
			Job: w.Job, Attempt: w.Attempt, Limits: w.Limits,
			Storage: w.Storage,
		})
	}
	fmt.Println(err)
}

func startWorker(t *testing.T, w workOrder) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(w)
	must(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SIREN_TEST_WORKER="+string(text))
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	return cmd
}

func kill9(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	must(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()
}

// kill -9 of a worker takes its ffmpeg along; the next worker cleans up, and leaves alone what others still hold.
func TestWorkerKilled(t *testing.T) {
	b := newBench(t)
	dead := startWorker(t, workOrder{
		Scratch: b.dir, Job: slowJob(b), Attempt: "dead", Limits: b.limits,
		Storage: b.storage,
	})
	working(t, b.scratch)
	kill9(t, dead)
	gone(t, b.scratch, time.Minute)

	alive := startWorker(t, workOrder{
		Scratch: b.dir, Job: slowJob(b), Attempt: "alive", Limits: b.limits,
		Storage: b.storage,
	})
	working(t, b.scratch)
	must(t, os.Mkdir(filepath.Join(b.scratch, "not_ours"), 0o755))
	_, err := New(Options{Scratch: b.dir, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	if left := fmt.Sprint(names(t, b.scratch)); left != "[.siren not_ours slow-alive]" {
		t.Errorf("scratch has %s", left)
	}
	kill9(t, alive)
	gone(t, b.scratch, time.Minute)
	if left := names(t, b.out); len(left) > 0 {
		t.Errorf("output has %v", left)
	}
}
