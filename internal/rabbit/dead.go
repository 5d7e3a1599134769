package rabbit

import (
	"context"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// deadLimit is how many dead letters are looked through for one.
const deadLimit = 100_000

// DeadLetter is a job that can't succeed, as it lies in siren.dead.
type DeadLetter struct {
	ID         string // the message's id: the job's, or a fresh one for a job without
	Lane       string
	Reason     string // a few fixed words
	Error      string // what happened, for a person
	Attempts   int
	Replay     int
	EnqueuedAt time.Time
	ReadyAt    time.Time
	DeadAt     time.Time
	Body       []byte // the job's wire form as it came
}

// FindDead reads one dead letter by its id and leaves it where it is; false when it isn't there. The letters before it
// are out of the queue for as long as that takes.
func FindDead(ctx context.Context, conn *Conn, id string) (DeadLetter, bool, error) {
	ch, err := conn.channel(ctx)
	if err != nil {
		return DeadLetter{}, false, err
	}
	defer ch.close() // gives back everything it looked at
	for range deadLimit {
		if err := ctx.Err(); err != nil {
			return DeadLetter{}, false, err
		}
		var d amqp.Delivery
		var found bool
		err := ch.call(func() (err error) {
			d, found, err = ch.Get(deadQueue, false)
			return err
		})
		switch {
		case code(err) == amqp.NotFound:
			return DeadLetter{}, false, fmt.Errorf("read %s: %w", deadQueue, ErrUndeclared)
		case err != nil:
			return DeadLetter{}, false, fmt.Errorf("read %s: %w", deadQueue, err)
		case !found:
			return DeadLetter{}, false, nil
		case d.MessageId == id || bodyID(d) == id:
			return letter(d), true, nil
		}
	}
	return DeadLetter{}, false, fmt.Errorf("read %s: not among the first %d dead letters", deadQueue, deadLimit)
}

func letter(d amqp.Delivery) DeadLetter {
	h := parseHeaders(d.Headers)
	l := DeadLetter{
		ID: d.MessageId, Lane: h.lane, Reason: h.reason, Error: h.error, Attempts: h.attempts, Replay: h.replay,
		EnqueuedAt: h.enqueuedAt, ReadyAt: h.readyAt, DeadAt: h.deadAt, Body: d.Body,
	}
	if why := textHeader(d.Headers, headerFirstDeathReason); l.Reason == "" && why != "" {
		// The safety net: the broker moved it here, not Siren.
		l.Reason = "broker: " + why
		l.Lane = strings.TrimPrefix(textHeader(d.Headers, headerFirstDeathQueue), laneQueuePrefix)
	}
	if l.ID == "" {
		l.ID = bodyID(d)
	}
	return l
}
