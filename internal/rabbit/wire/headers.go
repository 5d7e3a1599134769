package wire

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes/plain"
)

// The header names of Siren's messages: this is all of them. Times are Unix milliseconds. A message that is published
// afresh carries these and nothing else: an x-death that comes along makes RabbitMQ 3.10 drop the job in silence.
const (
	headerEnqueuedAt = "enqueuedAt" // first put into any lane
	headerReadyAt    = "readyAt"    // last put into its lane
	headerAttempt    = "attempt"    // 1 for the first, which may leave it out
	headerCopy       = "replay"     // number of this copy; an operator's fresh copies count up
	headerLane       = "lane"       // delayed and dead jobs: where it belongs
	headerPriority   = "priority"   // delayed and dead jobs: inside their lane (a quorum queue orders by the property)
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

// maxKey is the longest routing key, in bytes: a longer one closes the connection at every attempt.
const maxKey = 255

// Headers is what Siren says about a job beside its body. A zero field is left out on the wire.
type Headers struct {
	EnqueuedAt time.Time // first put into any lane
	ReadyAt    time.Time // last put into its lane
	Attempt    int       // that is about to be made, 1 for the first; of a dead job: how many there were
	Copy       int       // number of this copy of the message
	Lane       string    // where it belongs: in a lane the routing key says so instead
	Priority   int       // inside its lane: there the property says so instead
	Error      string    // what happened last, for a person
	DueAt      time.Time // delayed: when it goes back to its lane
	Reason     string    // dead: why, in a few fixed words
	DeadAt     time.Time // dead: since when
}

// Place is where a message is. It decides which headers are written, and believed: those that are written there by
// Siren, or asked of producers in docs/jobs.md (which has the same table), and no others. Anybody may put any header
// into a lane.
type Place string

// The places.
const (
	InLane  Place = "in a lane"
	InDelay Place = "in a delay queue"
	InDead  Place = "in siren.dead"
)

// header is one of the headers, and the field that it carries.
type header struct {
	name   string
	field  func(*Headers) any // a *time.Time, *int or *string
	places []Place
	ahead  time.Duration // of a time: how far after now it can be
}

// known is every header. In a lane an error is believed from the second attempt on: no producer's job has had one
// before.
var known = []header{
	{headerEnqueuedAt, func(h *Headers) any { return &h.EnqueuedAt }, []Place{InLane, InDelay, InDead}, wrongClock},
	{headerReadyAt, func(h *Headers) any { return &h.ReadyAt }, []Place{InLane, InDelay, InDead}, wrongClock},
	{headerDueAt, func(h *Headers) any { return &h.DueAt }, []Place{InDelay}, longestWait},
	{headerDeadAt, func(h *Headers) any { return &h.DeadAt }, []Place{InDead}, wrongClock},
	{headerAttempt, func(h *Headers) any { return &h.Attempt }, []Place{InLane, InDelay}, 0},
	{headerAttempts, func(h *Headers) any { return &h.Attempt }, []Place{InDead}, 0},
	{headerCopy, func(h *Headers) any { return &h.Copy }, []Place{InLane, InDelay, InDead}, 0},
	{headerPriority, func(h *Headers) any { return &h.Priority }, []Place{InDelay, InDead}, 0},
	{headerLane, func(h *Headers) any { return &h.Lane }, []Place{InDelay, InDead}, 0},
	{headerReason, func(h *Headers) any { return &h.Reason }, []Place{InDead}, 0},
	{headerError, func(h *Headers) any { return &h.Error }, []Place{InLane, InDelay, InDead}, 0},
}

// table writes the headers of a message that goes there.
func (h Headers) table(to Place) amqp.Table {
	t := amqp.Table{}
	for _, k := range known {
		if !slices.Contains(k.places, to) {
			continue
		}
		switch v := k.field(&h).(type) {
		case *time.Time:
			if !v.IsZero() {
				t[k.name] = v.UnixMilli()
			}
		case *int:
			if *v != 0 {
				t[k.name] = int64(*v)
			}
		case *string:
			if *v != "" {
				t[k.name] = plain.Cut(*v, maxHeaderText)
			}
		}
	}
	return t
}

// parseHeaders reads what is believed of a message that was found there, and drops the rest. It takes every spelling of
// a number that AMQP clients have (pika's are 32-bit, JavaScript's are floats, some send text); what makes no sense
// counts as absent. odd is the headers whose time can't be meant.
func parseHeaders(t amqp.Table, where Place, now time.Time) (h Headers, odd []string) {
	for _, k := range known {
		if !slices.Contains(k.places, where) {
			continue
		}
		switch v := k.field(&h).(type) {
		case *time.Time:
			var ok bool
			if *v, ok = timeHeader(t[k.name], now.Add(k.ahead)); !ok {
				odd = append(odd, k.name)
			}
		case *int:
			*v = countHeader(t[k.name])
		case *string:
			*v = textHeader(t[k.name])
		}
	}
	if where == InLane && h.Attempt <= 1 {
		h.Error = ""
	}
	if len(h.Lane) > maxKey {
		h.Lane = ""
	}
	return h, odd
}

// The bounds of a time that can be meant. What is beyond them was written in another unit than milliseconds, or by a
// clock that nobody set.
const (
	wrongClock  = 24 * time.Hour      // how far ahead of Redis' clock a producer's may be: such a time counts as now
	longestWait = 31 * 24 * time.Hour // how far off the next attempt of a job may be; farther off, it is due now
)

// earliest is before any message of Siren's.
var earliest = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// timeHeader reads a header's time; false for one that can't be meant. A missing time is none, and no mistake.
func timeHeader(of any, latest time.Time) (time.Time, bool) {
	v, ok := of.(time.Time)
	if !ok {
		ms, ok := integer(of)
		if !ok || ms == 0 {
			return time.Time{}, true
		}
		v = time.UnixMilli(ms)
	}
	if v.Before(earliest) || v.After(latest) {
		return time.Time{}, false
	}
	return v.UTC(), true // whatever zone this machine is in
}

// maxCount is more than any job is ever attempted or replayed.
const maxCount = 1_000_000

func countHeader(of any) int {
	if n, ok := integer(of); ok && n > 0 {
		return int(min(n, maxCount))
	}
	return 0
}

func textHeader(of any) string {
	switch v := of.(type) {
	case string:
		return plain.Cut(v, maxHeaderText)
	case []byte:
		return plain.Cut(string(v), maxHeaderText)
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

// whole returns f without its fraction; false when no int64 holds it.
func whole(f float64) (int64, bool) {
	if math.IsNaN(f) || math.Abs(f) >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}
