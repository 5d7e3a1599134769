package facts

import "time"

// Peaks are the most replicas that a lane needed in each of the last spans of time, which follow one another.
type Peaks struct {
	Since                 time.Time // when the latest span began
	Latest, Before, Older int
}

// With returns the peaks with what is needed now.
func (p Peaks) With(at time.Time, need int, span time.Duration) Peaks {
	if at.Sub(p.Since) >= span {
		p = Peaks{Since: at, Before: p.Latest, Older: p.Before}
	}
	p.Latest = max(p.Latest, need)
	return p
}

// Recurring returns what was needed in two spans in a row, of the last three: so it is likely to be needed again, and a
// single burst isn't.
func (p Peaks) Recurring() int { return max(min(p.Latest, p.Before), min(p.Before, p.Older)) }
