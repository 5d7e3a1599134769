package facts

import (
	"slices"
	"time"
)

// Trend is how a lane's backlog moves.
type Trend struct {
	Growth float64 // over the window, in jobs a second; less than 0: it shrinks
	Looks  []Look  // at the backlog in the window, a tenth of it apart; oldest first
}

// Look is a lane's backlog at a moment.
type Look struct {
	At      time.Time
	Backlog int
}

// looks is how many there are in a window at the most.
const looks = 10

// TrendAge returns how old what a trend says is in the mean, half of its window: a cold start, and at least 5 s. Who
// wants to see a cold start ahead looks back for two; over less than ten seconds, single arrivals look like growth.
func TrendAge(coldStart time.Duration) time.Duration { return max(coldStart, 5*time.Second) }

// learn takes in the backlog of one tick.
func (t *Trend) learn(at time.Time, backlog int, age time.Duration) {
	window := 2 * age
	for len(t.Looks) > 1 && at.Sub(t.Looks[1].At) >= window {
		t.Looks = t.Looks[1:]
	}
	if last := len(t.Looks) - 1; last < 0 || at.Sub(t.Looks[last].At) >= window/looks {
		t.Looks = append(slices.Clip(t.Looks), Look{at, backlog})
	}
	t.Growth = 0
	if since := at.Sub(t.Looks[0].At); since > 0 {
		t.Growth = float64(backlog-t.Looks[0].Backlog) / since.Seconds()
	}
}
