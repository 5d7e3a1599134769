package lanes

import "slices"

// TakeOrder lists the lanes that a shared slot of the pool tries, first to last: the pool's own lanes by urgency, then
// its guests, then former lanes. On odd turns a promoted lane stands directly before the lane that it takes turns with, so
// a slot that counts its turns gives each of the two every other job. Shut-out guests are left out unless promoted.
func (e *Effective) TakeOrder(pool string, turn int) []string {
	q, ok := e.Policy.Pool(pool)
	if !ok {
		return nil
	}
	order := e.byUrgency(q.Lanes)
	shut := slices.Contains(e.NoGuests, pool)
	for _, g := range e.byUrgency(q.Guests) {
		if _, promoted := e.Turns[g]; !shut || promoted {
			order = append(order, g)
		}
	}
	if slices.Contains(q.Lanes, e.Policy.DefaultLane()) {
		order = append(order, e.Former...)
	}
	if turn%2 == 0 {
		return order
	}
	for _, lane := range e.Policy.LaneNames() {
		to, promoted := e.Turns[lane]
		from, at := slices.Index(order, lane), slices.Index(order, to)
		if promoted && from >= 0 && at >= 0 && at < from {
			order = slices.Insert(slices.Delete(order, from, from+1), at, lane)
		}
	}
	return order
}

// byUrgency is the given lanes in the policy's order of precedence.
func (e *Effective) byUrgency(names []string) []string {
	sorted := slices.Clone(names)
	slices.SortStableFunc(sorted, func(a, b string) int { return e.Policy.Rank(a) - e.Policy.Rank(b) })
	return sorted
}
