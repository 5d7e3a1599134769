package rabbit_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/rabbit"
)

// The broker's name moves to another address while what is at the one before goes on answering: everything connects anew, in the middle of a
// job too, and the job is settled by its next delivery. Answers that lack the address once, or name several, end nothing.
func TestNameMoves(t *testing.T) {
	declared(t)
	first := newProxy(t, server(t).URL)
	at, err := url.Parse(first.url)
	if err != nil {
		t.Fatal("parse the URL of the test's proxy")
	}
	second := newProxyAt(t, net.JoinHostPort("127.0.0.2", at.Port()), server(t).URL)
	names, err := procs.NewNames()
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	names.Move("rabbit.test", "127.0.0.1")
	at.Host = net.JoinHostPort("rabbit.test", at.Port())
	var log lockedBuffer
	open := func(name string) *rabbit.Conn {
		c, err := rabbit.Open(rabbit.Options{URL: at.String(), Name: name, Log: slog.New(slog.NewTextHandler(&log, nil)), Resolver: names.Resolver()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		c.SetLooks(50 * time.Millisecond)
		return c
	}
	consume, publish := open("worker"), open("worker (publish)")
	p := rabbit.NewPublisher(publish, 0)
	k := rabbit.NewTaker(consume, p, "general")
	k.Follow(effective(t))
	slot := k.Shared()
	enqueue(t, p, "standard", "job")
	d := next(t, slot)

	names.Once("rabbit.test", "127.0.0.2")
	asked := names.Asked()
	until(t, "the name is looked up", func() bool { return names.Asked() > asked+4 })
	names.Move("rabbit.test", "127.0.0.2", "127.0.0.1")
	asked = names.Asked()
	until(t, "the name is looked up", func() bool { return names.Asked() > asked+4 })
	if n := second.connections(); n != 0 || bytes.Contains([]byte(log.String()), []byte("lost the connection")) {
		t.Fatalf("%d connections were made anew while the address was one of the name's:\n%s", n, log.String())
	}

	names.Move("rabbit.test", "127.0.0.2")
	until(t, "both connections are made anew", func() bool { return second.connections() == 2 })
	if err := slot.Settle(soon(t), d, ack); err == nil {
		t.Error("a job was settled over a connection that had ended")
	}
	if d := next(t, slot); d.Job.ID != "job" || !d.Returned {
		t.Errorf("took %+v, want the job again", d)
	} else {
		settle(t, slot, d, ack)
	}
	enqueue(t, p, "standard", "after")
	settle(t, slot, next(t, slot), ack)
}
