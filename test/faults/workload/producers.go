package workload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
	"github.com/polyglot-media/siren/test/wait"
)

// confirmTime is how long a producer waits for one confirm before it tries again with the same id.
const confirmTime = 35 * time.Second

// Producers send the jobs when their time comes, each one again and again until the broker has confirmed it.
type Producers struct {
	client *client.Client
	raw    *rawProducer
	Jobs   []*history.Attempts
	Open   atomic.Int64  // not confirmed yet
	Kept   chan struct{} // closed when all jobs that operators keep are confirmed
	// Told hears of each job once the broker has confirmed it; nil: nobody does.
	Told func(history.Spec)
}

// OpenProducers makes both, each with links of its own.
func OpenProducers(s *site.Site, schedule []history.Spec) (*Producers, error) {
	urls := map[string]string{}
	for _, name := range []string{"client/amqp", "client/redis", "raw/amqp"} {
		process, server, _ := strings.Cut(name, "/")
		var err error
		if urls[name], err = s.Connect(process, server); err != nil {
			return nil, err
		}
	}
	c, err := client.New(client.Options{
		AMQPURL: urls["client/amqp"], RedisURL: urls["client/redis"], Name: "faults",
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	p := &Producers{client: c, raw: &rawProducer{urls: site.Addresses(urls["raw/amqp"])}, Kept: make(chan struct{})}
	for _, s := range schedule {
		p.Jobs = append(p.Jobs, &history.Attempts{Spec: s})
	}
	return p, nil
}

// Run sends all jobs, and returns when each is confirmed, or ctx has ended.
func (p *Producers) Run(ctx context.Context) {
	began := time.Now()
	var all, kept sync.WaitGroup
	for _, j := range p.Jobs {
		p.Open.Add(1)
		if isKept(j.Lane) {
			kept.Add(1)
		}
		all.Go(func() {
			defer p.Open.Add(-1)
			if isKept(j.Lane) {
				defer kept.Done()
			}
			if wait.Pause(ctx, time.Until(began.Add(j.At))) == nil {
				p.enqueue(ctx, j)
			}
		})
	}
	kept.Wait()
	close(p.Kept)
	all.Wait()
}

// enqueue sends every copy of the job until it is confirmed.
func (p *Producers) enqueue(ctx context.Context, j *history.Attempts) {
	j.Asked = time.Now()
	for j.Confirms < j.Copies && ctx.Err() == nil {
		j.Tries++
		err := p.send(ctx, j)
		if err == nil {
			if j.Confirms++; j.Confirms == 1 {
				j.Confirmed = time.Now()
				if p.Told != nil {
					p.Told(j.Spec)
				}
			}
			continue
		}
		j.LastError = err.Error()
		_ = wait.Pause(ctx, 200*time.Millisecond)
	}
}

func (p *Producers) send(ctx context.Context, j *history.Attempts) error {
	ctx, cancel := context.WithTimeout(ctx, confirmTime)
	defer cancel()
	if j.Raw {
		return p.raw.send(ctx, j)
	}
	_, err := p.client.Enqueue(ctx, j.Job)
	return err
}

// Close ends their connections.
func (p *Producers) Close() {
	_ = p.client.Close()
	p.raw.drop()
}

// rawPatience is how long the raw producer waits for one confirm.
const rawPatience = 10 * time.Second

// rawProducer is what a producer in any other language is: it knows AMQP and the job's JSON, and nothing of Siren. Of
// several addresses it tries the next one after each trouble.
type rawProducer struct {
	urls []string
	next int // among them

	mu       sync.Mutex
	conn     *amqp.Connection
	ch       *amqp.Channel
	returned chan amqp.Return
	sock     atomic.Pointer[net.TCPConn]
}

// send publishes and waits for the confirm. Any trouble ends the connection: the next one makes another.
func (p *rawProducer) send(ctx context.Context, j *history.Attempts) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil { // it had to wait for too long
		return ctx.Err()
	}
	if j.Confirms == 0 {
		j.Asked = time.Now() // until now it waited for its turn here
	}
	ctx, cancel := context.WithTimeout(ctx, rawPatience)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.publish(ctx, j.Spec) }() // it may hang, whatever ctx says
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		p.hangUp()
		err = errors.Join(ctx.Err(), <-ended)
	}
	if err != nil {
		p.hangUp()
		p.conn = nil
	}
	return err
}

func (p *rawProducer) publish(ctx context.Context, s history.Spec) error {
	if err := p.dial(); err != nil {
		return err
	}
	body, err := job.Encode(s.Job)
	if err != nil {
		return err
	}
	confirm, err := p.ch.PublishWithDeferredConfirmWithContext(ctx, "siren.jobs", s.Key, true, false, amqp.Publishing{
		ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body,
	})
	if err != nil {
		return err
	}
	ok, err := confirm.WaitContext(ctx)
	switch {
	case err != nil:
		return err
	case !ok:
		return errors.New("the broker refused it")
	}
	select {
	case r := <-p.returned: // it comes before its confirm
		return fmt.Errorf("the broker returned it: %s", r.ReplyText)
	default:
		return nil
	}
}

func (p *rawProducer) dial() error {
	if p.conn != nil && !p.conn.IsClosed() && !p.ch.IsClosed() {
		return nil
	}
	at := p.urls[p.next%len(p.urls)]
	p.next++
	conn, err := amqp.DialConfig(at, amqp.Config{
		Heartbeat: 5 * time.Second,
		Dial: func(network, address string) (net.Conn, error) {
			sock, err := net.DialTimeout(network, address, 5*time.Second)
			if err != nil {
				return nil, err
			}
			p.sock.Store(sock.(*net.TCPConn))
			return sock, sock.SetDeadline(time.Now().Add(rawPatience)) // of the handshake: amqp091-go takes it off
		},
	})
	if err != nil {
		return err
	}
	if p.ch, err = conn.Channel(); err != nil {
		return err
	}
	p.conn, p.returned = conn, p.ch.NotifyReturn(make(chan amqp.Return, 16))
	return p.ch.Confirm(false)
}

// hangUp ends the connection without asking the broker, which may not listen.
func (p *rawProducer) hangUp() {
	if sock := p.sock.Load(); sock != nil {
		_ = sock.Close()
	}
}

func (p *rawProducer) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hangUp()
}
