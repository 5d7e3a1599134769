package facts

import (
	"time"

	"github.com/polyglot-media/siren/lanes/fleet"
)

const (
	// from being recorded as queued until the message is in the broker for certain, however slow its producer is.
	missingAfter = 5 * time.Minute
	// how long after a queue was seen empty it has to be seen so again: a broker that has just begun may say so once.
	emptyAgain  = time.Minute
	excessAfter = 5 * time.Minute // how long more jobs have to be recorded as queued than wait, to be told of
	// how long the records stand for all that waits: queue and records aren't looked at in the same moment.
	matchedFor = 3 * time.Second
	// how old the last leader's snapshot may be for its lanes to be taken for still those.
	resumeWithin = time.Minute
)

// RecordHistory is what is remembered of a lane's records, beside what the broker says of it.
type RecordHistory struct {
	Skipped     int       // of the backlog, messages that will be skipped
	Queued      int       // jobs that are recorded as queued
	Oldest      time.Time // when the first of them became ready
	Matched     time.Time // the last moment at which no fewer were recorded as queued than wait
	Excess      int       // the fewest that were recorded as queued beyond what waits, since ExcessSince
	ExcessSince time.Time // since when there are any; zero: there are none
	EmptySince  time.Time // the queue was seen empty, and not yet again
	WasEmpty    time.Time // the last moment at which the queue was empty for certain
}

// resume lets a new leader go on from what the one before it saw: nothing that waits then is older than it said.
func (h History) resume(o Observation) {
	if o.Before == nil {
		return
	}
	for _, s := range o.Before.Lanes {
		l := h.Lanes[s.Name]
		l.LastEmpty, l.Begun = s.Since, o.At
		if o.At.Sub(o.Before.At) <= resumeWithin { // else its queue may have been empty since
			l.Begun = o.Before.At.Add(-s.OldestWait.D())
		}
		h.Lanes[s.Name] = l
	}
}

// learnRecords takes in what the ledger says of a lane, at a tick whose backlog is believed. whole: all queues that the
// lane has are in it.
func (l *LaneHistory) learnRecords(at time.Time, w fleet.Waiting, whole bool) {
	skipped := l.Skipped
	// What is noted to be skipped may be gone, and would hide jobs: those that are recorded as queued are believed
	// first.
	l.Skipped = l.Backlog - min(l.Backlog, max(l.Backlog-w.Skipped, w.Queued))
	if last := len(l.Flow) - 1; last >= 0 {
		l.Flow[last].In -= l.Skipped - skipped
	}
	l.Queued, l.Oldest = w.Queued, w.Oldest
	if l.Queued >= l.Ready() {
		l.Matched = at
	}
	switch excess := l.Queued - l.Ready(); {
	case excess <= 0:
		l.Excess, l.ExcessSince = 0, time.Time{}
	case l.ExcessSince.IsZero():
		l.Excess, l.ExcessSince = excess, at
	default:
		l.Excess = min(l.Excess, excess)
	}
	switch {
	case l.Backlog > 0 || !whole:
	case l.EmptySince.IsZero():
		l.EmptySince = at
	case at.Sub(l.EmptySince) >= emptyAgain:
		l.WasEmpty, l.EmptySince = l.EmptySince, at
	}
}

// Ready returns how many jobs wait.
func (l LaneHistory) Ready() int { return l.Backlog - min(l.Backlog, l.Skipped) }

// Load returns how many jobs the law counts. It is at least one while there is anything in the queue: somebody has to
// skip what will be skipped, and wrong records starve nobody.
func (l LaneHistory) Load() int { return max(l.Ready(), min(1, l.Backlog)) }

// Unrecorded returns how many of the waiting jobs have no record, such as those sent by plain AMQP.
func (l LaneHistory) Unrecorded(at time.Time) int {
	if l.matched(at) {
		return 0
	}
	return max(0, l.Ready()-l.Queued)
}

func (l LaneHistory) matched(at time.Time) bool {
	return !l.Matched.IsZero() && at.Sub(l.Matched) <= matchedFor
}

// excess returns how many more jobs, at least and for long, are recorded as queued than wait. Their messages are lost
// or held by a worker.
func (l LaneHistory) excess(at time.Time) int {
	if l.ExcessSince.IsZero() || at.Sub(l.ExcessSince) < excessAfter {
		return 0
	}
	return l.Excess
}

// Since returns from when on the jobs in the lane's queue became ready, as far as is known: jobs start in order, and
// the queue was empty once.
func (l LaneHistory) Since() time.Time {
	if l.LastReady.After(l.LastEmpty) {
		return l.LastReady
	}
	return l.LastEmpty
}

// OldestWait returns how long the oldest waiting job has waited. The records say it when they match what waits.
// Otherwise it is at most the time since the last started job became ready, the lane was last empty or this leader
// began.
func (l LaneHistory) OldestWait(at time.Time) time.Duration {
	if l.Ready() == 0 {
		return 0
	}
	since := l.Since()
	if l.matched(at) && !l.Oldest.IsZero() {
		if l.Oldest.After(since) {
			since = l.Oldest
		}
	} else if l.Begun.After(since) {
		since = l.Begun
	}
	if since.IsZero() {
		return 0
	}
	return max(0, at.Sub(since))
}

// Lost returns the time before which a job of the lane must have been recorded as queued to be missing for certain;
// zero for never.
func (l LaneHistory) Lost() time.Time {
	if l.WasEmpty.IsZero() {
		return time.Time{}
	}
	return l.WasEmpty.Add(-missingAfter)
}
