package workload

import (
	"testing"
	"time"

	"github.com/polyglot-media/siren/test/faults/history"
)

// The seed alone decides what is enqueued, and when.
func TestJobSchedule(t *testing.T) {
	at := Places{"file:///in/", "file:///out/", "s3://out/"}
	one, same, other := Schedule(1, time.Minute, 3, true, at), Schedule(1, time.Minute, 3, true, at),
		Schedule(2, time.Minute, 3, true, at)
	fates := map[history.Fate]int{}
	ids := map[string]bool{}
	for i, s := range one {
		if s.At != same[i].At || s.Job.ID != same[i].Job.ID || s.Recipe != same[i].Recipe {
			t.Fatalf("two jobs with one seed: %+v, %+v", s, same[i])
		}
		fates[s.Fate]++
		ids[s.Job.ID] = true
	}
	if len(other) == len(one) && other[3].At == one[3].At {
		t.Error("another seed makes the same jobs")
	}
	if len(ids) != len(one) || fates[history.Succeeds] < len(one)/2 || fates[history.BadInput] == 0 ||
		fates[history.Contested]%2 != 0 ||
		fates[history.Contested] == 0 || fates[history.Poisonous] != 2 {
		t.Errorf("%d jobs: %v", len(one), fates)
	}
}
