package rabbit

import (
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// message is a job on its way to the broker: where to, and what is published.
type message struct {
	exchange string
	key      string
	amqp.Publishing
}

// message builds every message of Siren's: persistent JSON, told apart by its job id.
func newMessage(exchange, key, id string, body []byte, h headers, now time.Time) message {
	return message{exchange, key, amqp.Publishing{
		ContentType:  "application/json",
		DeliveryMode: amqp.Persistent,
		MessageId:    id,
		Timestamp:    now,
		Headers:      h.table(),
		Body:         body,
	}}
}

// Entry is a job to be put into a lane.
type Entry struct {
	Lane       string
	Job        lanes.Job
	EnqueuedAt time.Time // when it was first put into any lane; zero: now
	Replay     int       // number of this copy of the message, 0 the first: replays, retries by hand and moves count up
	Attempt    int       // the number of the attempt that it is for; 0 or 1: the first
	Error      string    // of the attempt before; believed from the second attempt on
	Body       []byte    // its wire form; nil: Encode of Job
	Priority   int       // inside its lane: no more than that allows
}

func (e Entry) message(now time.Time) (message, error) {
	body := e.Body
	if body == nil {
		var err error
		if body, err = lanes.Encode(e.Job); err != nil {
			return message{}, err
		}
	}
	h := headers{enqueuedAt: e.EnqueuedAt, readyAt: now, replay: e.Replay}
	if e.Attempt > 1 {
		h.attempt, h.error = e.Attempt, e.Error
	}
	if h.enqueuedAt.IsZero() {
		h.enqueuedAt = now
	}
	m := newMessage(jobsExchange, e.Lane, e.Job.ID, body, h, now)
	m.Priority = uint8(e.Priority)
	return m, nil
}

// dead is the job as a dead letter. One without a usable id gets a fresh one as its message id, so that it can be
// shown and replayed by name.
func dead(d lanes.Delivery, disp lanes.Disposition, now time.Time) message {
	id := d.Job.ID
	if (lanes.Job{ID: id, Kind: "any"}).Check() != nil {
		id = lanes.NewID(now)
	}
	h := headers{
		enqueuedAt: d.EnqueuedAt, readyAt: d.ReadyAt, deadAt: now,
		attempts: max(1, d.Attempt), replay: d.Replay, lane: d.Lane, priority: d.Job.Priority, reason: disp.Reason, error: disp.Error,
	}
	if h.reason == "" && d.Job.ID == "" {
		h.reason = lanes.ErrNoID.Error()
	}
	return newMessage("", deadQueue, id, d.Body, h, now)
}
