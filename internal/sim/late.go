package sim

import "slices"

// depth is what waited in a lane at a moment.
type depth struct {
	at     int64
	ready  int
	oldest int64 // since when its first job was ready; of an empty lane nothing
}

// depth returns what the broker says of a lane: what was true a while ago, where its answers are late.
func (v *View) depth(lane int) depth {
	q := &v.p.lanes[lane].queue
	now := depth{at: v.p.now, ready: q.n}
	if q.n > 0 {
		now.oldest = q.front().ready
	}
	late := int64(v.p.c.Faults.LateDepth)
	if late == 0 {
		return now
	}
	if v.depths == nil {
		v.depths = make([][]depth, len(v.p.lanes))
	}
	seen := append(v.depths[lane], now)
	old := 0
	for old+1 < len(seen) && seen[old+1].at <= now.at-late {
		old++
	}
	v.depths[lane] = slices.Delete(seen, 0, old)
	return v.depths[lane][0]
}
