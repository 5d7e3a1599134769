package operators

import (
	"testing"
	"time"
)

// What must be in a lane is what was moved there for sure, and less what may have been moved away.
func TestShelf(t *testing.T) {
	s := newShelf(10)
	s.fill()
	if n, _ := s.lately(kept, time.Now()); n != 0 {
		t.Errorf("a report of just now shows at least %d; it may be older than the jobs", n)
	}
	s.moved(kept, spare, 4)
	s.doubt(kept, 4)
	if s.least(kept) != 2 || s.least(spare) != 4 {
		t.Errorf("at least %v; want 2 kept and 4 spare", s.low)
	}
	s.moved(spare, "bulk", 4)
	if s.least(spare) != 0 || len(s.low) != 2 {
		t.Errorf("at least %v; want none spare", s.low)
	}
	if _, here := s.lately("bulk", time.Now()); here {
		t.Error("lane bulk is none of theirs")
	}
	s.moved("bulk", spare, 3)
	if n, _ := s.lately(spare, time.Now()); n != 0 {
		t.Errorf("a report of just now shows at least %d; it may be as old as nothing was there", n)
	}
	if n, _ := s.lately(spare, time.Now().Add(2*seenWithin)); n != 3 {
		t.Errorf("a later report shows at least %d, want 3", n)
	}
}
