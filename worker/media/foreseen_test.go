package media

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/effort"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// What an input is, is told before anything is made of it, and how long the programs compute, by and by: from that a
// job's run time is learnt and predicted.
func TestToldForPrediction(t *testing.T) {
	b := newBench(t)
	for input, want := range map[string]work.Facts{
		"clip.mp4":  {Seconds: 2, Width: 320, Height: 240, Rate: 25},
		"sound.m4a": {Seconds: 1},
	} {
		var mu sync.Mutex
		var facts work.Facts
		var computed []time.Duration
		kind, output := "transcode", "a.mp4"
		if want.Width == 0 {
			kind, output = "probe", "b.json"
		}
		task := b.task(job.Job{Kind: kind, Input: b.put(input), Output: b.output(output)})
		task.Found = func(f work.Facts) { facts = f }
		task.Computed = func(d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			computed = append(computed, d)
		}
		_, err := b.runContext(context.Background(), task)
		workertest.Must(t, err)
		facts.Seconds = float64(int(facts.Seconds + 0.5))
		if facts != want {
			t.Errorf("%s is %+v, want %+v", input, facts, want)
		}
		if !slices.IsSorted(computed) || len(computed) == 0 || computed[len(computed)-1] <= 0 {
			t.Errorf("%s: computed %v", input, computed)
		}
		if effort.Units(task.Job, facts) <= 0 {
			t.Errorf("%s: a job without any work", input)
		}
	}
}
