package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
)

// Examine looks at the Redis as Siren uses it. It writes keys of its own only, siren:doctor:…, which are gone when it returns.
func (s *Store) Examine(ctx context.Context) []lanes.Finding {
	if err := s.client.Ping(ctx).Err(); err != nil {
		f := lanes.Finding{
			Check: "redis.reachable", Severity: lanes.Error, What: failed("connect to Redis", err).Error(),
			Why:  "jobs run without claims and records, workers aren't seen, and nobody scales",
			Mend: "check the URL and its password, the network on the way, and that Redis runs: redis-cli ping",
		}
		if goredis.HasErrorPrefix(err, "NOPERM") {
			f.Mend = grant(s.user(ctx))
		}
		return []lanes.Finding{f}
	}
	found := []lanes.Finding{{Check: "redis.reachable", What: fmt.Sprintf("connected as user %q", s.user(ctx))}, s.encryption()}
	found = append(found, s.facts(ctx)...)
	refused, other := s.tryCommands(ctx)
	found = append(found, judgeRights(s.user(ctx), refused, other))
	if took, err := s.delay(ctx); err == nil {
		found = append(found, judgeDelay(took))
	}
	return found
}

// ExamineClock compares this machine's clock with that of Redis, by which heartbeats and leases go.
func (s *Store) ExamineClock(ctx context.Context) []lanes.Finding {
	const tries = 5
	best, ahead := time.Hour, time.Duration(0)
	for range tries { // the quickest answer is the most exact
		began := time.Now()
		there, err := s.client.Time(ctx).Result()
		took := time.Since(began)
		if err != nil {
			return []lanes.Finding{{
				Check: "clock.here", Severity: lanes.Note, What: "Redis doesn't tell its time: " + failed("ask for the time", err).Error(),
				Why: "clocks that differ make waits and retries wrong", Mend: "see what else is said about Redis",
			}}
		}
		if took < best {
			best, ahead = took, began.Add(took/2).Sub(there)
		}
	}
	return []lanes.Finding{judgeClock(ahead, best/2)}
}

// encryption is whether the password and the records travel in the clear.
func (s *Store) encryption() lanes.Finding {
	f := lanes.Finding{Check: "redis.tls", What: "the connection is encrypted (TLS)"}
	at, err := s.remote.now()
	if err != nil || at.secure {
		return f
	}
	for _, address := range at.addrs {
		host, _, _ := net.SplitHostPort(address)
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			f.Severity = lanes.Note
			f.What = "the connection isn't encrypted"
			f.Why = "who can listen between here and Redis reads the password and every record"
			f.Mend = "give Redis a certificate (tls-port 6380, tls-cert-file, …), and write rediss:// in the URL"
			return f
		}
	}
	f.What = "the connection isn't encrypted, and stays on this machine"
	return f
}

// user is whom Redis takes us for.
func (s *Store) user(ctx context.Context) string {
	if name, err := s.client.Do(ctx, "ACL", "WHOAMI").Text(); err == nil {
		return name
	}
	if at, err := s.remote.now(); err == nil && at.user != "" {
		return at.user
	}
	return "default"
}

// facts asks INFO, and CONFIG where that may be asked: managed ones often forbid it.
func (s *Store) facts(ctx context.Context) []lanes.Finding {
	text, err := s.client.Info(ctx).Result()
	if err != nil {
		return []lanes.Finding{{
			Check: "redis.info", Severity: lanes.Note, What: "version, eviction and persistence couldn't be looked at: " + failed("ask INFO", err).Error(),
			Why: "claims and records vanish from one that evicts", Mend: "let the user ask (ACL SETUSER … +info), or see to maxmemory-policy noeviction and appendonly yes yourself",
		}}
	}
	f := parseInfo(text)
	if c, err := s.client.ConfigGet(ctx, "save").Result(); err == nil {
		f["save"] = c["save"]
	}
	return judgeServer(f)
}

// delay is the median time of an answer.
func (s *Store) delay(ctx context.Context) (time.Duration, error) {
	var took [5]time.Duration
	for i := range took {
		began := time.Now()
		if err := s.client.Ping(ctx).Err(); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	return max(min(took[1], took[2]), min(max(took[1], took[2]), took[3])), nil // of the middle three
}

// timeSource is the script that is tried: Siren's take their time from Redis too.
const timeSource = "return redis.call('TIME')[1]"

var timeScript = goredis.NewScript(timeSource)

// commands is a use of each command of Siren's, in its scripts and outside of them, on keys that begin with the given name.
func commands(key string) [][]any {
	hash, text, set, sorted, stream := key+":hash", key+":text", key+":set", key+":sorted", key+":stream"
	return [][]any{
		{"HSET", hash, "a", 1},
		{"HSETNX", hash, "a", 1},
		{"HMGET", hash, "a"},
		{"HGETALL", hash},
		{"HINCRBY", hash, "a", 1},
		{"HDEL", hash, "b"},
		{"PERSIST", hash},
		{"PEXPIRE", hash, 60_000},
		{"SET", text, "a", "PX", 60_000},
		{"GET", text},
		{"SADD", set, "a"},
		{"SMEMBERS", set},
		{"ZADD", sorted, 1, "a"},
		{"ZRANGE", sorted, 0, 0},
		{"ZCARD", sorted},
		{"ZCOUNT", sorted, 0, 1},
		{"ZREMRANGEBYSCORE", sorted, 2, 3},
		{"ZRANGEBYSCORE", sorted, 0, 1},
		{"ZREM", sorted, "b"},
		{"ZPOPMIN", sorted},
		{"XADD", stream, "MAXLEN", "~", 10, "*", "a", 1},
		{"XRANGE", stream, "-", "+", "COUNT", 1},
		{"XREVRANGE", stream, "+", "-", "COUNT", 1},
		{"PUBLISH", key, "a"},
		{"TIME"},
		{"EVAL", timeSource, 1, hash},
		{"EVALSHA", timeScript.Hash(), 1, hash},
		{"DEL", hash, text, set, sorted, stream},
	}
}

// tryCommands uses each command once, and returns those that the user may not use, and how others failed.
func (s *Store) tryCommands(ctx context.Context) (refused []string, other map[string]error) {
	key := "siren:doctor:" + strings.ToLower(rand.Text()[:10])
	other = map[string]error{}
	note := func(name string, err error) {
		switch {
		case err == nil, errors.Is(err, goredis.Nil), goredis.HasErrorPrefix(err, "NOSCRIPT"): // allowed
		case goredis.HasErrorPrefix(err, "NOPERM"):
			refused = append(refused, name)
		default:
			other[name] = explain(err)
		}
	}
	for _, args := range commands(key) {
		note(fmt.Sprint(args[0]), s.client.Do(ctx, args...).Err())
	}
	p := s.client.Subscribe(ctx, key)
	_, err := p.Receive(ctx)
	note("SUBSCRIBE", err)
	_ = p.Close()
	return refused, other
}
