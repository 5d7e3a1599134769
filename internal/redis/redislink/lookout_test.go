package redislink_test

import (
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/dnstest"
	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// way leads from an address of its own to a server, as a name with one address, or a service, does.
type way struct {
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	to    string
	own   []net.Conn
	ended int
}

func newWay(t *testing.T, at string, to *servers.Server) *way {
	t.Helper()
	l, err := net.Listen("tcp", at)
	redistest.Must(t, err)
	w := &way{listener: l}
	w.lead(t, to)
	w.running.Go(w.serve)
	t.Cleanup(func() {
		_ = l.Close()
		w.mu.Lock()
		for _, c := range w.own {
			_ = c.Close()
		}
		w.mu.Unlock()
		w.running.Wait()
	})
	return w
}

func (w *way) port() string { return strconv.Itoa(w.listener.Addr().(*net.TCPAddr).Port) }

func (w *way) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended++
}

// losses returns how many connections have ended.
func (w *way) losses() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// lead directs new connections to the server; those that are there stay where they are.
func (w *way) lead(t *testing.T, to *servers.Server) {
	u, err := url.Parse(to.URL)
	redistest.Must(t, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = u.Host
}

func (w *way) serve() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		far, err := net.Dial("tcp", w.to)
		if err != nil {
			_ = near.Close()
		} else {
			w.own = append(w.own, near, far)
			w.running.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
			w.running.Go(func() { _, _ = io.Copy(far, near); _ = far.Close(); w.end() })
		}
		w.mu.Unlock()
	}
}

// two starts a Redis that a store is made for, and one that it is to move to. A replica that begins to write its
// changes to disk doesn't end until that is done, so they don't.
func two(t *testing.T) (a, b *servers.Server, rawA, rawB *goredis.Client) {
	t.Helper()
	a, rawA = startRedis(t, "masteruser watch\nmasterauth watch\nshutdown-timeout 0\nappendonly no\n")
	b, rawB = startRedis(t, "masteruser watch\nmasterauth watch\nshutdown-timeout 0\nappendonly no\n")
	return a, b, rawA, rawB
}

// replicate makes one Redis the replica of another, and waits until it has its data.
func replicate(t *testing.T, replica *goredis.Client, of *servers.Server) {
	t.Helper()
	u, err := url.Parse(of.URL)
	redistest.Must(t, err)
	redistest.Must(t, replica.ReplicaOf(t.Context(), "127.0.0.1", u.Port()).Err())
	redistest.Eventually(t, "the replica follows", func() bool {
		role, err := replica.Do(t.Context(), "ROLE").Slice()
		return err == nil && role[0] == "slave" && role[3] == "connected"
	})
}

// reader reads the roster through the URL, and is whether it sees the worker there.
func reader(t *testing.T, s *redislink.Store) func(worker string) bool {
	roster := redis.NewRoster(s, redistest.Discard)
	return func(name string) bool {
		workers, _, err := roster.Workers(t.Context())
		if err != nil {
			return false
		}
		for _, w := range workers {
			if w.Worker == name {
				return true
			}
		}
		return false
	}
}

// live leaves a sign of life of the worker at that Redis alone.
func live(t *testing.T, s *servers.Server, worker string) {
	t.Helper()
	_, err := redis.NewRoster(redistest.Open(t, s.URL), redistest.Discard).Beat(t.Context(),
		fleet.Heartbeat{Worker: worker, Pool: "general"})
	redistest.Must(t, err)
}

const quick = 100 * time.Millisecond

// Redis is elsewhere now while the former one stays and answers what is asked: stores that only read, and those that
// only listen, come to the new one. Whether the former one was made a replica of it or not, and whether the address has
// changed or not.
func TestNameMoves(t *testing.T) {
	for name, c := range map[string]struct {
		address, replica bool // what changes
	}{
		"the name has another address, the former Redis is a replica cut off":      {true, true},
		"the name has another address, the former Redis still says it is a master": {true, false},
		"a service leads elsewhere, the former Redis is a replica":                 {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, rawA, rawB := two(t)
			first := newWay(t, "127.0.0.1:0", a)
			newWay(t, "127.0.0.2:"+first.port(), b)
			names, err := dnstest.New()
			redistest.Must(t, err)
			t.Cleanup(names.Close)
			names.Move("redis.test", "127.0.0.1")
			url := "redis://siren:old-secret@redis.test:" + first.port()
			store := openWith(t, url, redislink.WithResolver(names.Resolver()), redislink.WithPace(quick))
			sees := reader(t, store)
			live(t, a, "before")
			redistest.Eventually(t, "the store reads the first Redis", func() bool {
				return sees("before")
			})
			crowd(t, store, 8) // idle connections to the former one
			listening := openWith(t, url, redislink.WithResolver(names.Resolver()), redislink.WithPace(quick))
			changed := redis.NewTunings(listening, redistest.Discard).Changed(t.Context())
			<-changed

			replicate(t, rawB, a)
			redistest.Must(t, rawB.ReplicaOf(t.Context(), "NO", "ONE").Err())
			if c.replica { // of a Redis that isn't there, so what it hears of is no help
				redistest.Must(t, rawA.ReplicaOf(t.Context(), "127.0.0.1", "1").Err())
			}
			if c.address {
				names.Move("redis.test", "127.0.0.2")
			} else {
				first.lead(t, b)
			}
			live(t, b, "after")
			redistest.Eventually(t, "the store reads the second Redis", func() bool {
				return sees("after")
			})
			for range 20 {
				if !sees("after") {
					t.Fatal("the store still has connections to the first Redis")
				}
			}
			redistest.Eventually(t, "a listening connection hears of the second Redis", func() bool {
				redistest.Must(t, rawB.Publish(t.Context(), "siren:tuned", "").Err())
				subscribers := rawB.PubSubNumSub(t.Context(), "siren:tuned").Val()
				return subscribers["siren:tuned"] > 0
			})
		})
	}
}

// A Redis becomes a replica: the first write that it refuses ends all connections, not the one that met it alone, and
// the write itself is done where it should be.
func TestReadOnly(t *testing.T) {
	a, b, rawA, rawB := two(t)
	w := newWay(t, "127.0.0.1:0", a)
	store := openWith(t, "redis://siren:old-secret@127.0.0.1:"+w.port(), redislink.WithPace(time.Hour))
	crowd(t, store, 8)
	replicate(t, rawB, a)
	redistest.Must(t, rawB.ReplicaOf(t.Context(), "NO", "ONE").Err())
	replicate(t, rawA, b)
	w.lead(t, b)
	_, err := redis.NewRoster(store, redistest.Discard).Beat(t.Context(),
		fleet.Heartbeat{Worker: "written", Pool: "general"})
	redistest.Must(t, err)
	if !reader(t, redistest.Open(t, b.URL))("written") {
		t.Error("the write isn't where it should be")
	}
	var held []*goredis.Conn
	for range 9 { // all connections that there are, and one more
		conn := store.Client().(*goredis.Client).Conn()
		held = append(held, conn)
		if role, err := conn.Do(t.Context(), "ROLE").Slice(); err != nil || role[0] != "master" {
			t.Errorf("a connection is to a Redis that says it is %v (%v)", role[0], err)
		}
	}
	for _, conn := range held {
		redistest.Must(t, conn.Close())
	}
}

// No connection is used for ever, also one that listens and is never idle: where it leads may have changed without a
// sign.
func TestAge(t *testing.T) {
	w := newWay(t, "127.0.0.1:0", redistest.Shared)
	u, err := url.Parse(redistest.Shared.URL)
	redistest.Must(t, err)
	u.Host = "127.0.0.1:" + w.port()
	store := openWith(t, u.String(), redislink.WithAge(50*time.Millisecond))
	changed := redis.NewTunings(store, redistest.Discard).Changed(t.Context())
	<-changed
	redistest.Must(t, store.Ping(t.Context()))
	redistest.Eventually(t, "a connection is replaced",
		func() bool { redistest.Must(t, store.Ping(t.Context())); return w.losses() > 0 })
	select {
	case <-changed: // it listens anew
	case <-time.After(30 * time.Second):
		t.Error("a connection that listens is kept for ever")
	}
}

// Several addresses of one name, whose order changes from answer to answer, end no connection; nor does one answer that
// lacks some.
func TestManyAddresses(t *testing.T) {
	first := newWay(t, "127.0.0.1:0", redistest.Shared)
	newWay(t, "127.0.0.2:"+first.port(), redistest.Shared)
	names, err := dnstest.New()
	redistest.Must(t, err)
	t.Cleanup(names.Close)
	u, err := url.Parse(redistest.Shared.URL)
	redistest.Must(t, err)
	u.Host = "redis.test:" + first.port()
	names.Move("redis.test", "127.0.0.1", "127.0.0.2")
	store := openWith(t, u.String(), redislink.WithResolver(names.Resolver()), redislink.WithPace(10*time.Millisecond))
	crowd(t, store, 4)
	made := store.Client().PoolStats().Misses
	for i := range 20 {
		switch i % 4 {
		case 0:
			names.Move("redis.test", "127.0.0.2", "127.0.0.1")
		case 1:
			names.Once("redis.test", "127.0.0.2")
		case 2:
			names.Move("redis.test", "127.0.0.1", "127.0.0.2")
		case 3:
			names.Once("redis.test", "127.0.0.1")
		}
		asked := names.Asked()
		redistest.Eventually(t, "the name is looked up", func() bool { return names.Asked() > asked+1 })
		crowd(t, store, 4)
	}
	if n := store.Client().PoolStats().Misses - made; n > 0 {
		t.Errorf("%d connections were made anew", n)
	}
}
