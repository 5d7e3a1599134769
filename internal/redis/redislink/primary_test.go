package redislink_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/internal/dnstest"
	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
)

// hung listens, and never says anything, as a process does that is stopped.
func hung(t *testing.T, at string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", at)
	redistest.Must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func hostOf(t *testing.T, s *servers.Server) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	redistest.Must(t, err)
	return u.Host
}

// Of several addresses the primary counts, wherever it stands: one that hangs costs nothing, not even a retry. When
// another one becomes the primary, a store that only reads goes there.
func TestPrimaryAmongSeveral(t *testing.T) {
	a, b, rawA, rawB := two(t)
	replicate(t, rawB, a)
	list := "redis://siren:old-secret@" + strings.Join([]string{
		hung(t, "127.0.0.1:0"), hostOf(t, b), "127.0.0.1:1", hostOf(t, a),
	}, ",")
	store := openWith(t, list, redislink.WithPace(quick))
	redistest.Must(t, store.Ping(t.Context()))
	crowd(t, store, 8)
	sees := reader(t, store)
	live(t, a, "before")
	if !sees("before") {
		t.Error("it doesn't read the primary")
	}
	redistest.Must(t, rawB.ReplicaOf(t.Context(), "NO", "ONE").Err())
	redistest.Must(t, rawA.ReplicaOf(t.Context(), "127.0.0.1", "1").Err())
	live(t, b, "after")
	redistest.Eventually(t, "the store reads the new primary", func() bool { return sees("after") })

	redistest.Must(t, rawB.ReplicaOf(t.Context(), "127.0.0.1", "1").Err())
	fresh := openWith(t, "redis://siren:old-secret@"+hostOf(t, a)+","+hostOf(t, b))
	if err := fresh.Ping(t.Context()); !errors.Is(err, lanes.ErrAway) || !strings.Contains(err.Error(),
		hostOf(t, a)+": it is a replica") {
		t.Errorf("two replicas: %v", err)
	}
	wrong := openWith(t, "redis://siren:wrong@"+hostOf(t, a)+","+hostOf(t, b))
	if err := wrong.Ping(t.Context()); !errors.Is(err, lanes.ErrRefused) {
		t.Errorf("a wrong password: %v", err)
	}
}

// A name has two addresses, and at the first nothing answers; it may be the sentinels' name too.
func TestHungAddressOfAName(t *testing.T) {
	a, _ := startRedis(t, "")
	w := newWay(t, "127.0.0.2:0", a)
	hung(t, "127.0.0.1:"+w.port())
	names, err := dnstest.New()
	redistest.Must(t, err)
	t.Cleanup(names.Close)
	names.Move("redis.test", "127.0.0.1", "127.0.0.2")
	store := openWith(t, "redis://siren:old-secret@redis.test:"+w.port(), redislink.WithResolver(names.Resolver()))
	redistest.Must(t, store.Ping(t.Context()))

	host, port, err := net.SplitHostPort(startSentinel(t, a.URL))
	redistest.Must(t, err)
	hung(t, "127.0.0.2:"+port)
	names.Move("sentinel.test", "127.0.0.2", host)
	through := openWith(t, "redis+sentinel://siren:old-secret@"+hung(t, "127.0.0.1:0")+",sentinel.test:"+port+
		"/main?sentinelPassword=watchman", redislink.WithResolver(names.Resolver()))
	redistest.Eventually(t, "the sentinel that answers is heard", func() bool {
		return through.Ping(t.Context()) == nil
	})
}

// Nobody connects to a Redis Cluster.
func TestCluster(t *testing.T) {
	s, err := servers.StartRedis(t.Context(), servers.Options{Config: "cluster-enabled yes\n"})
	redistest.Must(t, err)
	t.Cleanup(func() { redistest.Must(t, s.Stop(context.Background())) })
	store := openWith(t, s.URL)
	err = store.Ping(t.Context())
	if !errors.Is(err, redislink.ErrCluster) || !errors.Is(err, lanes.ErrRefused) || errors.Is(err, lanes.ErrAway) {
		t.Errorf("ping: %v", err)
	}
	if err := store.Refusal(); err == nil || !strings.Contains(err.Error(), "cluster mode off") {
		t.Errorf("refusal: %v", err)
	}
}
