package rabbit

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
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

func putText(t amqp.Table, name, v string) {
	if v != "" {
		t[name] = clip(v, maxHeaderText)
	}
}

// parseHeaders reads what it knows and drops the rest. It takes every spelling of a number that AMQP clients have
// (pika's are 32-bit, JavaScript's are floats, some send text); what makes no sense counts as absent.
func parseHeaders(t amqp.Table) headers {
	return headers{
		enqueuedAt: timeHeader(t, headerEnqueuedAt),
		readyAt:    timeHeader(t, headerReadyAt),
		dueAt:      timeHeader(t, headerDueAt),
		deadAt:     timeHeader(t, headerDeadAt),
		attempt:    countHeader(t, headerAttempt),
		replay:     countHeader(t, headerReplay),
		attempts:   countHeader(t, headerAttempts),
		priority:   countHeader(t, headerPriority),
		lane:       textHeader(t, headerLane),
		reason:     textHeader(t, headerReason),
		error:      textHeader(t, headerError),
	}
}

// latestMilli is the last millisecond of the year 9999; later times can't be printed as JSON.
const latestMilli = 253402300799999

func timeHeader(t amqp.Table, name string) time.Time {
	if v, ok := t[name].(time.Time); ok {
		t = amqp.Table{name: v.UnixMilli()}
	}
	if ms, ok := integer(t[name]); ok && ms > 0 && ms <= latestMilli {
		return time.UnixMilli(ms)
	}
	return time.Time{}
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
		return clip(v, maxHeaderText)
	case []byte:
		return clip(string(v), maxHeaderText)
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

// clip is s as valid UTF-8 of at most n bytes.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
