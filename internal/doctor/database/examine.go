package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/internal/redis/redislink"
)

// Examine looks at the Redis as the roles of Siren use it, with the login that the store has.
func Examine(ctx context.Context, s *redislink.Store, roles ...string) []doctor.Finding {
	took, err := measureDelay(ctx, s)
	if errors.Is(err, redislink.ErrCluster) {
		return []doctor.Finding{judgeCluster()}
	}
	if err != nil {
		login := ""
		if strings.Contains(err.Error(), "NOPERM") {
			login = s.Login(ctx)
		}
		return []doctor.Finding{judgeUnreachable(err, login, roles)}
	}
	login := s.Login(ctx)
	found := []doctor.Finding{
		doctor.Check("redis.reachable").OK(fmt.Sprintf("connected as user %q", login)), judgeEncryption(s.Where()),
	}
	if info, err := askInfo(ctx, s); err != nil {
		found = append(found, judgeSilent(err))
	} else {
		found = append(found, judgeServer(info)...)
	}
	needed := access.Uses(roles...)
	found = append(found, judgeRights(login, roles, try(ctx, s, append(needed, beyond(needed)...))))
	return append(found, judgeDelay(took))
}

// Clock compares this machine's clock with that of Redis, by which heartbeats and leases go.
func Clock(ctx context.Context, s *redislink.Store) doctor.Finding {
	ahead, doubt, err := clockOffset(ctx, s)
	if err != nil {
		return clock.Note("Redis doesn't tell its time: "+err.Error(),
			"clocks that differ make waits and retries wrong",
			"see the other findings on Redis")
	}
	return judgeClock(ahead, doubt)
}
