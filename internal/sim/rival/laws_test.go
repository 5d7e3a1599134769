package rival

import (
	"math"
	"slices"
	"testing"
	"time"
)

// The accurate strategy, as KEDA's documentation has it.
func TestScaledJobStarts(t *testing.T) {
	for _, c := range []struct{ wanted, running, pending, maximum, want int }{
		{3, 0, 0, 10, 3},  // a pod for each job
		{3, 3, 3, 10, 0},  // all of which are on their way
		{5, 4, 2, 10, 3},  // two of them are
		{8, 6, 0, 10, 4},  // no more than there is room for
		{8, 10, 2, 10, 0}, // and none without room
	} {
		if got := newJobs(c.wanted, c.running, c.pending, c.maximum); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// Knative: the mean of a minute over 0.7; a burst of twice what is there is panic, in which it never shrinks.
func TestKnative(t *testing.T) {
	var k kpa
	want := func(at time.Duration, in float64, ready, pods int) {
		t.Helper()
		if got := k.want(at, in, ready, 1); got != pods {
			t.Errorf("at %s with %g jobs on %d: %d, want %d", at, in, ready, got, pods)
		}
	}
	want(0, 0, 1, 0)     // nothing comes
	want(2*s, 0.7, 1, 1) // 0.35/0.7 = 0.5
	want(4*s, 7, 1, 4)   // panic: 7.7/3/0.7 = 3.7, where the minute says the same
	want(6*s, 7, 4, 7)   // 14.7/3/0.7
	want(8*s, 0, 7, 7)   // 14/3/0.7 = 6.7
	want(10*s, 0, 7, 7)  // it would be 3.3 by the burst: it doesn't shrink in panic
	for at := 12 * s; at <= 64*s; at += 2 * s {
		want(at, 0, 7, 7)
	}
	// a minute after the burst was last twice of what was there (at 4 s): 14/30/0.7 = 0.7, but half of 7 are kept
	want(66*s, 0, 7, 3)
}

// AWS: three minutes above the target before it grows, fifteen below nine tenths of it before it shrinks.
func TestAWS(t *testing.T) {
	var a tracked
	pods := 2
	for minute, c := range []struct {
		backlog float64
		want    int
	}{{60, 2}, {60, 2}, {60, 10}, {60, 10}, {10, 10}} { // 30 per instance where 6 is the target: 2·30/6
		if pods = a.want(pods, c.backlog/float64(pods), 6); pods != c.want {
			t.Errorf("minute %d: %d, want %d", minute, pods, c.want)
		}
		if pods == 10 {
			break
		}
	}
	a = tracked{}
	var got []int
	for range 16 {
		pods = a.want(pods, 3, 6)
		got = append(got, pods)
	}
	if !slices.Equal(got[13:], []int{10, 5, 5}) {
		t.Errorf("half the target for 16 minutes: %v, want 10 until the fifteenth, then 5", got)
	}
}

func TestErlangC(t *testing.T) {
	for _, c := range []struct {
		servers int
		load    float64
		want    float64 // from the tables
	}{{1, 0.5, 0.5}, {2, 1, 1.0 / 3}, {5, 4, 0.5541}, {10, 8, 0.4092}, {3, 3, 1}} {
		if got := ErlangC(c.servers, c.load); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%d servers at %g erlangs: %.4f, want %.4f", c.servers, c.load, got, c.want)
		}
	}
}

// One lane at 4 erlangs with S = T: C(5,4)·e^-1 = 0.20, C(6,4)·e^-2 = 0.039. A more urgent lane waits for less.
func TestServersFor(t *testing.T) {
	for _, c := range []struct {
		loads, within []float64
		want          int
	}{
		{[]float64{4}, []float64{5}, 6},
		{[]float64{0}, []float64{5}, 0},
		{[]float64{0.4, 3.6}, []float64{5, 500}, 5}, // C(5,4)·e^-4.6 = 0.006, where all the rest may wait
	} {
		if got := serversFor(c.loads, c.within, 5); got != c.want {
			t.Errorf("%v within %v: %d, want %d", c.loads, c.within, got, c.want)
		}
	}
}
