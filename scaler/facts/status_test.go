package facts

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func TestRates(t *testing.T) {
	tests := []struct {
		name    string
		flow    []FlowSample
		in, out float64 // per minute
	}{
		{"nothing yet", nil, 0, 0},
		{"one look says nothing", []FlowSample{{at(0), 100, 0}}, 0, 0},
		{"a window that has only begun", []FlowSample{{at(0), 100, 0}, {at(10), 5, 2}}, 30, 12},
		{
			"a full one; what came before it doesn't count",
			[]FlowSample{{at(0), 100, 9}, {at(30), 5, 2}, {at(60), 1, 4}},
			6, 6,
		},
		{"no time has passed", []FlowSample{{at(0), 1, 1}, {at(0), 1, 1}}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if in, out := rates(tt.flow); in != tt.in || out != tt.out {
				t.Errorf("rates = %g in, %g out; want %g, %g", in, out, tt.in, tt.out)
			}
		})
	}
}

func TestJudgeWaits(t *testing.T) {
	waits := func(n int, w time.Duration) (all []WaitSample) {
		for range n {
			all = append(all, WaitSample{t0, []time.Duration{w}})
		}
		return all
	}
	tests := []struct {
		name            string
		samples         []WaitSample
		started, inTime int
		p95             time.Duration
		met             bool
	}{
		{"no starts", nil, 0, 0, 0, true},
		{"one", waits(1, time.Second), 1, 1, time.Second, true},
		{"exactly on time", waits(1, 10*time.Second), 1, 1, 10 * time.Second, true},
		{"one of twenty late", append(waits(19, time.Second), waits(1, time.Minute)...), 20, 19, time.Second, true},
		{"two of twenty late", append(waits(18, time.Second), waits(2, time.Minute)...), 20, 18, time.Minute, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := fleet.LaneStatus{StartWithin: lanes.Duration(10 * time.Second)}
			judgeWaits(&s, tt.samples)
			if s.Started != tt.started || s.InTime != tt.inTime || s.P95Wait.D() != tt.p95 || s.Objective() != tt.met {
				t.Errorf("%+v, objective met: %v", s, s.Objective())
			}
		})
	}
}

// nth finds what sorting finds, in waits of any order and with many alike.
func TestNth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := 1; n <= 200; n++ {
		waits := make([]time.Duration, n)
		for i := range waits {
			waits[i] = time.Duration(r.IntN(1 + n/2))
		}
		sorted := slices.Sorted(slices.Values(waits))
		for _, place := range []int{0, n / 2, n - 1, r.IntN(n)} {
			if got := nth(slices.Clone(waits), place); got != sorted[place] {
				t.Fatalf("place %d of %d: %d, want %d", place, n, got, sorted[place])
			}
		}
	}
}
