// Package wire is what Siren's messages say: the headers, a job's way into a message and back, and what a dead letter
// tells. It is pure: nothing here talks to a broker, and the clock is an argument.
package wire

import (
	"cmp"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// Envelope is a job's message as Siren reads and writes it. All that becomes a message, or comes of one, goes by way of
// it: so each field of a job has one place where it is written, and one where it is read.
type Envelope struct {
	ID   string // the message's: the job's, or a fresh one for a message that is no job
	Body []byte // the job's wire form as it came
	Headers
}

// Read reads a message that was found there. odd is the headers whose time can't be meant.
func Read(m amqp.Delivery, where Place, now time.Time) (e Envelope, odd []string) {
	e = Envelope{ID: m.MessageId, Body: m.Body}
	e.Headers, odd = parseHeaders(m.Headers, where, now)
	e.Priority = cmp.Or(int(m.Priority), e.Priority) // before there was the header, delayed messages had the property
	return e, odd
}

// ToLane writes the message for its lane, with its priority there. Without a lane it goes to the default one: the
// exchange sees to that for every routing key it doesn't know.
func (e Envelope) ToLane(now time.Time) confirms.Message {
	m := e.message(topology.JobsExchange, e.Lane, InLane, now)
	m.Priority = uint8(e.Priority)
	return m
}

// ToDelay writes the message for the delay queue that fits the time until it is due.
func (e Envelope) ToDelay(now time.Time) confirms.Message {
	return e.message("", topology.Fitting(e.DueAt.Sub(now)).Queue, InDelay, now)
}

// message builds every message of Siren's: persistent JSON, told apart by its job id.
func (e Envelope) message(exchange, key string, to Place, now time.Time) confirms.Message {
	return confirms.Message{Exchange: exchange, Key: key, Publishing: amqp.Publishing{
		ContentType:  "application/json",
		DeliveryMode: amqp.Persistent,
		MessageId:    e.ID,
		Timestamp:    now,
		Headers:      e.table(to),
		Body:         e.Body,
	}}
}

// delivery returns the job in the envelope. Its priority is the one that the message asks for: by its property, else by
// the job's field.
func (e Envelope) delivery() work.Delivery {
	j, unknown, err := job.Decode(e.Body, e.ID)
	j.Priority = cmp.Or(e.Priority, j.Priority)
	return work.Delivery{
		Job: j, Lane: e.Lane, EnqueuedAt: e.EnqueuedAt, ReadyAt: e.ReadyAt, Attempt: e.Attempt, Error: e.Error,
		Copy: e.Copy, Body: e.Body, Unknown: unknown, Err: err,
	}
}

// envelope puts a job that was delivered into an envelope again: the inverse of delivery.
func envelope(d work.Delivery) Envelope {
	return Envelope{d.Job.ID, d.Body, Headers{
		EnqueuedAt: d.EnqueuedAt, ReadyAt: d.ReadyAt, Attempt: max(1, d.Attempt), Copy: d.Copy,
		Lane: d.Lane, Priority: d.Job.Priority, Error: d.Error,
	}}
}

// Delivery reads a message that a lane has given. What its headers say of times later than now is a wrong clock's: the
// job is here. The receipt is left to the caller.
func Delivery(m amqp.Delivery, lane string, now time.Time) work.Delivery {
	e, odd := Read(m, InLane, now)
	e.Lane, e.Attempt = lane, max(1, e.Attempt)
	e.EnqueuedAt, e.ReadyAt = earlier(e.EnqueuedAt, now), earlier(e.ReadyAt, now)
	d := e.delivery()
	d.Returned, d.Odd = m.Redelivered, odd
	return d
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Entry is a job to be put into a lane.
type Entry struct {
	Lane       string
	Job        job.Job
	EnqueuedAt time.Time // when it was first put into any lane; zero: now
	Copy       int       // number of this copy of the message, 0 the first: replays, retries by hand and moves count up
	Body       []byte    // its wire form; nil: Encode of Job
	Priority   int       // inside its lane: no more than that allows
	Attempt    int       // the number of the attempt that it is for; 0 or 1: the first
	Error      string    // of the attempt before; believed from the second attempt on
}

// Message writes the entry for its lane, ready from now on. The errors are those of job.Encode.
func (n Entry) Message(now time.Time) (confirms.Message, error) {
	e := Envelope{n.Job.ID, n.Body, Headers{
		Lane: n.Lane, Priority: n.Priority, EnqueuedAt: n.EnqueuedAt, ReadyAt: now, Copy: n.Copy,
	}}
	if e.EnqueuedAt.IsZero() {
		e.EnqueuedAt = now
	}
	if n.Attempt > 1 {
		e.Attempt, e.Error = n.Attempt, n.Error
	}
	if e.Body == nil {
		var err error
		if e.Body, err = job.Encode(n.Job); err != nil {
			return confirms.Message{}, err
		}
	}
	return e.ToLane(now), nil
}

// Retried writes the job put off for a while; the forwarder puts it back into its lane.
func Retried(d work.Delivery, disp work.Disposition, now time.Time) confirms.Message {
	e := envelope(d)
	e.DueAt, e.Error = now.Add(disp.After), disp.Error
	if disp.Counted {
		e.Attempt++
	}
	return e.ToDelay(now)
}

// Buried writes the job as a dead letter. One without a usable id gets a fresh one as its message id, so that it can be
// shown and replayed by name.
func Buried(d work.Delivery, disp work.Disposition, now time.Time) confirms.Message {
	e := envelope(d)
	e.DeadAt, e.Reason, e.Error = now, disp.Reason, disp.Error
	if (job.Job{ID: e.ID, Kind: "any"}).Check() != nil {
		e.ID = job.NewID(now)
	}
	if e.Reason == "" && d.Job.ID == "" {
		e.Reason = job.ErrNoID.Error()
	}
	return e.message("", topology.DeadQueue, InDead, now)
}
