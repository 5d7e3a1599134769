package redislink_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

// aclConfig has users that Redis and its sentinels know.
const aclConfig = "user watch on >watch ~* &* +@all\nuser siren on >old-secret ~* &* " +
	"+@all\nrepl-diskless-sync-delay 0\n"

// startRedis starts a Redis that has aclConfig.
func startRedis(t *testing.T, config string) (*servers.Server, *goredis.Client) {
	t.Helper()
	s, err := servers.StartRedis(t.Context(), servers.Options{Config: aclConfig + config})
	redistest.Must(t, err)
	t.Cleanup(func() { redistest.Must(t, s.Stop(context.Background())) })
	return s, redistest.Raw(t, s.URL)
}

// startSentinel starts a real sentinel whose password is watchman and which knows the Redis at the URL as main.
func startSentinel(t *testing.T, master string) (address string) {
	t.Helper()
	u, err := url.Parse(master)
	redistest.Must(t, err)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	redistest.Must(t, err)
	port := free.Addr().(*net.TCPAddr).Port
	redistest.Must(t, free.Close())
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	redistest.Must(t, os.WriteFile(config, fmt.Appendf(nil, "bind 127.0.0.1\nport %d\nrequirepass "+
		"watchman\nsentinel monitor main 127.0.0.1 %s 1\n"+
		"sentinel auth-user main watch\nsentinel auth-pass main watch\n", port, u.Port()), 0o600))
	sentinel := exec.CommandContext(t.Context(), "redis-server", config, "--sentinel")
	sentinel.Dir = filepath.Dir(config)
	redistest.Must(t, sentinel.Start())
	t.Cleanup(func() { _ = sentinel.Process.Kill(); _ = sentinel.Wait() })
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// A store finds Redis through a real sentinel, follows it to another Redis, and all passwords are rotated on the way.
func TestSentinel(t *testing.T) {
	ctx := t.Context()
	first, raw := startRedis(t, "")
	u, err := url.Parse(first.URL)
	redistest.Must(t, err)
	_, other := startRedis(t, fmt.Sprintf("replicaof 127.0.0.1 %s\nmasteruser watch\nmasterauth watch\n", u.Port()))
	redistest.Eventually(t, "the replica follows", func() bool {
		role, err := raw.Do(ctx, "ROLE").Slice()
		return err == nil && len(role[2].([]any)) == 1
	})
	address := startSentinel(t, first.URL)
	sentinel := goredis.NewSentinelClient(&goredis.Options{Addr: address, Password: "watchman"})
	t.Cleanup(func() { _ = sentinel.Close() })

	file := newSecretFile(t)
	at := "redis+sentinel://127.0.0.1:1," + address + "/main?sentinelPassword="
	store := openWith(t, file.write(at+"watchman", "siren", "old-secret"), file.renew())
	redistest.Eventually(t, "the sentinel answers", func() bool { return store.Ping(ctx) == nil })
	l := jobledger.New(store, redistest.Discard)
	redistest.Claim(t, l, redistest.Delivery("before", "bulk"), "w", work.Granted)
	if raw.Exists(ctx, "siren:job:before").Val() != 1 {
		t.Error("the claim is somewhere else")
	}

	redistest.Must(t, sentinel.Process(ctx, goredis.NewStatusCmd(ctx, "ACL", "SETUSER", "default", "resetpass",
		">new-watchman")))
	for _, r := range []*goredis.Client{raw, other} {
		redistest.Must(t, r.Do(ctx, "ACL", "SETUSER", "siren", "resetpass", ">new-secret").Err())
		redistest.Must(t, r.Do(ctx, "CLIENT", "KILL", "USER", "siren").Err())
	}
	refused := func(why string) {
		t.Helper()
		if err := store.Ping(ctx); !errors.Is(err, lanes.ErrRefused) || !strings.Contains(err.Error(), why) {
			t.Errorf("%v; want ErrRefused and %q", err, why)
		}
	}
	refused("sentinel " + address + ": refused (WRONGPASS")
	file.write(at+"new-watchman", "siren", "old-secret")
	refused("WRONGPASS")
	file.write(at+"new-watchman", "siren", "new-secret")
	for _, kind := range []string{"pubsub", "normal"} {
		// what was logged in before is gone, as when a sentinel restarts
		redistest.Must(t, sentinel.Process(ctx, goredis.NewStatusCmd(ctx, "CLIENT", "KILL", "TYPE", kind, "SKIPME",
			"yes")))
	}
	redistest.Must(t, store.Ping(ctx))

	redistest.Eventually(t, "the sentinel knows the other Redis", func() bool {
		return sentinel.Failover(ctx, "main").Err() == nil
	})
	redistest.Eventually(t, "the other Redis is the master", func() bool {
		role, err := other.Do(ctx, "ROLE").Slice()
		return err == nil && role[0] == "master"
	})
	// The first one takes writes for some 8 s more, until the sentinel makes it a replica; they are lost.
	n := 0
	redistest.Eventually(t, "the store claims jobs on the other one", func() bool {
		n++
		id := fmt.Sprintf("after-%d", n)
		c, err := l.Claim(ctx, redistest.Delivery(id, "bulk"), "w", redistest.MaxCrashes)
		return err == nil && c.State == work.Granted && other.Exists(ctx, "siren:job:"+id).Val() == 1
	})
}
