package facts

import (
	"math"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Status returns what is shown of the lane, as far as it is remembered.
func (l LaneHistory) Status(at time.Time, startWithin lanes.Duration) fleet.LaneStatus {
	s := fleet.LaneStatus{
		Ready: l.Ready(), Skipped: l.Skipped, Unrecorded: l.Unrecorded(at), Excess: l.excess(at),
		OldestWait: lanes.Duration(l.OldestWait(at)), Since: l.Since(), StartWithin: startWithin, Stale: l.Stale,
	}
	s.InPerMin, s.OutPerMin = rates(l.Flow)
	judgeWaits(&s, l.Waits)
	return s
}

// rates returns the jobs per minute in and out. A window that has only begun counts with its own length.
func rates(flow []FlowSample) (in, out float64) {
	if len(flow) < 2 {
		return 0, 0
	}
	for _, f := range flow[1:] {
		in += float64(f.In)
		out += float64(f.Out)
	}
	minutes := flow[len(flow)-1].At.Sub(flow[0].At).Minutes()
	if minutes <= 0 {
		return 0, 0
	}
	return math.Round(10*max(0, in)/minutes) / 10, math.Round(10*out/minutes) / 10
}

// judgeWaits fills in the 95th percentile (nearest rank) and how many starts were in time.
func judgeWaits(s *fleet.LaneStatus, samples []WaitSample) {
	all := make([]time.Duration, 0, waits(samples))
	for _, sample := range samples {
		all = append(all, sample.Waits...)
	}
	for _, w := range all {
		if w <= s.StartWithin.D() {
			s.InTime++
		}
	}
	s.Started = len(all)
	if len(all) == 0 {
		return
	}
	s.P95Wait = lanes.Duration(nth(all, int(math.Ceil(0.95*float64(len(all))))-1))
}

// nth returns what would stand at a place if the waits were sorted, without sorting them all: a tick asks it of every
// lane. It moves them about.
func nth(waits []time.Duration, place int) time.Duration {
	for from, to := 0, len(waits)-1; from < to; {
		pivot := waits[from+(to-from)/2]
		i, j := from, to
		for i <= j {
			for waits[i] < pivot {
				i++
			}
			for waits[j] > pivot {
				j--
			}
			if i <= j {
				waits[i], waits[j] = waits[j], waits[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case place <= j:
			to = j
		case place >= i:
			from = i
		default:
			return waits[place]
		}
	}
	return waits[place]
}
