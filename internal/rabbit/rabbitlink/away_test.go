package rabbitlink_test

import (
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/dnstest"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/lanes"
)

// ways makes several ways to the broker, and the URL that names them all.
func ways(t *testing.T, n int) (all []*rabbittest.Proxy, list string) {
	t.Helper()
	urls := make([]string, n)
	for i := range urls {
		way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
		all, urls[i] = append(all, way), way.URL
	}
	return all, strings.Join(urls, ",")
}

// open opens a connection that looks at its addresses so often, and has a log.
func open(t *testing.T, list string, every time.Duration) (*rabbitlink.Conn, *rabbittest.LockedBuffer) {
	t.Helper()
	log := new(rabbittest.LockedBuffer)
	c, err := rabbitlink.Open(rabbitlink.Options{URL: list, Name: "test", Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.SetLooks(every)
	return c, log
}

// at returns which of the ways the session of a connection goes, once it has one.
func at(t *testing.T, c *rabbitlink.Conn, all []*rabbittest.Proxy) (here *rabbittest.Proxy, rest []*rabbittest.Proxy) {
	t.Helper()
	s, err := c.Session(rabbittest.Soon(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range all {
		if strings.Contains(way.URL, "@"+s.Address()) {
			here = way
		} else {
			rest = append(rest, way)
		}
	}
	return here, rest
}

// The first of two addresses hangs: it costs one try and no more, also later.
func TestHungAddress(t *testing.T) {
	rabbittest.Declared(t)
	all, list := ways(t, 2)
	c, log := open(t, list, time.Hour)
	home, others := at(t, c, all)
	away := others[0]
	home.Stall()
	home.Cut()
	rabbittest.Until(t, "the loss shows", func() bool { return !c.Up() })
	if here, _ := at(t, c, all); here != away || home.Connections() != 1 || away.Connections() != 1 {
		t.Errorf("%d tries where it hangs, %d where it answers", home.Connections(), away.Connections())
	}
	away.Cut()
	rabbittest.Until(t, "the loss shows", func() bool {
		return strings.Count(log.String(), "lost the connection") == 2
	})
	if here, _ := at(t, c, all); here != away || home.Connections() != 1 {
		t.Errorf("%d tries where it has hung already", home.Connections())
	}
}

// A node hangs while a session is there: what its heartbeats tell is known when the next session is made.
func TestNodeHangs(t *testing.T) {
	rabbittest.Declared(t)
	all, list := ways(t, 2)
	c, _ := open(t, strings.ReplaceAll(list, ",", "?heartbeat=1,")+"?heartbeat=1", time.Hour)
	home, others := at(t, c, all)
	if _, err := c.Channel(rabbittest.Soon(t)); err != nil { // amqp091 waits for no heartbeat before a first answer
		t.Fatal(err)
	}
	home.Stall()
	rabbittest.Until(t, "it goes on elsewhere", func() bool {
		here, _ := at(t, c, all)
		return here == others[0]
	})
	if home.Connections() != 1 {
		t.Errorf("%d connections where it hangs", home.Connections())
	}
}

// A session that opens no channel is given up long before a heartbeat is missed, and made elsewhere.
func TestMuteSession(t *testing.T) {
	rabbittest.Declared(t)
	all, list := ways(t, 2)
	c, log := open(t, strings.ReplaceAll(list, ",", "?heartbeat=0,")+"?heartbeat=0", time.Hour)
	c.SetOpens(100 * time.Millisecond)
	home, others := at(t, c, all)
	home.Stall()
	if _, err := c.Channel(rabbittest.Soon(t)); err != nil {
		t.Fatal(err)
	}
	if here, _ := at(t, c, all); here != others[0] || home.Connections() != 1 {
		t.Errorf("%d connections where nothing is answered", home.Connections())
	}
	if !strings.Contains(log.String(), "it opens no channel") {
		t.Errorf("it isn't said why:\n%s", log.String())
	}
}

// The same of one that opens a channel, and then gives it no prefetch.
func TestMuteOnceOpened(t *testing.T) {
	rabbittest.Declared(t)
	all, list := ways(t, 2)
	c, _ := open(t, strings.ReplaceAll(list, ",", "?heartbeat=0,")+"?heartbeat=0", time.Hour)
	c.SetOpens(100 * time.Millisecond)
	home, others := at(t, c, all)
	ch, err := c.Channel(rabbittest.Soon(t))
	if err != nil {
		t.Fatal(err)
	}
	home.Stall()
	if err := ch.Prompt(func() error { return ch.Qos(1, 0, false) }); err == nil {
		t.Error("a stalled broker has answered")
	}
	if _, err := c.Channel(rabbittest.Soon(t)); err != nil {
		t.Fatal(err)
	}
	if here, _ := at(t, c, all); here != others[0] {
		t.Error("the connection stays where nothing is answered")
	}
}

// An alarm is a reason to answer nothing: the session stays.
func TestMuteUnderAnAlarm(t *testing.T) {
	rabbittest.Declared(t)
	all, list := ways(t, 2)
	c, _ := open(t, list, time.Hour)
	c.SetOpens(time.Millisecond)
	home, _ := at(t, c, all)
	s, err := c.Session(rabbittest.Soon(t))
	if err != nil {
		t.Fatal(err)
	}
	s.Alarm()
	home.Stall()
	opened := make(chan error, 1)
	go func() {
		_, err := s.Channel()
		opened <- err
	}()
	time.Sleep(s.OpensWithin() + 100*time.Millisecond)
	home.Flow()
	if err := <-opened; err != nil {
		t.Errorf("the session was given up under an alarm: %v", err)
	}
}

// An address that hung answers again: the connection goes back to it.
func TestHungAddressComesBack(t *testing.T) {
	rabbittest.Declared(t)
	all, list := ways(t, 2)
	c, _ := open(t, list, 50*time.Millisecond)
	home, others := at(t, c, all)
	home.Stall()
	home.Cut()
	rabbittest.Until(t, "it goes on elsewhere", func() bool {
		here, _ := at(t, c, all)
		return here == others[0]
	})
	home.Flow()
	rabbittest.Until(t, "it is at home again", func() bool {
		here, _ := at(t, c, all)
		return here == home
	})
}

// A refused address isn't waited for, and when it comes back all go home to it.
func TestGoesHome(t *testing.T) {
	rabbittest.Declared(t)
	all, list := ways(t, 3)
	homes := map[*rabbitlink.Conn]*rabbittest.Proxy{}
	for range 6 {
		c, _ := open(t, list, 50*time.Millisecond)
		homes[c], _ = at(t, c, all)
	}
	for _, way := range all { // a restart of one after the other
		way.Refuse(true)
		for c := range homes {
			rabbittest.Until(t, "it goes on elsewhere", func() bool {
				here, _ := at(t, c, all)
				return here != way
			})
		}
		way.Refuse(false)
	}
	for c, home := range homes {
		rabbittest.Until(t, "it is at home again", func() bool {
			here, _ := at(t, c, all)
			return here == home
		})
		rabbittest.Enqueue(t, confirms.NewPublisher(c, 0), "standard", "after")
	}
}

// Each connection has an order of its own.
func TestHomesAreSpread(t *testing.T) {
	rabbittest.Declared(t)
	all, list := ways(t, 2)
	seen := map[*rabbittest.Proxy]bool{}
	for range 50 { // that all have the same home is as likely as 2 to the power of -49
		c, _ := open(t, list, time.Hour)
		home, _ := at(t, c, all)
		seen[home] = true
		if c.Close(); len(seen) == len(all) {
			return
		}
	}
	t.Error("50 connections have the same home")
}

// A name has two addresses, and at one of them nothing answers.
func TestHungAddressOfAName(t *testing.T) {
	rabbittest.Declared(t)
	first := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	u, err := url.Parse(first.URL)
	if err != nil {
		t.Fatal("parse the URL of the test's proxy")
	}
	second := rabbittest.NewProxyAt(t, net.JoinHostPort("127.0.0.2", u.Port()), rabbittest.Server(t).URL)
	names, err := dnstest.New()
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	names.Move("rabbit.test", "127.0.0.1", "127.0.0.2")
	u.Host = net.JoinHostPort("rabbit.test", u.Port())
	c, err := rabbitlink.Open(rabbitlink.Options{URL: u.String(), Name: "test", Resolver: names.Resolver()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Wait(rabbittest.Soon(t)); err != nil {
		t.Fatal(err)
	}
	home, away := first, second
	if second.Connections() == 1 {
		home, away = second, first
	}
	home.Stall()
	home.Cut()
	rabbittest.Until(t, "the loss shows", func() bool { return !c.Up() })
	if err := c.Wait(rabbittest.Soon(t)); err != nil || home.Connections() != 1 || away.Connections() != 1 {
		t.Errorf("%d tries where it hangs, %d where it answers: %v", home.Connections(), away.Connections(), err)
	}
}

// Who finds that a node does nothing leaves it for another one, once, and only where one answers.
func TestLeave(t *testing.T) {
	rabbittest.Declared(t)
	all, list := ways(t, 2)
	c, log := open(t, list, time.Hour)
	home, others := at(t, c, all)
	others[0].Refuse(true)
	s, err := c.Session(rabbittest.Soon(t))
	if err != nil {
		t.Fatal(err)
	}
	fine := func(*rabbitlink.Session) error { return nil }
	if !c.Leave(s, "it confirms nothing", fine) {
		t.Error("nowhere to go, of two")
	}
	rabbittest.Until(t, "the other was tried", func() bool { return others[0].Refused() > 0 })
	others[0].Refuse(false)
	tried := make(chan struct{}, 100)
	rabbittest.Until(t, "it is tried whether that would help", func() bool {
		c.Leave(s, "it would be no better", func(*rabbitlink.Session) error {
			tried <- struct{}{}
			return rabbitlink.ErrSilent
		})
		return len(tried) > 1
	})
	if here, _ := at(t, c, all); here != home {
		t.Error("it left for a node that does no more")
	}
	rabbittest.Until(t, "it leaves", func() bool {
		c.Leave(s, "it confirms nothing", fine)
		here, _ := at(t, c, all)
		return here != home
	})
	now, err := c.Session(rabbittest.Soon(t))
	if err != nil {
		t.Fatal(err)
	}
	c.Leave(now, "neither does this", fine)
	rabbittest.Enqueue(t, confirms.NewPublisher(c, 0), "standard", "after")
	if here, _ := at(t, c, all); here == home {
		t.Error("it went back at once")
	}
	if n := strings.Count(log.String(), `reason="it confirms nothing"`); n != 1 {
		t.Errorf("it left %d times:\n%s", n, log.String())
	}

	alone := rabbittest.Open(t, home.URL, "alone")
	if s, err := alone.Session(rabbittest.Soon(t)); err != nil || alone.Leave(s, "anything", fine) {
		t.Errorf("left the only address: %v", err)
	}
}

// A message whose connection leaves one node after the other isn't suspected of having ended it: it is published until
// it is confirmed.
func TestLeavingIsNoLoss(t *testing.T) {
	probe := rabbittest.Declared(t)
	if _, err := probe.Ch.QueueDeclare("sent", false, false, true, false, nil); err != nil {
		t.Fatal(err)
	}
	probe.Must(probe.Ch.QueueBind("sent", "express", "siren.jobs", false, nil))
	_, list := ways(t, 6)
	c, _ := open(t, list, time.Hour)
	c.SetHops(0)
	p := confirms.NewPublisher(c, 0)
	p.Patience, p.Quiet = time.Hour, time.Hour
	resume := rabbittest.Suspend(t, "siren.lane.express")
	published := make(chan error, 1)
	go func() {
		published <- rabbittest.EnqueueOne(t.Context(), p, "express", rabbittest.Job("1"), time.Time{})
	}()
	sent := func(times int) {
		t.Helper()
		rabbittest.Until(t, "it is sent", func() bool { return probe.Ready("sent") == times || len(published) > 0 })
	}
	for times := range 4 { // one more than a message is lost without suspicion
		sent(times + 1)
		s, err := c.Session(rabbittest.Soon(t))
		if err != nil {
			t.Fatal(err)
		}
		c.Leave(s, "a test", func(*rabbitlink.Session) error { return nil })
	}
	sent(5)
	resume()
	if err := <-published; err != nil {
		t.Error(err)
	}
}

// A node that hangs in the middle of the login has refused nobody.
func TestHungLogin(t *testing.T) {
	rabbittest.Declared(t)
	u, err := url.Parse(rabbittest.Server(t).URL)
	if err != nil {
		t.Fatal("parse the URL of the test's broker")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	broker := u.Host
	go func() { // passes the first word of each side, and no more
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = near.Close() })
			far, err := net.Dial("tcp", broker)
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = far.Close() })
			for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
				word := make([]byte, 4<<10)
				n, _ := way[0].Read(word)
				_, _ = way[1].Write(word[:n])
			}
		}
	}()
	u.Host = l.Addr().String() + ",127.0.0.1:1"
	c, _ := open(t, u.String(), time.Hour)
	if err := refusal(t, c, "i/o timeout"); errors.Is(err, lanes.ErrRefused) || c.Refusal() != nil {
		t.Errorf("taken for a refusal: %v", err)
	}
}

// One address refuses the user, and nobody is at the other: both are said, once.
func TestRefusedByAll(t *testing.T) {
	rabbittest.Declared(t)
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	u, err := url.Parse(way.URL)
	if err != nil {
		t.Fatal("parse the URL of the test's proxy")
	}
	u.User = url.UserPassword(u.User.Username(), "wrong-secret")
	u.Host += ",127.0.0.1:1"
	c, log := open(t, u.String(), time.Hour)
	err = refusal(t, c, "refused by RabbitMQ")
	rabbittest.Until(t, "some rounds were made", func() bool { return way.Connections() > 2 })
	if c.Refusal() == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("refusal %v, error %v", c.Refusal(), err)
	}
	said := log.String()
	if n := strings.Count(said, "can't connect"); n != 1 || !strings.Contains(said, "127.0.0.1:1: dial") {
		t.Errorf("it is said %d times:\n%s", n, said)
	}
}
