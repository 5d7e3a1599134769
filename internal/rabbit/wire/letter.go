package wire

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes/work"
)

// DeadLetter is a message in siren.dead: the job as it was delivered last, and how it died.
type DeadLetter struct {
	work.Delivery                // Attempt is how many attempts there were, and Error is what happened, for a person
	ID            string         // the message's id: the job's, or a fresh one for a job without
	Reason        string         // a few fixed words; "" for what neither Siren nor the safety net put there
	DeadAt        time.Time      // since when
	Headers       map[string]any // all that the message has, as JSON can have them
}

// BrokerReason begins the reason of a letter that the safety net caught; the broker's word for it follows.
const BrokerReason = "broker: "

// Letter reads a message of siren.dead. The receipt is left to the caller.
func Letter(m amqp.Delivery, now time.Time) DeadLetter {
	where := InDead
	from := textHeader(m.Headers[headerFirstDeathQueue])
	if strings.HasPrefix(from, topology.LaneQueuePrefix) {
		where = InLane // the broker has moved it as it was there
	}
	e, odd := Read(m, where, now)
	l := DeadLetter{Delivery: e.delivery(), ID: m.MessageId, Reason: e.Reason, DeadAt: e.DeadAt}
	l.Headers = asJSON(m.Headers).(map[string]any)
	l.Odd = odd
	if why := textHeader(m.Headers[headerFirstDeathReason]); l.Reason == "" && why != "" {
		// The safety net: the broker moved it here, not Siren.
		l.Reason, l.Lane = BrokerReason+why, laneOf(from)
		if l.DeadAt.IsZero() {
			l.DeadAt = deathTime(m.Headers)
		}
	}
	// The id in the body of a letter of Siren's may be another's: that of a message that is no job is a fresh one.
	if e.Reason == "" && l.Job.ID != "" {
		l.ID = l.Job.ID
	}
	if l.Err == nil {
		l.Job.ID = l.ID
	}
	return l
}

// laneOf returns the lane of a queue. What follows a point is the queue's type: no lane has one in its name.
func laneOf(queue string) string {
	lane, _, _ := strings.Cut(strings.TrimPrefix(queue, topology.LaneQueuePrefix), ".")
	return lane
}

// deathTime returns when the broker moved a message to where it is; the zero time when it doesn't say.
func deathTime(t amqp.Table) time.Time {
	deaths, _ := t[headerDeaths].([]any)
	if len(deaths) == 0 {
		return time.Time{}
	}
	latest, _ := deaths[0].(amqp.Table)
	at, _ := latest["time"].(time.Time)
	return at
}

// asJSON converts a header's value to what JSON can express.
func asJSON(v any) any {
	switch v := v.(type) {
	case amqp.Table:
		m := make(map[string]any, len(v))
		for name, value := range v {
			m[name] = asJSON(value)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, value := range v {
			list[i] = asJSON(value)
		}
		return list
	case []byte:
		if utf8.Valid(v) {
			return string(v)
		}
		return v
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
	case float32:
		return asJSON(float64(v))
	}
	return v
}
