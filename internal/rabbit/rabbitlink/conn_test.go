package rabbitlink_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
)

func TestConnComesBack(t *testing.T) {
	rabbittest.Fresh(t)
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	var log rabbittest.LockedBuffer
	c, err := rabbitlink.Open(rabbitlink.Options{
		URL: way.URL, Name: "test",
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Up() {
		t.Error("up before its first use")
	}
	if err := c.Wait(rabbittest.Soon(t)); err != nil || !c.Up() {
		t.Fatalf("up %v: %v", c.Up(), err)
	}
	way.Refuse(true)
	rabbittest.Until(t, "the loss shows", func() bool { return !c.Up() })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = c.Wait(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("waiting for a broker that is away: %v", err)
	}
	way.Refuse(false)
	if err := c.Wait(rabbittest.Soon(t)); err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(rabbittest.Server(t).URL)
	password, _ := u.User.Password()
	if s := log.String(); strings.Contains(s, password) || !strings.Contains(s, "lost the connection") {
		t.Errorf("the log has a password or lacks the loss:\n%s", s)
	}
	c.Close()
	if err := c.Wait(rabbittest.Soon(t)); err == nil || c.Up() {
		t.Error("a closed connection came back")
	}
}

func TestConnErrorsHideThePassword(t *testing.T) {
	rabbittest.Fresh(t)
	u, _ := url.Parse(rabbittest.Server(t).URL)
	u.User = url.UserPassword("siren", "sesame-open")
	c := rabbittest.Open(t, u.String(), "test")
	var err error
	rabbittest.Until(t, "the broker to refuse the password", func() bool { // it takes 3 s over that
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = c.Wait(ctx)
		return err == nil || strings.Contains(err.Error(), "password not allowed")
	})
	if err == nil || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), "password not allowed") {
		t.Errorf("a wrong password: %v", err)
	}
	for _, bad := range []string{
		"http://siren:sesame@localhost/", "amqp://siren:se same@localhost/",
		"amqp://siren:ses/ame@localhost:x/", "amqp://siren:sesame%zz@localhost/",
	} {
		_, err := rabbitlink.Open(rabbitlink.Options{URL: bad})
		if err == nil || strings.Contains(err.Error(), "ame@") || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// The connection falls silent before a channel is open: who wants one leaves when its context ends, and takes nobody
// along.
func TestOpeningEndsWithItsContext(t *testing.T) {
	rabbittest.Declared(t)
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	consume, publish := rabbittest.Open(t, way.URL, "consume"), rabbittest.Open(t, way.URL, "publish")
	for _, c := range []*rabbitlink.Conn{consume, publish} {
		if err := c.Wait(rabbittest.Soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	p := confirms.NewPublisher(publish, 0)
	k := take.NewTaker(consume, p, "general")
	k.Follow(rabbittest.Effective(t))
	s := k.Shared()

	way.Stall()
	patient := make(chan []error)
	go func() {
		patient <- rabbit.Enqueue(rabbittest.Soon(t), p, []wire.Entry{{Lane: "bulk", Job: rabbittest.Job("1")}})
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := rabbit.Enqueue(ctx, p, []wire.Entry{{Lane: "bulk", Job: rabbittest.Job("2")}})[0]; !errors.Is(err,
		confirms.ErrNotSent) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish: %v, want ErrNotSent", err)
	}
	if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("next: %v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s to give up", took)
	}
	way.Flow()
	if err := <-patient; err[0] != nil {
		t.Errorf("the other caller: %v", err[0])
	}
	rabbittest.Settle(t, s, rabbittest.Next(t, s), rabbittest.Ack)
	_, _ = s.Next(rabbittest.Ended())
}

// The broker crashes in the middle of a job: confirmed jobs are there again, and taking goes on by itself.
func TestBrokerCrash(t *testing.T) {
	rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	rabbittest.Enqueue(t, p, "standard", "1", "2")
	d := rabbittest.Next(t, s)
	if rabbittest.QueueType == lanes.Quorum {
		// A RabbitMQ that is killed within a second of declaring a quorum queue whose namesake was deleted comes back
		// with an empty one, confirmed jobs or not: it writes down which log is whose only now and then. Seen on 3.10,
		// 4.0 and 4.3.
		time.Sleep(2 * time.Second)
	}
	if err := rabbittest.Server(t).Kill(); err != nil {
		t.Fatal(err)
	}
	if err := rabbittest.Server(t).Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(rabbittest.Soon(t), d, rabbittest.Ack); !errors.Is(err, rabbitlink.ErrStale) {
		t.Errorf("settle after a crash: %v, want ErrStale", err)
	}
	seen := map[string]int{}
	for range 2 {
		d := rabbittest.Next(t, s)
		seen[d.Job.ID]++
		rabbittest.Settle(t, s, d, rabbittest.Ack)
	}
	if seen["1"] != 1 || seen["2"] != 1 {
		t.Errorf("after the crash came %v, want each job once", seen)
	}
	rabbittest.Enqueue(t, p, "standard", "3")
	rabbittest.Settle(t, s, rabbittest.Next(t, s), rabbittest.Ack)
}
