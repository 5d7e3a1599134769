package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/test/wait"
)

// Redis is one with a replica, and three Sentinels that watch them, on loopback.
type Redis struct {
	Nodes     []*servers.Server // one of them is the primary
	Sentinels []*servers.Server
	secret    string
}

// RedisOptions says what it is like.
type RedisOptions struct {
	Dir    string        // as that of Options
	Log    *slog.Logger  // nil: nowhere
	Down   time.Duration // how long the primary must be silent to be given up; 0: 2 s
	Config string        // more of redis.conf, for the two nodes
}

const (
	masterName  = "siren"
	sentinels   = 3
	fullSyncMax = 30 * time.Second
)

// StartRedis starts all five and returns when the replica follows and the Sentinels know each other.
func StartRedis(ctx context.Context, o RedisOptions) (r *Redis, err error) {
	if o.Down == 0 {
		o.Down = 2 * time.Second
	}
	r = &Redis{secret: rand.Text()}
	if err = r.start(ctx, o); err != nil {
		return nil, errors.Join(err, r.Stop(context.WithoutCancel(ctx)))
	}
	return r, nil
}

func (r *Redis) start(ctx context.Context, o RedisOptions) error {
	run := func(name string, s servers.Options) (*servers.Server, error) {
		if s.Log, s.Secret = o.Log, r.secret; o.Dir != "" {
			s.Dir = filepath.Join(o.Dir, name)
		}
		server, err := servers.StartRedis(ctx, s)
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return server, err
	}
	config := fmt.Sprintf("masterauth %s\nrepl-diskless-sync-delay 0\nrepl-ping-replica-period 1\n%s\n",
		r.secret, o.Config)
	for i := range 2 {
		if i > 0 {
			config += fmt.Sprintf("replicaof 127.0.0.1 %s\n", portOf(r.Nodes[0]))
		}
		s, err := run(fmt.Sprintf("redis%d", i+1), servers.Options{Config: config})
		if err != nil {
			return err
		}
		r.Nodes = append(r.Nodes, s)
	}
	watch := fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %[2]s %[3]d\nsentinel auth-pass %[1]s %[4]s\n"+
		"sentinel down-after-milliseconds %[1]s %[5]d\nsentinel failover-timeout %[1]s 10000\n",
		masterName, portOf(r.Nodes[0]), sentinels/2+1, r.secret, o.Down.Milliseconds())
	for i := range sentinels {
		s, err := run(fmt.Sprintf("sentinel%d", i+1), servers.Options{Config: watch, Args: []string{"--sentinel"}})
		if err != nil {
			return err
		}
		r.Sentinels = append(r.Sentinels, s)
	}
	return wait.Until(ctx, fullSyncMax, "the Sentinels to know the replica and each other", func() (bool, error) {
		for _, s := range r.Sentinels {
			known, err := r.ask(ctx, s, func(c *goredis.SentinelClient) (map[string]string, error) {
				return c.Master(ctx, masterName).Result()
			})
			if err != nil || known["num-slaves"] != "1" || known["num-other-sentinels"] != strconv.Itoa(sentinels-1) {
				return false, err
			}
		}
		return r.followed(ctx)
	})
}

func portOf(s *servers.Server) string {
	u, err := url.Parse(s.URL)
	if err != nil {
		panic(err) // it is ours
	}
	return u.Port()
}

// ask asks a Sentinel.
func (r *Redis) ask(
	ctx context.Context, s *servers.Server, what func(*goredis.SentinelClient) (map[string]string, error),
) (map[string]string, error) {
	c := goredis.NewSentinelClient(&goredis.Options{
		Addr: net.JoinHostPort("127.0.0.1", portOf(s)), Password: r.secret,
	})
	defer func() { _ = c.Close() }()
	return what(c)
}

// do sends a command to one of the nodes.
func (r *Redis) do(ctx context.Context, s *servers.Server, command ...any) (any, error) {
	o, err := goredis.ParseURL(s.URL)
	if err != nil {
		return nil, err
	}
	o.MaxRetries, o.DialTimeout, o.ReadTimeout = -1, time.Second, time.Second
	c := goredis.NewClient(o)
	defer func() { _ = c.Close() }()
	return c.Do(ctx, command...).Result()
}

// URL returns one by which clients find the primary, whichever it is.
func (r *Redis) URL() string {
	hosts := make([]string, len(r.Sentinels))
	for i, s := range r.Sentinels {
		hosts[i] = "127.0.0.1:" + portOf(s)
	}
	return fmt.Sprintf("redis+sentinel://:%[1]s@%[2]s/%[3]s?sentinelPassword=%[1]s", r.secret, strings.Join(hosts, ","),
		masterName)
}

// Primary returns the node that the Sentinels have agreed upon, and the other one.
func (r *Redis) Primary(ctx context.Context) (primary, replica *servers.Server, err error) {
	var problems []error
	for _, s := range r.Sentinels {
		known, err := r.ask(ctx, s, func(c *goredis.SentinelClient) (map[string]string, error) {
			return c.Master(ctx, masterName).Result()
		})
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if known["port"] == portOf(r.Nodes[0]) {
			return r.Nodes[0], r.Nodes[1], nil
		}
		return r.Nodes[1], r.Nodes[0], nil
	}
	return nil, nil, errors.Join(problems...)
}

// followed reports whether there is a primary that has its replica.
func (r *Redis) followed(ctx context.Context) (bool, error) {
	primary, _, err := r.Primary(ctx)
	if err != nil {
		return false, err
	}
	role, err := r.do(ctx, primary, "ROLE")
	said, ok := role.([]any)
	if err != nil || !ok || said[0] != "master" {
		return false, nil //nolint:nilerr // it may be down, or not be the primary yet
	}
	replicas, _ := said[2].([]any)
	return len(replicas) == 1, nil
}

// Leave has the replica stop to follow: what is written from now on is lost when Failover comes.
func (r *Redis) Leave(ctx context.Context) error {
	_, replica, err := r.Primary(ctx)
	if err != nil {
		return err
	}
	if _, err = r.do(ctx, replica, "CONFIG", "SET", "masterauth", "wrong"); err == nil {
		_, err = r.do(ctx, replica, "CLIENT", "KILL", "TYPE", "master")
	}
	if err != nil {
		return fmt.Errorf("have the replica not follow: %w", err)
	}
	return nil
}

// Failover kills the primary and returns when the Sentinels have made the replica the primary. Mend brings the other
// one back.
func (r *Redis) Failover(ctx context.Context) error {
	primary, replica, err := r.Primary(ctx)
	if err != nil {
		return err
	}
	if err := primary.Kill(); err != nil {
		return err
	}
	return wait.Until(ctx, time.Minute, "the replica to be the primary", func() (bool, error) {
		now, _, err := r.Primary(ctx)
		if err != nil || now != replica {
			return false, err
		}
		role, err := r.do(ctx, replica, "ROLE")
		said, ok := role.([]any)
		return err == nil && ok && said[0] == "master", nil
	})
}

// Mend has both nodes run, and one follow the other.
func (r *Redis) Mend(ctx context.Context) error {
	for _, n := range r.Nodes {
		if err := r.mend(ctx, n); err != nil {
			return err
		}
	}
	return wait.Until(ctx, time.Minute, "a replica to follow the primary", func() (bool, error) {
		return r.followed(ctx)
	})
}

func (r *Redis) mend(ctx context.Context, n *servers.Server) error {
	select {
	case <-n.Done():
		if err := n.Restart(ctx); err != nil {
			return err
		}
	default:
		if err := n.Signal(syscall.SIGCONT); err != nil {
			return err
		}
	}
	_, err := r.do(ctx, n, "CONFIG", "SET", "masterauth", r.secret)
	return err
}

// Stop ends all five.
func (r *Redis) Stop(ctx context.Context) error {
	var problems []error
	for _, list := range [][]*servers.Server{r.Sentinels, r.Nodes} {
		for _, s := range list {
			problems = append(problems, s.Kill(), s.Stop(ctx))
		}
	}
	return errors.Join(problems...)
}
