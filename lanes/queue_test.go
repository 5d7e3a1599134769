package lanes

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestQueueNames(t *testing.T) {
	for name, q := range map[string]Queue{"bulk": {"bulk", Classic}, "bulk.quorum": {"bulk", Quorum}} {
		if got := q.String(); got != name {
			t.Errorf("%v is called %q, want %q", q, got, name)
		}
		if got := ParseQueue(name); got != q {
			t.Errorf("%q is %v, want %v", name, got, q)
		}
	}
	var q Queue
	if err := json.Unmarshal([]byte(`".quorum"`), &q); err == nil {
		t.Errorf("a queue without a lane was read as %v", q)
	}
}

func TestQueuesOf(t *testing.T) {
	p := example(t)
	p.Lanes[0].QueueType = Quorum
	e := Effective{Policy: *p, Former: []Queue{{"express", Classic}, {"old", Quorum}, {"old", Classic}}}
	for lane, want := range map[string][]Queue{
		"express":  {{"express", Classic}, {"express", Quorum}}, // the older one first
		"standard": {{"standard", Classic}},
		"old":      {{"old", Quorum}, {"old", Classic}},
		"nowhere":  nil,
	} {
		if got := e.QueuesOf(lane); !slices.Equal(got, want) {
			t.Errorf("lane %s is in %v, want %v", lane, got, want)
		}
	}
	if got := e.FormerLanes(); !slices.Equal(got, []string{"old"}) {
		t.Errorf("former lanes %v, want old", got)
	}
}
