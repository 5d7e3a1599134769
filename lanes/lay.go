package lanes

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Laid is a policy with all that is laid over it at one moment.
type Laid struct {
	Policy  *Policy
	InForce []Tuning     // one for each field, those of the policy's own schedules too
	Early   []Tuning     // scheduled floors that begin soon: their workers start now
	Idle    []IdleTuning // can't be in force
	// Changes is when it may next be otherwise, while tunings and leads stay what they are; zero: never.
	Changes time.Time
}

// Lay returns the policy that is in force at now: as Tuned, but that a floor (the min of a pool) which a schedule
// brings, or leaves behind at its end, is in force a lead earlier, so that its workers are ready on time. Then the
// floor has the room that it will have: a higher max, and more of the budget.
func (p *Policy) Lay(tunings []Tuning, now time.Time, lead func(pool string) time.Duration) Laid {
	all := p.overlays(tunings)
	if len(all) == 0 {
		return Laid{Policy: p}
	}
	var l Laid
	l.Policy, l.InForce, l.Idle = p.tunedAt(all, now)
	floors := map[string]string{} // where they come from
	for _, o := range all {
		l.changes(now, 0, o)
		if _, inForce := FindTuning(l.InForce, o.ID()); inForce && o.calendar != nil {
			if next, ok := o.occurrence(now); ok {
				floors[o.Field] = fmt.Sprintf("from schedule %s until %s", o.Name, endOf(next))
			}
		}
	}
	for _, q := range p.Pools {
		floor := PoolField(q.Name, "min")
		if !slices.ContainsFunc(all, func(o overlay) bool { return o.calendar != nil && o.Field == floor }) {
			continue
		}
		ahead := lead(q.Name)
		for _, o := range all {
			l.changes(now, ahead, o)
		}
		if from := p.ahead(&l, all, q.Name, now, ahead); from != "" {
			floors[floor] = from
		}
	}
	for i := range l.Policy.Pools {
		if from := floors[PoolField(l.Policy.Pools[i].Name, "min")]; from != "" { // so it is a copy
			l.Policy.Pools[i].floorFrom = from
		}
	}
	return l
}

// changes notes when the overlay begins and ends next, so long before.
func (l *Laid) changes(now time.Time, before time.Duration, o overlay) {
	at := []time.Time{o.Until}
	if next, ok := o.occurrence(now); ok {
		at = []time.Time{next.Start, next.End}
		if after, ok := o.occurrence(next.End); ok {
			at = append(at, after.Start)
		}
	}
	for _, t := range at {
		if t = t.Add(-before); t.After(now) && (l.Changes.IsZero() || t.Before(l.Changes)) {
			l.Changes = t
		}
	}
}

// ahead raises a pool's floor to the highest that is in force within the lead, and says where it comes from; "" when
// none is higher than that of now.
func (p *Policy) ahead(l *Laid, all []overlay, pool string, now time.Time, lead time.Duration) string {
	var best Laid
	var since time.Time
	floor := l.Policy.floor(pool)
	for _, at := range turns(all, now, lead) {
		var then Laid
		if then.Policy, then.InForce, _ = p.tunedAt(all, at); then.Policy.floor(pool) > floor {
			best, since, floor = then, at, then.Policy.floor(pool)
		}
	}
	if since.IsZero() || !l.raise(pool, best.Policy) {
		return ""
	}
	from := since.Format("15:04 MST")
	for _, t := range best.InForce {
		if t.Field == PoolField(pool, "min") && t.When != nil {
			l.Early = append(l.Early, t)
			return fmt.Sprintf("for schedule %s from %s on", t.Name, from)
		}
	}
	return fmt.Sprintf("again from %s on", from)
}

func (p *Policy) floor(pool string) int {
	q, _ := p.Pool(pool)
	return q.Min
}

// turns returns the times within the lead at which a scheduled overlay begins or ends, in order.
func turns(all []overlay, now time.Time, lead time.Duration) []time.Time {
	const most = 100 // of one overlay
	at := map[int64]time.Time{}
	for _, o := range all {
		t := now
		for range most {
			next, ok := o.occurrence(t)
			if !ok || next.Start.Sub(now) > lead {
				break
			}
			for _, edge := range []time.Time{next.Start, next.End} {
				if edge.After(now) && edge.Sub(now) <= lead {
					at[edge.UnixNano()] = edge
				}
			}
			t = next.End
		}
	}
	return slices.SortedFunc(maps.Values(at), time.Time.Compare)
}

// raise gives a pool the floor that it will have then, as far as the budget of then has room beside the other floors.
// It is false when there is none.
func (l *Laid) raise(pool string, then *Policy) bool {
	next, err := l.Policy.clone()
	if err != nil {
		return false
	}
	floors := 0
	for _, q := range next.Pools {
		floors += q.Min
	}
	room := max(next.Budget, then.Budget)
	q := &next.Pools[slices.Index(next.PoolNames(), pool)]
	more := min(then.floor(pool)-q.Min, room-floors)
	if more <= 0 {
		return false
	}
	q.Min += more
	q.Max = max(q.Max, q.Min)
	next.Budget = max(next.Budget, min(then.Budget, next.Budget+more))
	l.Policy = next
	return true
}

// FloorFrom returns where the pool's min comes from, as words behind it: from schedule friday until 22:00 CET. "": from
// the policy file or an immediate tuning.
func (q Pool) FloorFrom() string { return q.floorFrom }
