package history

import (
	"fmt"
	"time"
)

// Sight is what was seen of one output.
type Sight struct {
	At       time.Time // when it appeared
	Recipe   string    // at that moment; "" for nothing that any recipe makes
	Problems []string
}

// Problem adds one, and when it was seen.
func (s *Sight) Problem(format string, args ...any) {
	s.Problems = append(s.Problems, time.Now().Format(Clock)+" "+fmt.Sprintf(format, args...))
}
