package take

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
)

// This file is which queues answer. One that doesn't, or isn't there, is left out by all slots of the worker, and asked
// beside them until it answers again: over a connection of its own, since a broker ends the whole connection over some
// questions that a queue's leader can't answer.

const (
	askEvery     = time.Second      // whether queues that are left out answer
	mostAsked    = 8                // questions to one queue at a time
	slowFor      = time.Minute      // a queue is believed to be as slow as it was
	mostPatience = 10 * time.Second // of a slot
	quietFor     = 3 * time.Second  // of all queues, before their node is left
	// elsewhereWithin is how long a queue may take to answer another node.
	elsewhereWithin = 2 * time.Second
)

// answers is what a worker knows of its queues' answers. The Taker's mutex guards it.
type answers struct {
	out    map[lanes.Queue]bool
	at     map[lanes.Queue]time.Time // of the latest answer
	slow   map[lanes.Queue]slowness
	asked  map[lanes.Queue]int // questions that stand
	gets   map[lanes.Queue]int // those of them that may be answered with a job
	asking bool                // somebody asks those that are left out
	since  time.Time           // they are asked
	blind  bool                // the broker doesn't tell this user how many jobs there are
}

// slowness is how long a queue takes to answer, for a while.
type slowness struct {
	takes time.Duration
	until time.Time
}

func newAnswers() answers {
	return answers{
		out: map[lanes.Queue]bool{}, at: map[lanes.Queue]time.Time{}, slow: map[lanes.Queue]slowness{},
		asked: map[lanes.Queue]int{}, gets: map[lanes.Queue]int{},
	}
}

// patienceFor returns how long a slot waits for the queue's answer.
func (t *Taker) patienceFor(q lanes.Queue) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.slow[q]; ok && time.Now().Before(s.until) {
		return max(t.Patience, min(4*s.takes, mostPatience))
	}
	return t.Patience
}

// mayCount reports whether the broker tells how many jobs and consumers a queue has: from RabbitMQ 4.0 on only who may
// configure it.
func (t *Taker) mayCount() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.blind
}

func (t *Taker) mayNotCount() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.blind = true
}

// fine notes that the queue answers, and takes complaints back.
func (t *Taker) fine(q lanes.Queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at[q] = time.Now()
	if len(t.said) > 0 {
		delete(t.said, q)
		delete(t.said, lanes.Queue{})
	}
	if t.out[q] {
		delete(t.out, q)
		t.reorder()
	}
}

// came notes that a job of the queue has come by itself. That is so as soon as there is a new leader, long before who
// asks finds it.
func (t *Taker) came(q lanes.Queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at[q] = time.Now()
}

// leftOut reports whether the queue is left out.
func (t *Taker) leftOut(q lanes.Queue) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out[q]
}

// leaveOut leaves a queue out until it answers.
func (t *Taker) leaveOut(q lanes.Queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out[q] = true
	if !t.asking {
		t.asking, t.since = true, time.Now()
		go t.ask()
	}
}

// ask asks the queues that are left out, each second anew, until none is or the connection is closed: a question that
// was put to a leader that is away stands for up to a minute, while one that comes later is for the new leader. Where
// no queue at all answers, the worker's node may be cut off from the others, and is left.
func (t *Taker) ask() {
	var inquiries sync.WaitGroup
	defer inquiries.Wait()
	of, conn := t.conn.Current(), t.conn.Twin("ask")
	defer func() { conn.Close() }()
	for {
		if now := t.conn.Current(); now != of && now != nil { // perhaps with another node
			conn.Close()
			of, conn = now, t.conn.Twin("ask")
		}
		by := conn
		for _, q := range t.toAsk() {
			inquiries.Go(func() { t.inquire(by, q) })
		}
		select {
		case <-time.After(askEvery):
		case <-conn.Closed():
			return
		}
		switch quiet := t.quiet(); {
		case quiet < 0:
			return
		case quiet >= quietFor && of != nil:
			t.conn.Leave(of, "none of its queues answers", t.answersElsewhere)
		}
	}
}

// toAsk returns the queues to ask now. One that isn't the policy's any more is forgotten.
func (t *Taker) toAsk() (queues []lanes.Queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for q := range t.out {
		switch {
		case !slices.Contains(t.effective.QueuesOf(q.Lane), q):
			delete(t.out, q)
		case t.asked[q] < mostAsked:
			t.asked[q]++
			queues = append(queues, q)
		}
	}
	return queues
}

// quiet returns how long no queue at all has answered; less than nothing when none is left out. Then nobody asks.
func (t *Taker) quiet() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asking = len(t.out) > 0; !t.asking {
		return -1
	}
	latest := t.since
	for _, at := range t.at {
		if at.After(latest) {
			latest = at
		}
	}
	return time.Since(latest)
}

// inquire finds out whether a queue answers.
func (t *Taker) inquire(conn *rabbitlink.Conn, q lanes.Queue) {
	defer t.count(t.asked, q, -1)
	took, answered := t.question(conn, q)
	if answered && took > t.Patience { // it has waited for a leader, or that's how slow the queue is
		took, answered = t.question(conn, q)
	}
	if !answered {
		return
	}
	t.mu.Lock()
	t.slow[q] = slowness{took, time.Now().Add(slowFor)}
	t.mu.Unlock()
	t.fine(q)
}

// count counts questions up or down, and returns how many there were.
func (t *Taker) count(which map[lanes.Queue]int, q lanes.Queue, by int) (were int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	were = which[q]
	which[q] += by
	return were
}

// question asks a queue, and says how long the answer took. Only a leader knows of jobs; that there are none is certain
// only if it gives none.
func (t *Taker) question(conn *rabbitlink.Conn, q lanes.Queue) (took time.Duration, answered bool) {
	most := mostAsked
	if t.mayCount() {
		began := time.Now()
		known, err := ask(conn, func(ch *rabbitlink.Channel) (bool, error) {
			ready, consumers, err := ch.Depth(topology.QueueName(q))
			return ready+consumers > 0, err
		})
		switch {
		case known:
			return time.Since(began), true
		case errors.Is(err, lanes.ErrRefused):
			t.mayNotCount()
		case rabbitlink.Absent(err), errors.Is(err, rabbitlink.ErrDown): // it isn't there: an answer, too
			t.mu.Lock()
			t.at[q] = time.Now()
			t.mu.Unlock()
			return 0, false
		case err != nil:
			return 0, false
		default:
			most = 1 // it may be answered with a job, which has to go back
		}
	}
	if t.count(t.gets, q, 1) >= most {
		t.count(t.gets, q, -1)
		return 0, false
	}
	defer t.count(t.gets, q, -1)
	began := time.Now()
	answered, _ = ask(conn, func(ch *rabbitlink.Channel) (bool, error) {
		_, err := ch.Empty(topology.QueueName(q))
		return err == nil, err
	})
	return time.Since(began), answered
}

// ask asks on a channel of its own, as long as it takes.
func ask(conn *rabbitlink.Conn, request func(*rabbitlink.Channel) (bool, error)) (bool, error) {
	ch, err := conn.Channel(context.Background())
	if err != nil {
		return false, err
	}
	defer ch.Close()
	ch.Patience = 2 * time.Minute
	return request(ch)
}

// answersElsewhere tries whether another node answers for any of the queues that are left out.
func (t *Taker) answersElsewhere(s *rabbitlink.Session) (err error) {
	t.mu.Lock()
	queues := slices.Collect(maps.Keys(t.out))
	t.mu.Unlock()
	for _, q := range queues {
		ch, failed := s.Channel()
		if failed != nil {
			return failed
		}
		ch.Patience = elsewhereWithin
		if _, err = ch.Empty(topology.QueueName(q)); err == nil || rabbitlink.Absent(err) {
			return nil
		}
	}
	if err == nil {
		err = rabbitlink.ErrSilent
	}
	return err
}
