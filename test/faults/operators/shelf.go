package operators

import "time"

// The lanes whose jobs only operators touch. Those of lane former stay where they are until the end.
const (
	kept   = "kept"
	spare  = "spare"
	former = "former"
)

// seenWithin is how old what the scaler reports may be without a warning.
const seenWithin = 20 * time.Second

// shelf is how many jobs must be in the two lanes: at least, since a command that failed may have moved some.
type shelf struct {
	all  int
	low  map[string]int
	past []level
}

// level is how many there were at least in each lane, from a moment on.
type level struct {
	at  time.Time
	low map[string]int
}

// newShelf is for so many jobs.
func newShelf(all int) shelf {
	s := shelf{all: all, low: map[string]int{kept: 0, spare: 0}}
	s.note()
	return s
}

// fill takes in that all jobs are in lane kept now.
func (s *shelf) fill() {
	s.low[kept] = s.all
	s.note()
}

func (s *shelf) note() {
	s.past = append(s.past, level{time.Now(), map[string]int{kept: s.low[kept], spare: s.low[spare]}})
}

// least returns how many are in a lane at least.
func (s *shelf) least(lane string) int { return s.low[lane] }

// lately returns how many were in a lane at least for some time before that moment and since; false for another lane.
func (s *shelf) lately(lane string, at time.Time) (least int, ok bool) {
	if _, ok := s.low[lane]; !ok {
		return 0, false
	}
	least = s.low[lane]
	for i, l := range s.past {
		over := i+1 < len(s.past) && s.past[i+1].at.Before(at.Add(-seenWithin))
		if !over {
			least = min(least, l.low[lane])
		}
	}
	return least, true
}

// moved takes in that so many were moved.
func (s *shelf) moved(from, to string, n int) {
	s.low[from] = max(0, s.low[from]-n)
	if _, ok := s.low[to]; ok {
		s.low[to] += n
	}
	s.note()
}

// doubt takes in that any number up to the limit may have been moved.
func (s *shelf) doubt(from string, limit int) {
	s.low[from] = max(0, s.low[from]-limit)
	s.note()
}
