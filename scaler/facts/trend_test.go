package facts

import (
	"math"
	"testing"
	"time"
)

// A backlog that grows steadily is seen to, however often one looks; one that stays doesn't.
func TestTrend(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	for _, every := range []time.Duration{250 * time.Millisecond, time.Second, 3 * time.Second} {
		for _, growth := range []float64{0, 4, 20, -4} {
			var l Trend
			for at := time.Duration(0); at <= time.Minute; at += every {
				l.learn(begin.Add(at), 600+int(growth*at.Seconds()), TrendAge(5*time.Second))
			}
			if math.Abs(l.Growth-growth) > 0.01 {
				t.Errorf("by %v a second, looked at every %s: %v", growth, every, l.Growth)
			}
			if len(l.Looks) > looks+1 {
				t.Errorf("looked at every %s: %d looks are kept", every, len(l.Looks))
			}
		}
	}
}

// What was there when a leader began to look hasn't grown, and what was before the window doesn't count.
func TestTrendOfAStep(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	var l Trend
	for second, want := range []float64{0, 100, 50, 100 / 3.0, 25, 20, 100 / 6.0, 100 / 7.0, 12.5, 100 / 9.0, 10, 0} {
		backlog := 600
		if second == 0 {
			backlog = 500
		}
		l.learn(begin.Add(time.Duration(second)*time.Second), backlog, TrendAge(0))
		if math.Abs(l.Growth-want) > 0.01 {
			t.Errorf("after %d s: %v, not %v", second, l.Growth, want)
		}
	}
}

// The history that a tick is given stays as it is.
func TestTrendIsCopied(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	var before Trend
	before.learn(begin, 1, TrendAge(0))
	one, other := before, before
	one.learn(begin.Add(time.Second), 2, TrendAge(0))
	other.learn(begin.Add(time.Second), 3, TrendAge(0))
	if one.Looks[1].Backlog != 2 || other.Looks[1].Backlog != 3 || len(before.Looks) != 1 {
		t.Errorf("%v %v %v", before, one, other)
	}
}

func TestTrendAge(t *testing.T) {
	for cold, want := range map[time.Duration]time.Duration{
		0: 5 * time.Second, 5 * time.Second: 5 * time.Second, time.Minute: time.Minute,
	} {
		if got := TrendAge(cold); got != want {
			t.Errorf("cold start %s: %s, not %s", cold, got, want)
		}
	}
}
