package law

import (
	"math"
	"time"

	"github.com/polyglot-media/siren/scaler/facts"
)

// LaneInput is what the law knows of one lane in the shared slots of its home pool. Counts are slots, which is jobs.
type LaneInput struct {
	Backlog     int           // B: jobs ready in the lane's queue
	StartWithin time.Duration // T: the objective
	ColdStart   time.Duration // D: from a worker's creation to its first heartbeat
	Service     time.Duration // S: how long one job runs
	Ready       int           // slots of workers that take jobs
	Idle        int           // of them, those that run nothing
	Others      int           // of them, those that run jobs of other lanes, guests too
	// idle slots of parked workers that may be unparked (not yet promised to a more urgent lane)
	Parked     int
	Busy       int           // the lane's jobs on shared slots, on parked workers too
	BusyParked int           // of them, those on parked workers
	Shoulder   int           // the lane's own free shoulder slots
	Oldest     time.Duration // how long the oldest waiting job has waited
	Growth     float64       // by how many jobs a second the backlog has grown lately
}

// Need is what the law asks for one lane.
type Need struct {
	Slots   float64 // shared slots in all
	Unpark  int     // of them, idle slots of parked workers to be unparked
	Short   int     // waiting jobs that no free slot takes at once
	Coming  float64 // how many more will wait by the time a worker that starts now could be up
	InTime  float64 // how many the slots that are there start within τ
	TooLate float64 // what waits and what comes, beyond these: more slots are needed for it
	Overdue bool    // the oldest job should have started by now: what S says of the slots that are there isn't so
	Waiting bool    // the lane can't rely on what takes jobs now: its pool takes no guests
}

// Late reports whether the lane needs more slots than take jobs now.
func (n Need) Late() bool { return n.Unpark > 0 || n.TooLate > 0 }

// mayRely is which part of the time until a new worker would be too late a job may wait for the slots that are there.
// More loses the objectives of loads that grow quickly, less starts workers for what passes by itself.
const mayRely = 0.7

// NeedOf applies the scaling law to one lane (docs/ARCHITECTURE.md, "The scaling law"; chosen by simulation among 18
// loads, and τ's tenth of T among 79). It estimates no arrival rate: what is busy is the offered load, measured.
//
//	relied  = 0.7·max(0, T − D)                       how long a waiting job may rely on the slots that are there
//	τ       = max(relied, T/10)                       what starts within it isn't worth a new worker
//	per     = max(1, τ/S)                             jobs that one new slot starts within τ
//	short   = max(0, B − free)
//	left    = short − unpark; if there are any and T > D, and growth·(D + age) that will have come until a worker
//	          that starts now is up, age being how old the growth is that is seen (facts.TrendAge)
//	waiting = unpark > 0 or left > (ready − others)·relied/S
//	overdue = the oldest job has waited for max(T − D, T/2), and no free slot takes it
//	tooLate = left − (ready − others)·τ/S; overdue: left, and they wait
//	need    = busy; when waiting at least ready − others + busyParked + unpark + max(0, tooLate)/per;
//	          at most busy + B
func NeedOf(l LaneInput) Need {
	relied := mayRely * max(0, l.StartWithin-l.ColdStart).Seconds()
	tau := max(relied, l.StartWithin.Seconds()/10)
	service := max(l.Service.Seconds(), 0.001)
	per := max(1, tau/service)

	n := Need{Short: max(0, l.Backlog-l.Idle-l.Shoulder)}
	n.Unpark = min(n.Short, l.Parked)
	left, there := float64(n.Short-n.Unpark), float64(l.Ready-l.Others)
	if left > 0 && relied > 0 {
		n.Coming = max(0, l.Growth) * (l.ColdStart + facts.TrendAge(l.ColdStart)).Seconds()
		left += n.Coming
	}
	n.Waiting = n.Unpark > 0 || left > there*relied/service
	n.InTime = there * tau / service
	n.TooLate = left - n.InTime
	if left > 0 && l.Oldest >= lastCall(l.StartWithin, l.ColdStart) {
		n.Overdue, n.Waiting, n.TooLate = true, true, left
	}

	n.Slots = float64(l.Busy)
	if n.Waiting {
		n.Slots = max(n.Slots, there+float64(l.BusyParked+n.Unpark)+max(0, n.TooLate)/per)
	}
	n.Slots = min(n.Slots, float64(l.Busy+l.Backlog)) // never more slots than jobs
	if l.Backlog > 0 {
		n.Slots = max(n.Slots, 1)
	}
	return n
}

// lastCall returns how long a job may have waited if a worker that is started now is to take it in time. Where workers
// take longer than half of the objective to start, it is that half: the first one of a burst would always be too late.
func lastCall(startWithin, coldStart time.Duration) time.Duration {
	return max(startWithin-coldStart, startWithin/2)
}

// peakSpan returns the spans in which a lane that no cold start can help in time has peaks: 4·D, at most 150 s. What it
// needed in two in a row is kept for one or two more.
func peakSpan(coldStart time.Duration) time.Duration { return min(4*coldStart, 150*time.Second) }

// hold returns how long the largest plan is kept before the pool shrinks: 3·D within 5 s and 300 s, unless the policy
// says.
func hold(policy, coldStart time.Duration) time.Duration {
	if policy > 0 {
		return policy
	}
	return min(max(3*coldStart, 5*time.Second), 300*time.Second)
}

// workersFor returns how many workers of so many slots hold need slots; a rounding error of the division doesn't cost
// one.
func workersFor(need float64, slots int) int {
	return int(math.Ceil(need/float64(slots) - 1e-9))
}
