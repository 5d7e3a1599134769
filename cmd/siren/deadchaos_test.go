package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/cmd/siren/runcmd"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// graveyard is a broker and a ledger with dead jobs, and a worker that runs whatever comes into the lanes; no scaler.
type graveyard struct {
	t      *testing.T
	store  *redislink.Store
	ledger *jobledger.Ledger
	board  *redis.Board
	policy lanes.Policy
	url    string // of the broker
	way    *cutter
	redis  string // with the login of an operator
	admin  string // with that of the administrator, who may all
	wiped  func() // FLUSHALL

	mu   sync.Mutex
	runs map[string]int // by job: claims that were granted
}

// newGraveyard makes a graveyard without queues.
func newGraveyard(t *testing.T) *graveyard {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := serve.StartServers(t.Context(), serve.Servers{AMQPURL: vhost(t)}, "", io.Discard, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	g := &graveyard{t: t, url: s.AMQPURL, redis: s.RedisURL, admin: s.Private[0].URL, runs: map[string]int{}}
	p, err := runcmd.LocalPolicy(t.TempDir())
	g.must(err)
	g.policy = *p
	// for what workers and the scaler do; the commands have an operator's login
	g.store, err = redislink.Open(g.admin, log)
	g.must(err)
	t.Cleanup(func() { g.store.Close() })
	g.ledger, g.board = jobledger.New(g.store, log), redis.NewBoard(g.store, log)
	g.way = newCutter(t, s.AMQPURL)
	g.wiped = func() {
		g.must(flushAll(s.Private[0]))
		g.publishPolicy() // as the leading scaler does within a second
	}
	return g
}

// declare makes the queues anew, of that type.
func (g *graveyard) declare(queueType string) {
	g.t.Helper()
	conn, err := amqp.Dial(g.url)
	g.must(err)
	defer conn.Close()
	ch, err := conn.Channel()
	g.must(err)
	for _, q := range []string{
		"siren.dead", "siren.delay.1s", "siren.delay.5s", "siren.delay.15s", "siren.delay.1m",
		"siren.delay.5m", "siren.delay.15m", "siren.delay.far",
	} {
		_, err := ch.QueueDelete(q, false, false, false)
		g.must(err)
	}
	for i, l := range g.policy.Lanes {
		_, err := ch.QueueDelete("siren.lane."+g.policy.QueueOf(l.Name).String(), false, false, false)
		g.must(err)
		g.policy.Lanes[i].QueueType = queueType
	}
	g.policy.Broker.QueueType = queueType
	g.must(topology.Declare(g.t.Context(), g.open("declare"), &g.policy, nil))
	g.publishPolicy()
}

func flushAll(s *servers.Server) error {
	u, err := url.Parse(s.URL)
	if err != nil {
		return err
	}
	c, err := net.DialTimeout("tcp", u.Host, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	password, _ := u.User.Password()
	if password != "" {
		if _, err := fmt.Fprintf(c, "AUTH %s\r\n", password); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprint(c, "FLUSHALL\r\nQUIT\r\n"); err != nil {
		return err
	}
	said, err := io.ReadAll(c)
	if err == nil && strings.Contains(string(said), "-") {
		err = fmt.Errorf("FLUSHALL: %q", said)
	}
	return err
}

func (g *graveyard) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *graveyard) publishPolicy() {
	_, err := g.board.PublishPolicy(context.WithoutCancel(g.t.Context()), lanes.Effective{Policy: g.policy})
	g.must(err)
}

func (g *graveyard) open(name string) *rabbitlink.Conn {
	c, err := rabbitlink.Open(rabbitlink.Options{URL: g.url, Name: name})
	g.must(err)
	g.t.Cleanup(c.Close)
	return c
}

// bury makes n jobs die, with their records and letters.
func (g *graveyard) bury(n int, prefix string) []string {
	g.t.Helper()
	ctx := g.t.Context()
	conn, err := amqp.Dial(g.url)
	g.must(err)
	defer conn.Close()
	ch, err := conn.Channel()
	g.must(err)
	g.must(ch.Confirm(false))
	ids := make([]string, n)
	var last *amqp.DeferredConfirmation
	var dying sync.WaitGroup
	seats := make(chan struct{}, 16)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%05d", prefix, i)
		j := job.Job{
			ID: ids[i], Kind: "probe", Input: "file:///in", Output: "file:///out.json",
			Labels: map[string]string{dead.TenantLabel: fmt.Sprint("t", i%10)},
		}
		body, err := job.Encode(j)
		g.must(err)
		d := work.Delivery{Job: j, Lane: "bulk", EnqueuedAt: time.Now(), ReadyAt: time.Now()}
		seats <- struct{}{}
		dying.Go(func() {
			defer func() { <-seats }()
			c, err := g.ledger.Claim(ctx, d, "w", 3)
			if err == nil {
				err = g.ledger.Close(ctx, c, work.Outcome{
					State: job.Dead, Reason: "failed",
					Error: "the storage is away",
				})
			}
			if err != nil {
				g.t.Error(err)
			}
		})
		last, err = ch.PublishWithDeferredConfirm("", "siren.dead", true, false, amqp.Publishing{
			MessageId: ids[i], DeliveryMode: amqp.Persistent, Body: body,
			Headers: amqp.Table{
				"lane": "bulk", "reason": "failed", "error": "the storage is away",
				"attempts": int64(5), "deadAt": time.Now().UnixMilli(),
			},
		})
		g.must(err)
	}
	dying.Wait()
	last.Wait()
	for until := time.Now().Add(time.Minute); g.letters() < n && time.Now().Before(until); {
		time.Sleep(10 * time.Millisecond)
	}
	return ids
}

func (g *graveyard) letters() int {
	n, err := rabbit.CountDead(g.t.Context(), g.open("count"))
	g.must(err)
	return n
}

// work takes jobs and completes them until the returned function is called, one after the other. A job that is claimed
// has run.
func (g *graveyard) work() (stop func()) {
	ctx, cancel := context.WithCancel(g.t.Context())
	taker := take.NewTaker(g.open("take"), confirms.NewPublisher(g.open("give"), 0), g.policy.Pools[0].Name)
	taker.Follow(&lanes.Effective{Revision: 1, Policy: g.policy})
	slot := taker.Shared()
	var working sync.WaitGroup
	working.Go(func() {
		for {
			d, err := slot.Next(ctx)
			if err != nil {
				return
			}
			c, err := g.ledger.Claim(g.t.Context(), d, "worker", 1000)
			if err != nil || c.State != work.Granted && c.State != work.Settled {
				g.t.Errorf("claim %s: %s, %v", d.Job.ID, c.State, err)
			}
			if c.State == work.Granted {
				g.mu.Lock()
				g.runs[d.Job.ID]++
				g.mu.Unlock()
				if err := g.ledger.Close(ctx, c, work.Outcome{State: job.Completed}); err != nil {
					g.t.Errorf("close %s: %v", d.Job.ID, err)
				}
			}
			if err := slot.Settle(g.t.Context(), d, work.Disposition{Action: work.Ack}); err != nil {
				g.t.Errorf("settle %s: %v", d.Job.ID, err)
			}
		}
	})
	return func() {
		cancel()
		working.Wait()
	}
}

// ran counts the jobs that have run, and those that ran more than once.
func (g *graveyard) ran() (once, more int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range g.runs {
		if n > 1 {
			more++
		}
	}
	return len(g.runs), more
}

// siren prepares a command over the way that can be cut.
func (g *graveyard) siren(args ...string) *exec.Cmd {
	g.t.Helper()
	self, err := exec.LookPath("siren")
	g.must(err)
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), "SIREN_AMQP_URL="+g.way.url, "SIREN_REDIS_URL="+g.redis, "NO_COLOR=1")
	return c
}

// A replay is killed, its connections are cut, Redis is wiped: again and again, until every job has been replayed. Each
// has run exactly once then; after a wipe nobody knows what ran, and a job may run again whose letter was still there:
// its output is there, too, and that is what counts.
func TestReplayUnderFire(t *testing.T) {
	t.Parallel()
	g := newGraveyard(t)
	cut := func(g *graveyard, _ *exec.Cmd) { g.way.cut() }
	for _, c := range []struct {
		name, queueType string
		strike          func(*graveyard, *exec.Cmd)
		twice           bool // a job may run twice
	}{
		{"killed", lanes.Classic, kill, false},
		{"cut", lanes.Classic, cut, false},
		{"wiped", lanes.Classic, func(g *graveyard, c *exec.Cmd) { kill(g, c); g.wiped() }, true},
		{"killed", lanes.Quorum, kill, false},
		{"cut", lanes.Quorum, cut, false},
	} {
		name := c.name + "-" + c.queueType
		t.Run(name, func(t *testing.T) {
			g := g.in(t)
			g.declare(c.queueType)
			g.underFire(g.bury(300, name), c.strike, c.twice)
		})
	}
}

// in returns the graveyard for a subtest.
func (g *graveyard) in(t *testing.T) *graveyard {
	return &graveyard{
		t: t, store: g.store, ledger: g.ledger, board: g.board, policy: g.policy, url: g.url, way: g.way,
		redis: g.redis, admin: g.admin, wiped: g.wiped, runs: map[string]int{},
	}
}

func kill(g *graveyard, c *exec.Cmd) { _ = c.Process.Kill() }

// underFire replays the dead jobs while it is struck again and again, later each time.
func (g *graveyard) underFire(ids []string, strike func(*graveyard, *exec.Cmd), twice bool) {
	t, jobs := g.t, len(ids)
	stop := g.work()
	strikes := 0
	for end := time.Now().Add(time.Minute); ; {
		replay := g.siren("dead", "replay", "--all", "--yes", "--rate", "0")
		var said strings.Builder
		replay.Stdout, replay.Stderr = &said, &said
		began := time.Now()
		g.must(replay.Start())
		done := make(chan error, 1)
		go func() { done <- replay.Wait() }()
		finished := false
		select {
		case err := <-done:
			finished = err == nil
		case <-time.After(time.Duration(40+rand.IntN(60+40*strikes)) * time.Millisecond):
			strike(g, replay)
			strikes++
			finished = <-done == nil // it may have been done just then
		}
		if finished && g.letters() == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after %d strikes %d letters are left; the last one said, after %s: %s", strikes, g.letters(),
				time.Since(began), said.String())
		}
	}
	last, _ := g.ran()
	for moved := time.Now(); last < jobs && time.Since(moved) < time.Minute; time.Sleep(20 * time.Millisecond) {
		// a busy machine takes its time
		if n, _ := g.ran(); n > last {
			last, moved = n, time.Now()
		}
	}
	time.Sleep(200 * time.Millisecond) // for second copies to come up
	stop()
	ran, more := g.ran()
	if ran != jobs || more > 0 && !twice {
		t.Errorf("%d of %d jobs have run, %d of them more than once", ran, jobs, more)
	}
	for _, id := range ids {
		if r, err := g.ledger.Get(context.Background(), id); err == nil && r.State != job.Completed || err != nil &&
			!twice {
			t.Errorf("job %s: %s, %v", id, r.State, err)
		}
	}
	t.Logf("%d strikes, %d jobs ran, %d of them more than once", strikes, ran, more)
}

// cutter stands between a command and the broker and cuts its connections.
type cutter struct {
	url string
	mu  sync.Mutex
	all []net.Conn
}

func newCutter(t *testing.T, target string) *cutter {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := u.Host
	u.Host = l.Addr().String()
	c := &cutter{url: u.String()}
	var pumps sync.WaitGroup
	pump := func(to, from net.Conn) {
		pumps.Go(func() {
			_, _ = io.Copy(to, from)
			to.Close()
			from.Close()
		})
	}
	pumps.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			c.mu.Lock()
			c.all = append(c.all, in, out)
			c.mu.Unlock()
			pump(in, out)
			pump(out, in)
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.cut()
		pumps.Wait()
	})
	return c
}

// cut ends all connections; new ones are let through.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.all {
		conn.Close()
	}
	c.all = nil
}
