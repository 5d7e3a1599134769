package lanes

import "slices"

// TakeOrder lists the lanes that a shared slot of the pool tries, first to last: the pool's own lanes by urgency, then
// its guests, then former lanes. QueuesOf has the queues of each. A slot counts its turns: on every other one a
// promoted lane stands directly before the lane that it takes turns with, so each of the two gets every other job (with
// several promoted to the same lane, each gets its part; a lane promoted to a promoted one shares that one's turns).
// Guests that are shut out stay so unless they take turns here. Paused lanes aren't in it.
func (e *Effective) TakeOrder(pool string, turn int) []string {
	q, ok := e.Policy.Pool(pool)
	if !ok {
		return nil
	}
	order := e.byUrgency(q.Lanes)
	shut := slices.Contains(e.NoGuests, pool)
	for _, g := range e.byUrgency(q.Guests) {
		if !shut || q.serves(e.Turns[g]) {
			order = append(order, g)
		}
	}
	if slices.Contains(q.Lanes, e.Policy.DefaultLane()) {
		order = append(order, e.FormerLanes()...)
	}
	order = slices.DeleteFunc(order, e.Policy.Paused)
	for _, lane := range slices.Clone(order) {
		if slices.Contains(order, e.Turns[lane]) {
			continue // not a lane that gives turns away, but one that takes them
		}
		first := e.whoseTurn(lane, order, turn)
		from, at := slices.Index(order, first), slices.Index(order, lane)
		if at < from {
			order = slices.Insert(slices.Delete(order, from, from+1), at, first)
		}
	}
	return order
}

// QueuesOf returns the queues that jobs of the lane may be in: one, or two for a lane that has changed its queue type,
// the older one first.
func (e *Effective) QueuesOf(lane string) []Queue {
	var queues []Queue
	for _, f := range e.Former {
		if f.Lane == lane {
			queues = append(queues, f)
		}
	}
	if _, ok := e.Policy.Lane(lane); ok {
		queues = append(queues, e.Policy.QueueOf(lane))
	}
	return queues
}

// FormerLanes returns the lanes that left the policy and aren't known to be empty.
func (e *Effective) FormerLanes() []string {
	var names []string
	for _, f := range e.Former {
		if _, ok := e.Policy.Lane(f.Lane); !ok && !slices.Contains(names, f.Lane) {
			names = append(names, f.Lane)
		}
	}
	return names
}

// whoseTurn returns the lane itself, or one of those promoted to it (or to them).
func (e *Effective) whoseTurn(lane string, order []string, turn int) string {
	var promoted []string
	for _, l := range order {
		if l != lane && e.Turns[l] == lane {
			promoted = append(promoted, l)
		}
	}
	n := len(promoted) + 1
	if i := turn % n; i > 0 {
		return e.whoseTurn(promoted[i-1], order, turn/n)
	}
	return lane
}

// byUrgency returns the given lanes in the policy's order of precedence.
func (e *Effective) byUrgency(names []string) []string {
	sorted := slices.Clone(names)
	slices.SortStableFunc(sorted, func(a, b string) int { return e.Policy.Rank(a) - e.Policy.Rank(b) })
	return sorted
}
