package rabbit

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// deadLimit is how many dead letters may be out of siren.dead at a time.
const deadLimit = 100_000

// ErrTooManyLetters is that so many dead letters were taken and neither removed nor given back that the rest can't be reached.
var ErrTooManyLetters = fmt.Errorf("%d dead letters lie before the rest; remove some of them first", deadLimit)

// DeadLetter is a message in siren.dead.
type DeadLetter struct {
	ID         string // the message's id: the job's, or a fresh one for a job without
	Lane       string
	Reason     string // a few fixed words; "" for what neither Siren nor the safety net put there
	Error      string // what happened, for a person
	Attempts   int
	Replay     int
	EnqueuedAt time.Time
	ReadyAt    time.Time
	DeadAt     time.Time
	Body       []byte         // the job's wire form as it came
	Priority   int            // that the message asked for, inside its lane
	Headers    map[string]any // all that the message has, as JSON can have them
	Job        lanes.Job      // what Decode made of the body
	Err        error          // why it is no job, nil for one

	tag uint64
}

// DeadLetters is siren.dead while somebody goes through it. What was taken is out of the queue until it is removed or given back;
// Close gives all of it back, and so does a lost connection. It is not safe for concurrent use.
type DeadLetters struct {
	ch     *channel
	now    func() time.Time
	held   int    // taken, and neither removed nor given back
	last   uint64 // the tag of the latest that was taken
	bursts int
}

// OpenDead begins to go through siren.dead. conn must publish nothing, and Close has to be called.
func OpenDead(ctx context.Context, conn *Conn) (*DeadLetters, error) {
	ch, err := conn.channel(ctx)
	if err != nil {
		return nil, err
	}
	return &DeadLetters{ch: ch, now: conn.options.Now}, nil
}

// CountDead is how many dead letters are in siren.dead now, but for those that somebody has taken.
func CountDead(ctx context.Context, conn *Conn) (int, error) {
	d, err := OpenDead(ctx, conn)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	var n int
	err = d.ch.call(func() error {
		q, err := d.ch.QueueDeclarePassive(DeadQueue, true, false, false, false, nil)
		n = q.Messages
		return err
	})
	return n, wrap("count "+DeadQueue, undeclared(err))
}

// Take takes the next n letters; fewer when there are no more. The errors are ErrUndeclared, ErrTooManyLetters, that of ctx, and that of a
// lost connection.
func (d *DeadLetters) Take(ctx context.Context, n int) ([]DeadLetter, error) {
	var taken []DeadLetter
	for len(taken) < n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if d.held >= deadLimit {
			return nil, ErrTooManyLetters
		}
		m, found, err := d.ch.get(DeadQueue) // it alone says for certain that there are no more
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", DeadQueue, undeclared(err))
		}
		if !found {
			break
		}
		taken = append(taken, d.hold(m))
		rest, err := d.burst(ctx, n-len(taken))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", DeadQueue, err)
		}
		taken = append(taken, rest...)
	}
	return taken, nil
}

func (d *DeadLetters) hold(m amqp.Delivery) DeadLetter {
	d.held++
	d.last = m.DeliveryTag
	return letter(m, d.now())
}

// burstEnds is how long no letter comes before a burst is taken to have ended.
const burstEnds = 20 * time.Millisecond

// burst takes up to n letters that the broker sends without being asked for each: many times faster than one by one, above all from a quorum queue.
func (d *DeadLetters) burst(ctx context.Context, n int) (taken []DeadLetter, err error) {
	if n <= 0 {
		return nil, nil
	}
	d.bursts++
	tag := fmt.Sprintf("dead-%d", d.bursts)
	var letters <-chan amqp.Delivery
	err = d.ch.call(func() error {
		if err := d.ch.Qos(n, 0, false); err != nil {
			return err
		}
		letters, err = d.ch.Consume(DeadQueue, tag, false, false, false, false, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	idle := time.NewTimer(burstEnds)
	defer idle.Stop()
	for open := true; open && len(taken) < n; {
		select {
		case m, ok := <-letters:
			if open = ok; ok {
				taken = append(taken, d.hold(m))
			}
			idle.Reset(burstEnds)
		case <-idle.C:
			open = false
		case <-ctx.Done():
			open = false
		}
	}
	if err := d.ch.call(func() error { return d.ch.Cancel(tag, false) }); err != nil {
		return nil, err
	}
	for m := range letters { // those that were on their way
		taken = append(taken, d.hold(m))
	}
	return taken, ctx.Err()
}

// Remove removes letters that were taken. Should the connection be lost by then, they are still there.
func (d *DeadLetters) Remove(letters ...DeadLetter) error {
	for _, l := range letters {
		if err := d.ch.call(func() error { return d.ch.Ack(l.tag, false) }); err != nil {
			return fmt.Errorf("remove the letter of job %s: %w", l.ID, err)
		}
		d.held--
	}
	return nil
}

// GiveBack puts all that was taken and not removed back into the queue: to its front, but for quorum queues of RabbitMQ 3.x, where it goes to the end.
func (d *DeadLetters) GiveBack() error {
	if d.held == 0 {
		return nil
	}
	d.held = 0
	return wrap("give dead letters back", d.ch.call(func() error { return d.ch.Nack(d.last, true, true) }))
}

// Close ends it. What is removed by then is gone for good.
func (d *DeadLetters) Close() { d.ch.close() }

func letter(d amqp.Delivery, now time.Time) DeadLetter {
	where := inDead
	if strings.HasPrefix(textHeader(d.Headers, headerFirstDeathQueue), LaneQueuePrefix) {
		where = inLane // the broker has moved it as it was there
	}
	h, _ := parseHeaders(d.Headers, where, now)
	l := DeadLetter{
		ID: d.MessageId, Lane: h.lane, Reason: h.reason, Error: h.error, Attempts: h.attempts, Replay: h.replay,
		EnqueuedAt: h.enqueuedAt, ReadyAt: h.readyAt, DeadAt: h.deadAt, Body: d.Body,
		Headers: asJSON(d.Headers).(map[string]any), tag: d.DeliveryTag,
	}
	l.Job, _, l.Err = lanes.Decode(d.Body, d.MessageId)
	l.Priority = cmp.Or(int(d.Priority), h.priority, l.Job.Priority)
	if why := textHeader(d.Headers, headerFirstDeathReason); l.Reason == "" && why != "" {
		// The safety net: the broker moved it here, not Siren.
		l.Reason = BrokerReason + why
		l.Lane = laneOf(textHeader(d.Headers, headerFirstDeathQueue))
		l.Attempts = max(l.Attempts, h.attempt)
		if l.DeadAt.IsZero() {
			l.DeadAt = deathTime(d.Headers)
		}
	}
	// The id in the body of a letter of Siren's may be another's: that of a message that is no job is a fresh one.
	if h.reason == "" && l.Job.ID != "" {
		l.ID = l.Job.ID
	}
	if l.Err == nil {
		l.Job.ID = l.ID
	}
	return l
}

// BrokerReason begins the reason of a letter that the safety net caught; the broker's word for it follows.
const BrokerReason = "broker: "

// laneOf is the lane of a queue. What comes after a point is the queue's type: lanes have none in their names.
func laneOf(queue string) string {
	lane, _, _ := strings.Cut(strings.TrimPrefix(queue, LaneQueuePrefix), ".")
	return lane
}

// deathTime is when the broker moved a message to where it is; the zero time when it doesn't say.
func deathTime(t amqp.Table) time.Time {
	deaths, _ := t[headerDeaths].([]any)
	if len(deaths) == 0 {
		return time.Time{}
	}
	latest, _ := deaths[0].(amqp.Table)
	at, _ := latest["time"].(time.Time)
	return at
}

// asJSON is a header's value as JSON can have it.
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
