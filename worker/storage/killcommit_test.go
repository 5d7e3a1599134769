package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/worker/workertest"
)

// However early or late a worker is killed while it commits, the output is whole or not there, and the job's next
// attempt ends well.
func TestKilledInMidWrite(t *testing.T) {
	b := newBench(t)
	const size = 400 << 20
	large := filepath.Join(t.TempDir(), "large")
	workertest.Must(t, os.WriteFile(large, nil, 0o600))
	workertest.Must(t, os.Truncate(large, size))
	small := filepath.Join(t.TempDir(), "small")
	workertest.Must(t, os.WriteFile(small, []byte("small"), 0o600))
	midWrite := 0
	for i := range 8 {
		name := fmt.Sprintf("k%d.bin", i)
		job := job.Job{ID: "killed", Output: b.output(name)}
		kill := workertest.Start(t, workOrder{Job: job, Attempt: fmt.Sprint("k", i), Storage: b.storage, Commit: large})
		written := filepath.Join(b.out, ".siren/killed", fmt.Sprint("k", i), name)
		for end := time.Now().Add(time.Minute); time.Now().Before(end); {
			if _, err := os.Stat(written); err == nil {
				break
			}
		}
		time.Sleep(time.Duration(i*i) * 10 * time.Millisecond)
		kill()
		info, err := os.Stat(filepath.Join(b.out, name))
		if err == nil && info.Size() != size {
			t.Errorf("%d bytes of %d are visible", info.Size(), size)
		}
		if err != nil {
			midWrite++
		}
		r := NewRules(b.storage)
		at, err := r.Locate("output", job.Output, Write)
		workertest.Must(t, err)
		done, got, err := fileStore{r}.Commit(t.Context(), at, Product{File: open(t, small), Job: job, Attempt: "next"})
		workertest.Must(t, err)
		if info != nil && (!done || got != size) || info == nil && (done || got != 5) {
			t.Errorf("next Attempt: done %v, %d bytes, after the killed one left %v", done, got, info)
		}
		_ = os.RemoveAll(filepath.Join(b.out, name))
		_ = os.RemoveAll(filepath.Join(b.out, ".siren"))
	}
	t.Logf("%d of 8 were killed before the output was there", midWrite)
	if midWrite == 0 {
		t.Error("none was killed in the middle: the test proves nothing")
	}
}
