package facts

import (
	"math"
	"testing"
	"time"
)

// A backlog that grows steadily is seen to, however often one looks; one that stays doesn't.
func TestTrend(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	for _, every := range []time.Duration{time.Second, 3 * time.Second} {
		for _, growth := range []float64{0, 0.5, 20, -3} {
			var l Trend
			for at := time.Duration(0); at <= time.Minute; at += every {
				l.learn(begin.Add(at), 600+int(growth*at.Seconds()), TrendAge(5*time.Second))
			}
			if math.Abs(l.Growth-growth) > 0.3 {
				t.Errorf("by %v a second, looked at every %s: %v", growth, every, l.Growth)
			}
		}
	}
}

// What was there when a leader began to look hasn't grown; nor does a clock that stands still make it.
func TestTrendBegins(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	var l Trend
	l.learn(begin, 500, TrendAge(0))
	l.learn(begin, 900, TrendAge(0))
	if l.Growth != 0 {
		t.Errorf("%+v", l)
	}
}

func TestTrendAge(t *testing.T) {
	for cold, want := range map[time.Duration]time.Duration{
		0: 2500 * time.Millisecond, 5 * time.Second: 2500 * time.Millisecond, time.Minute: 30 * time.Second,
	} {
		if got := TrendAge(cold); got != want {
			t.Errorf("cold start %s: %s, not %s", cold, got, want)
		}
	}
}
