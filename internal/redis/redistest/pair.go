package redistest

import (
	"context"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis/redislink"
)

// Pair is a Redis and its replica, for a test that has the replica promoted without the latest writes.
type Pair struct {
	Master, Replica *servers.Server
	Promoted        *goredis.Client // of the replica
	at              atomic.Pointer[string]
}

// StartPair starts a Redis and a replica that follows it.
func StartPair(t *testing.T) *Pair {
	t.Helper()
	start := func(config string) *servers.Server {
		s, err := servers.StartRedis(t.Context(), servers.Options{Config: "repl-diskless-sync-delay 0\n" + config})
		Must(t, err)
		t.Cleanup(func() { Must(t, s.Stop(context.Background())) })
		return s
	}
	p := &Pair{Master: start("")}
	u, err := url.Parse(p.Master.URL)
	Must(t, err)
	password, _ := u.User.Password()
	p.Replica = start(fmt.Sprintf("replicaof %s %s\nmasterauth %s\n", u.Hostname(), u.Port(), password))
	p.Promoted = Raw(t, p.Replica.URL)
	p.at.Store(&p.Master.URL)
	return p
}

// Open opens a store that finds whichever of the two is the master, as sentinels would say.
func (p *Pair) Open(t *testing.T) *redislink.Store {
	t.Helper()
	s, err := redislink.Open(p.Master.URL, Discard, redislink.WithRenew(func() (string, error) {
		return *p.at.Load(), nil
	}))
	Must(t, err)
	t.Cleanup(func() { Must(t, s.Close()) })
	return s
}

// Cut ends the replication once the replica has all that was written: what is written from now on is lost.
func (p *Pair) Cut(t *testing.T) {
	t.Helper()
	ctx, master := t.Context(), Raw(t, p.Master.URL)
	Eventually(t, "the replica follows", func() bool {
		role, err := p.Promoted.Do(ctx, "ROLE").Slice()
		return err == nil && role[3] == "connected"
	})
	Must(t, master.Set(ctx, "cut", "here", 0).Err())
	Eventually(t, "the replica has all", func() bool { return p.Promoted.Get(ctx, "cut").Val() == "here" })
	Must(t, p.Promoted.ReplicaOf(ctx, "127.0.0.1", "1").Err()) // nobody is there
}

// FailOver kills the master and promotes the replica.
func (p *Pair) FailOver(t *testing.T) {
	t.Helper()
	Must(t, p.Master.Kill())
	Must(t, p.Promoted.ReplicaOf(t.Context(), "NO", "ONE").Err())
	p.at.Store(&p.Replica.URL)
}
