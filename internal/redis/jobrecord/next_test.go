package jobrecord_test

import (
	"slices"
	"testing"

	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/work"
)

// The next jobs of a lane come in the order in which they start, with what tells how long they run.
func TestNext(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	var jobs []work.Delivery
	for _, id := range []string{"a", "b", "urgent", "last"} {
		d := redistest.Delivery(id, "bulk")
		d.Job.Kind, d.Job.Params = "transcode", []byte(`{"preset":"slow"}`)
		if id == "urgent" {
			d.Job.Priority = 3
		}
		jobs = append(jobs, d)
	}
	_, err := l.CreateAll(t.Context(), jobs)
	redistest.Must(t, err)
	got, err := l.Next(t.Context(), "bulk", 3)
	redistest.Must(t, err)
	var ids []string
	for _, j := range got {
		ids = append(ids, j.ID)
		if j.Kind != "transcode" || string(j.Params) != `{"preset":"slow"}` {
			t.Errorf("job %+v", j)
		}
	}
	if want := []string{"urgent", "a", "b"}; !slices.Equal(ids, want) {
		t.Errorf("next are %v, want %v", ids, want)
	}
	if none, err := l.Next(t.Context(), "empty", 3); err != nil || len(none) != 0 {
		t.Errorf("of an empty lane: %v, %v", none, err)
	}
}
