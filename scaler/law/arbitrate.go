package law

import "slices"

// Request is what one pool asks of the budget.
type Request struct {
	Pool     string
	Existing int     // replicas there are, retired and leaving ones too
	Replicas int     // replicas asked for until now, but for the retired ones
	Floor    int     // min
	Shares   []Share // what its lanes need now, most urgent first; the last one is all that the pool needs now
	Want     int     // the largest need of the hold window, at least the last share
	Frozen   bool    // it keeps its replicas whatever it needs, and asks for nothing else
}

// Share is the replicas that a pool needs for a lane and the more urgent ones beside it.
type Share struct {
	Lane   string
	Rank   int // urgency, 0 the most urgent
	Total  int
	Lately int // the most of it within the last cold start, as far as those replicas exist; at least Total
}

// Grant is what a pool gets.
type Grant struct {
	Target  int    // replicas it may have in the end
	To      int    // replicas to ask for now: Target, less what can't be started until others have left
	Cut     bool   // Target is less than what it needs now, for the budget's sake
	Waits   bool   // To is less than Target: replicas of other pools still leave
	For     string // the lane of another pool that took what is missing
	Yielded bool   // what the hold window would keep goes to a lane that needs it now
}

// Arbitrate divides the budget: what frozen pools have and then floors first, then lane by lane in order of urgency
// what each needs now and what it needed within the last cold start, and only then what hold windows would keep. So a
// less urgent pool gives up what it merely holds, without waiting, as soon as a more urgent lane is short; and a lane
// that pauses for less than it takes to start workers doesn't lose them to a less urgent one, which would have to start
// its own. Nothing running is preempted: growth is bounded by what
// exists, and waits for it to leave. Grants are in the order of the requests. The sum of Target never exceeds the
// budget.
func Arbitrate(budget int, requests []Request) []Grant {
	grants := make([]Grant, len(requests))
	unspent := budget
	give := func(i, total int) (cut bool) {
		more := max(0, total-grants[i].Target)
		given := min(more, max(0, unspent))
		grants[i].Target += given
		unspent -= given
		return given < more
	}
	for i, r := range requests {
		if r.Frozen {
			give(i, r.Replicas)
		}
	}
	for i, r := range requests {
		give(i, r.Floor)
	}
	shares := byUrgency(requests)
	var taken []poolShare // those that took from the budget, in turn
	cut := func(pool int) {
		for _, s := range taken {
			if s.pool != pool {
				grants[pool].For = s.Lane
			}
		}
	}
	for _, s := range shares {
		before := unspent
		if give(s.pool, s.Total) && !grants[s.pool].Cut {
			grants[s.pool].Cut = true
			cut(s.pool)
		}
		if s.Rank < shares[len(shares)-1].Rank { // from the least urgent nobody takes what it held, but for need
			give(s.pool, s.Lately)
		}
		if unspent < before {
			taken = append(taken, s)
		}
	}
	for _, s := range shares {
		if give(s.pool, requests[s.pool].Want) && !grants[s.pool].Cut && !grants[s.pool].Yielded {
			grants[s.pool].Yielded = true
			cut(s.pool)
		}
	}
	grow(budget, requests, shares, grants)
	return grants
}

// grow bounds what is started now by what exists, the most urgent lanes first.
func grow(budget int, requests []Request, shares []poolShare, grants []Grant) {
	room := budget
	for i, r := range requests {
		room -= r.Existing
		grants[i].To = min(grants[i].Target, r.Replicas)
	}
	start := func(i, total int) {
		started := min(max(0, min(total, grants[i].Target)-grants[i].To), max(0, room))
		grants[i].To += started
		room -= started
	}
	for _, s := range shares {
		start(s.pool, s.Total)
	}
	for i := range grants { // floors
		start(i, grants[i].Target)
	}
	for i := range grants {
		grants[i].Waits = grants[i].To < grants[i].Target
	}
}

type poolShare struct {
	Share
	pool int
}

// byUrgency returns every pool's shares, the most urgent first; pools keep their order within a rank.
func byUrgency(requests []Request) []poolShare {
	var all []poolShare
	for i, r := range requests {
		for _, s := range r.Shares {
			all = append(all, poolShare{s, i})
		}
	}
	slices.SortStableFunc(all, func(a, b poolShare) int { return a.Rank - b.Rank })
	return all
}
