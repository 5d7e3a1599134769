package rabbitlink_test

import (
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/dnstest"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/take"
)

// The URL, of a mounted file say, comes to name another host: connections go there. One that comes to name none, or a
// broken one, ends nothing.
func TestURLMoves(t *testing.T) {
	rabbittest.Declared(t)
	all, list := ways(t, 2)
	urls := strings.Split(list, ",")
	var said atomic.Value
	said.Store(urls[0])
	var asked atomic.Int32
	c, err := rabbitlink.Open(rabbitlink.Options{Name: "test", Renew: func() (string, error) {
		asked.Add(1)
		if u := said.Load().(string); u != "" {
			return u, nil
		}
		return "", os.ErrNotExist
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.SetLooks(50 * time.Millisecond)
	if here, _ := at(t, c, all); here != all[0] {
		t.Fatal("it isn't where the URL says")
	}
	for _, broken := range []string{"", "amqp://%zz"} {
		said.Store(broken)
		before := asked.Load()
		rabbittest.Until(t, "the URL is looked at", func() bool { return asked.Load() > before+3 })
	}
	if all[0].Connections() != 1 || !c.Up() {
		t.Error("a broken URL has ended a session")
	}
	said.Store(urls[1])
	rabbittest.Until(t, "it is where the URL says", func() bool {
		here, _ := at(t, c, all)
		return here == all[1]
	})
}

// The broker's name moves to another address while what is at the one before goes on answering: everything connects
// anew, in the middle of a job too, and the job is settled by its next delivery. Answers that lack the address once, or
// name several, end nothing.
func TestNameMoves(t *testing.T) {
	rabbittest.Declared(t)
	first := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	at, err := url.Parse(first.URL)
	if err != nil {
		t.Fatal("parse the URL of the test's proxy")
	}
	second := rabbittest.NewProxyAt(t, net.JoinHostPort("127.0.0.2", at.Port()), rabbittest.Server(t).URL)
	names, err := dnstest.New()
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	names.Move("rabbit.test", "127.0.0.1")
	at.Host = net.JoinHostPort("rabbit.test", at.Port())
	var log rabbittest.LockedBuffer
	open := func(name string) *rabbitlink.Conn {
		c, err := rabbitlink.Open(rabbitlink.Options{
			URL: at.String(), Name: name,
			Log: slog.New(slog.NewTextHandler(&log, nil)), Resolver: names.Resolver(),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		c.SetLooks(50 * time.Millisecond)
		return c
	}
	consume, publish := open("worker"), open("worker (publish)")
	p := confirms.NewPublisher(publish, 0)
	k := take.NewTaker(consume, p, "general")
	k.Follow(rabbittest.Effective(t))
	slot := k.Shared()
	rabbittest.Enqueue(t, p, "standard", "job")
	d := rabbittest.Next(t, slot)

	names.Once("rabbit.test", "127.0.0.2")
	asked := names.Asked()
	rabbittest.Until(t, "the name is looked up", func() bool { return names.Asked() > asked+4 })
	if n := second.Connections(); n != 0 {
		t.Fatalf("%d connections were made anew while the address was one of the name's:\n%s", n, log.String())
	}
	names.Move("rabbit.test", "127.0.0.2", "127.0.0.1") // some of them are at home at the second one
	asked = names.Asked()
	rabbittest.Until(t, "the name is looked up", func() bool { return names.Asked() > asked+4 })
	if strings.Contains(log.String(), "lost the connection") {
		t.Fatalf("connections were lost while the address was one of the name's:\n%s", log.String())
	}

	names.Move("rabbit.test", "127.0.0.2")
	rabbittest.Until(t, "both connections are made anew", func() bool { return second.Connections() == 2 })
	if err := slot.Settle(rabbittest.Soon(t), d, rabbittest.Ack); err == nil {
		t.Error("a job was settled over a connection that had ended")
	}
	if d := rabbittest.Next(t, slot); d.Job.ID != "job" || !d.Returned {
		t.Errorf("took %+v, want the job again", d)
	} else {
		rabbittest.Settle(t, slot, d, rabbittest.Ack)
	}
	rabbittest.Enqueue(t, p, "standard", "after")
	rabbittest.Settle(t, slot, rabbittest.Next(t, slot), rabbittest.Ack)
}
