package rabbit

import (
	"context"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
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
func FindDead(ctx context.Context, conn *Conn, id string) (l DeadLetter, found bool, err error) {
	err = searchDead(ctx, conn, id, func(_ *channel, d amqp.Delivery) error {
		l, found = letter(d), true
		return nil
	})
	return l, found, err
}

// TakeDead finds one dead letter by its id, lets carry see to it, and removes it when that succeeded. When it didn't,
// the letter stays, and the error is carry's. Until then the letters before it are out of the queue. Any other error
// beside found: carry has succeeded, but the connection is lost and the letter is still there.
func TakeDead(ctx context.Context, conn *Conn, id string, carry func(DeadLetter) error) (found bool, err error) {
	err = searchDead(ctx, conn, id, func(ch *channel, d amqp.Delivery) error {
		found = true
		if err := carry(letter(d)); err != nil {
			return err
		}
		err := ch.call(func() error { return d.Ack(false) })
		return wrap("remove the dead letter, whose job is seen to", err)
	})
	return found, err
}

// searchDead hands the first dead letter with that id to use, if there is one. What wasn't acknowledged goes back when it
// returns.
func searchDead(ctx context.Context, conn *Conn, id string, use func(ch *channel, d amqp.Delivery) error) error {
	ch, err := conn.channel(ctx)
	if err != nil {
		return err
	}
	defer ch.close()
	for range deadLimit {
		if err := ctx.Err(); err != nil {
			return err
		}
		d, found, err := ch.get(deadQueue)
		switch {
		case err != nil:
			return fmt.Errorf("read %s: %w", deadQueue, undeclared(err))
		case !found:
			return nil
		case d.MessageId == id || bodyID(d) == id:
			return use(ch, d)
		}
	}
	return fmt.Errorf("read %s: not among the first %d dead letters", deadQueue, deadLimit)
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
		l.Lane = lanes.ParseQueue(strings.TrimPrefix(textHeader(d.Headers, headerFirstDeathQueue), laneQueuePrefix)).Lane
	}
	if l.ID == "" {
		l.ID = bodyID(d)
	}
	return l
}
