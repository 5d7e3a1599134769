package redis

import (
	"context"
	"fmt"
	"net"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/doctor"
)

// Examine looks at the Redis as the roles of Siren use it, with the login that this store has. It changes nothing.
func Examine(ctx context.Context, s *Store, roles ...string) []doctor.Finding {
	if err := s.Client().Ping(ctx).Err(); err != nil {
		f := doctor.Finding{
			Check: "redis.reachable", Severity: doctor.Error, What: failed("connect to Redis", err).Error(),
			Why:  "jobs run without claims and records, workers aren't seen, and nobody scales",
			Mend: "check the URL, the network on the way, and that Redis runs: redis-cli ping",
		}
		switch {
		case goredis.HasErrorPrefix(err, "NOPERM"):
			f.Mend = grantTo(s.Login(ctx), roles)
		case isRefused(err):
			f.Mend = "check user and password in the URL, and that there is such a user: ACL LIST; siren redis-acl prints those that Siren needs"
		}
		return []doctor.Finding{f}
	}
	login := s.Login(ctx)
	found := []doctor.Finding{{Check: "redis.reachable", What: fmt.Sprintf("connected as user %q", login)}, encryption(s)}
	found = append(found, factsOf(ctx, s)...)
	needed := uses(roles...)
	found = append(found, judgeRights(login, roles, try(ctx, s, append(needed, beyond(needed)...))))
	if took, err := delay(ctx, s); err == nil {
		found = append(found, judgeDelay(took))
	}
	return found
}

// ExamineClock compares this machine's clock with that of Redis, by which heartbeats and leases go.
func ExamineClock(ctx context.Context, s *Store) []doctor.Finding {
	const tries = 5
	best, ahead := time.Hour, time.Duration(0)
	for range tries { // the quickest answer is the most exact
		began := time.Now()
		there, err := s.Client().Time(ctx).Result()
		took := time.Since(began)
		if err != nil {
			return []doctor.Finding{{
				Check: "clock.here", Severity: doctor.Note, What: "Redis doesn't tell its time: " + failed("ask for the time", err).Error(),
				Why: "clocks that differ make waits and retries wrong", Mend: "see what else is said about Redis",
			}}
		}
		if took < best {
			best, ahead = took, began.Add(took/2).Sub(there)
		}
	}
	return []doctor.Finding{judgeClock(ahead, best/2)}
}

// encryption is whether the password and the records travel in the clear.
func encryption(s *Store) doctor.Finding {
	f := doctor.Finding{Check: "redis.tls", What: "the connection is encrypted (TLS)"}
	addresses, secure, err := s.Where()
	if err != nil || secure {
		return f
	}
	for _, address := range addresses {
		host, _, _ := net.SplitHostPort(address)
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			f.Severity = doctor.Note
			f.What = "the connection isn't encrypted"
			f.Why = "who can listen between here and Redis reads the password and every record"
			f.Mend = "give Redis a certificate (tls-port 6380, tls-cert-file, …), and write rediss:// in the URL"
			return f
		}
	}
	f.What = "the connection isn't encrypted, and stays on this machine"
	return f
}

// factsOf asks INFO, and CONFIG where that may be asked: managed ones often forbid it.
func factsOf(ctx context.Context, s *Store) []doctor.Finding {
	text, err := s.Client().Info(ctx).Result()
	if err != nil {
		return []doctor.Finding{{
			Check: "redis.info", Severity: doctor.Note, What: "version, eviction and persistence couldn't be looked at: " + failed("ask INFO", err).Error(),
			Why: "claims and records vanish from one that evicts", Mend: "let the user ask (ACL SETUSER … +info), or see to maxmemory-policy noeviction and appendonly yes yourself",
		}}
	}
	f := parseInfo(text)
	if c, err := s.Client().ConfigGet(ctx, "save").Result(); err == nil {
		f["save"] = c["save"]
	}
	return judgeServer(f)
}

// delay is the median time of an answer.
func delay(ctx context.Context, s *Store) (time.Duration, error) {
	var took [5]time.Duration
	for i := range took {
		began := time.Now()
		if err := s.Client().Ping(ctx).Err(); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	return max(min(took[1], took[2]), min(max(took[1], took[2]), took[3])), nil // of the middle three
}
