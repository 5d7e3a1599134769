package yardstick

import (
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1, 0).Add(time.Duration(ms) * time.Millisecond) }
	slots := []Arrivals{{at(0), at(10), at(30)}, {}, {at(5), at(15)}}
	if got := PerSecond(slots); got != 4/0.030 {
		t.Errorf("%v jobs a second, want 4 in 30 ms", got)
	}
	if got := PerJob(slots); got != 10 {
		t.Errorf("%v ms per job, want 10", got)
	}
}
