package rabbit

import (
	"math"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// The header names of Siren's messages: this is all of them. Times are Unix milliseconds. A message that is published
// afresh carries these and nothing else: an x-death that comes along makes RabbitMQ 3.10 drop the job in silence.
const (
	headerEnqueuedAt = "enqueuedAt" // first put into any lane
	headerReadyAt    = "readyAt"    // last put into its lane
	headerAttempt    = "attempt"    // 1 for the first, which may leave it out
	headerReplay     = "replay"     // number of this copy; an operator's fresh copies count up
	headerLane       = "lane"       // delayed and dead jobs: where it belongs
	headerPriority   = "priority"   // delayed and dead jobs: inside their lane. Not as the property, by which a quorum queue would order them here, too
	headerDueAt      = "dueAt"      // delayed jobs: when it goes back to its lane
	headerReason     = "reason"     // dead jobs: why, in a few fixed words
	headerError      = "error"      // what happened last, for a person
	headerAttempts   = "attempts"   // dead jobs: how many there were
	headerDeadAt     = "deadAt"     // dead jobs: since when
)

// The broker's own marks on a job that the safety net caught.
const (
	headerFirstDeathQueue  = "x-first-death-queue"
	headerFirstDeathReason = "x-first-death-reason"
	headerDeaths           = "x-death" // each death there was, the latest first
)

// maxHeaderText keeps all headers together well under a frame (128 KiB): a larger header closes the connection.
const maxHeaderText = 4 << 10

// maxKey is the longest routing key, in bytes: a longer one closes the connection, again and again.
const maxKey = 255

// headers is what Siren says about a job beside its body. A zero field is left out on the wire.
type headers struct {
	enqueuedAt, readyAt, dueAt, deadAt  time.Time
	attempt, replay, attempts, priority int
	lane, reason, error                 string
}

func (h headers) table() amqp.Table {
	t := amqp.Table{}
	putTime(t, headerEnqueuedAt, h.enqueuedAt)
	putTime(t, headerReadyAt, h.readyAt)
	putTime(t, headerDueAt, h.dueAt)
	putTime(t, headerDeadAt, h.deadAt)
	putInt(t, headerAttempt, h.attempt)
	putInt(t, headerReplay, h.replay)
	putInt(t, headerAttempts, h.attempts)
	putInt(t, headerPriority, h.priority)
	putText(t, headerLane, h.lane)
	putText(t, headerReason, h.reason)
	putText(t, headerError, h.error)
	return t
}

func putTime(t amqp.Table, name string, v time.Time) {
	if !v.IsZero() {
		t[name] = v.UnixMilli()
	}
}

func putInt(t amqp.Table, name string, v int) {
	if v != 0 {
		t[name] = int64(v)
	}
}

// bounded cuts a text to what a header bears, its mark included.
func bounded(s string) string { return lanes.Clip(s, maxHeaderText-len("…")) }

func putText(t amqp.Table, name, v string) {
	if v != "" {
		t[name] = bounded(v)
	}
}

// place is where a message was found. It decides which headers are believed: those that are written there by Siren, or asked of producers in
// docs/jobs.md (which has the same table), and no others. Anybody may put any header into a lane.
type place string

const (
	inLane  place = "in a lane"
	inDelay place = "in a delay queue"
	inDead  place = "in siren.dead"
)

// believed is which headers are read where. In a lane an error is believed from the second attempt on: no producer's job has had one before.
var believed = map[place][]string{
	inLane:  {headerEnqueuedAt, headerReadyAt, headerAttempt, headerReplay, headerError},
	inDelay: {headerEnqueuedAt, headerReadyAt, headerAttempt, headerReplay, headerError, headerLane, headerPriority, headerDueAt},
	inDead:  {headerEnqueuedAt, headerReadyAt, headerReplay, headerLane, headerPriority, headerReason, headerError, headerAttempts, headerDeadAt},
}

// parseHeaders reads what is believed of a message that was found there, and drops the rest. It takes every spelling of a number that AMQP clients
// have (pika's are 32-bit, JavaScript's are floats, some send text); what makes no sense counts as absent. odd is the headers whose
// time can't be meant.
func parseHeaders(all amqp.Table, where place, now time.Time) (h headers, odd []string) {
	t := amqp.Table{}
	for _, name := range believed[where] {
		t[name] = all[name]
	}
	at := func(name string, latest time.Duration) time.Time {
		v, ok := timeHeader(t, name, now.Add(latest))
		if !ok {
			odd = append(odd, name)
		}
		return v
	}
	h = headers{
		enqueuedAt: at(headerEnqueuedAt, wrongClock),
		readyAt:    at(headerReadyAt, wrongClock),
		dueAt:      at(headerDueAt, longestWait),
		deadAt:     at(headerDeadAt, wrongClock),
		attempt:    countHeader(t, headerAttempt),
		replay:     countHeader(t, headerReplay),
		attempts:   countHeader(t, headerAttempts),
		priority:   countHeader(t, headerPriority),
		lane:       textHeader(t, headerLane),
		reason:     textHeader(t, headerReason),
		error:      textHeader(t, headerError),
	}
	if where == inLane && h.attempt <= 1 {
		h.error = ""
	}
	if len(h.lane) > maxKey {
		h.lane = ""
	}
	return h, odd
}

// The bounds of a time that can be meant. What is beyond them was written in another unit than milliseconds, or by a clock that nobody set.
const (
	wrongClock  = 24 * time.Hour      // how far ahead of Redis' clock a producer's may be: such a time counts as now
	longestWait = 31 * 24 * time.Hour // how far off the next attempt of a job may be; farther off, it is due now
)

// earliest is before any message of Siren's.
var earliest = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// timeHeader is a header's time; false for one that can't be meant. No time at all is none, and is no mistake.
func timeHeader(t amqp.Table, name string, latest time.Time) (time.Time, bool) {
	v, ok := t[name].(time.Time)
	if !ok {
		ms, ok := integer(t[name])
		if !ok || ms == 0 {
			return time.Time{}, true
		}
		v = time.UnixMilli(ms)
	}
	if v.Before(earliest) || v.After(latest) {
		return time.Time{}, false
	}
	return v, true
}

// maxCount is more than any job is ever attempted or replayed.
const maxCount = 1_000_000

func countHeader(t amqp.Table, name string) int {
	if n, ok := integer(t[name]); ok && n > 0 {
		return int(min(n, maxCount))
	}
	return 0
}

func textHeader(t amqp.Table, name string) string {
	switch v := t[name].(type) {
	case string:
		return bounded(v)
	case []byte:
		return bounded(string(v))
	default:
		return ""
	}
}

func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int8:
		return int64(v), true
	case byte:
		return int64(v), true
	case int16:
		return int64(v), true
	case uint16:
		return int64(v), true
	case int32:
		return int64(v), true
	case uint32:
		return int64(v), true
	case int:
		return int64(v), true
	case int64:
		return v, true
	case float32:
		return whole(float64(v))
	case float64:
		return whole(v)
	case string:
		return parseInteger(v)
	case []byte:
		return parseInteger(string(v))
	default:
		return 0, false
	}
}

func parseInteger(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, false
	}
	return whole(f)
}

// whole is f without its fraction; false for what no int64 holds.
func whole(f float64) (int64, bool) {
	if math.IsNaN(f) || math.Abs(f) >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}
