package fleet

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Known is what is known before the fleet is asked.
type Known struct {
	Version string           // of this program
	InForce *lanes.Effective // nil: no policy is
	File    *lanes.Policy    // nil: none was given
	Wrong   error            // why the file that was given can't be used
}

// facts is what is known of the running fleet.
type facts struct {
	Known
	now       time.Time // by Redis' clock
	snapshot  *fleet.Snapshot
	workers   []fleet.Heartbeat
	missing   int            // jobs
	missingIn map[string]int // by lane
}

// Examine reads what the fleet tells of itself; a nil store: it isn't known where.
func Examine(ctx context.Context, s *redislink.Store, k Known) []doctor.Finding {
	f := facts{Known: k}
	if s == nil {
		return append(judgeFile(f), leader.Note("not looked at: nothing says where Redis is", unseen,
			"set SIREN_REDIS_URL"))
	}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if f.workers, f.now, err = redis.NewRoster(s, quiet).Workers(ctx); err == nil {
		var last fleet.Snapshot
		if last, err = redis.NewBoard(s, quiet).Snapshot(ctx); err == nil {
			f.snapshot = &last
		}
	}
	if err != nil && !errors.Is(err, redislink.ErrNotFound) {
		return append(judgeFile(f), judgeUnseen(err))
	}
	if f.missing, f.missingIn, err = jobledger.New(s, quiet).CountMissing(ctx); err != nil {
		f.missing = 0 // Redis has just gone: what is said of it says so
	}
	return judgeFleet(f)
}

// Clocks compares the clocks of the workers with that of Redis.
func Clocks(ctx context.Context, s *redislink.Store) []doctor.Finding {
	workers, _, err := redis.NewRoster(s, slog.New(slog.DiscardHandler)).Workers(ctx)
	if err != nil {
		return nil
	}
	return judgeClocks(workers)
}
