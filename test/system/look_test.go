package system_test

import (
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	store "github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// sight is what commands look into, for what they would show too seldom or too late.
type sight struct {
	s       *site
	board   *store.Board
	roster  *store.Roster
	tunings *store.Tunings
}

// look opens the store that the site's processes share.
func (s *site) look() *sight {
	s.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	opened, err := redislink.Open(s.redis.URL, quiet)
	s.must(err)
	s.t.Cleanup(func() { _ = opened.Close() })
	return &sight{s, store.NewBoard(opened, quiet), store.NewRoster(opened, quiet), store.NewTunings(opened, quiet)}
}

// inForce waits until the policy in force is as wanted, and every worker's heartbeat says that it follows.
func (l *sight) inForce(what string, within time.Duration, wanted func(lanes.Policy) bool) (e lanes.Effective) {
	l.s.t.Helper()
	l.s.await(what+" to be in force", within, func() (bool, string) {
		var err error
		e, err = l.board.Policy(l.s.t.Context())
		return err == nil && wanted(e.Policy), fmt.Sprintf("%+v, %v", e, err)
	})
	l.s.await("the workers to follow revision "+fmt.Sprint(e.Revision), within, func() (bool, string) {
		workers, now, err := l.roster.Workers(l.s.t.Context())
		behind := slices.ContainsFunc(workers, func(w fleet.Heartbeat) bool {
			return now.Sub(w.At) < 3*time.Second && !w.Retired && w.Revision < e.Revision
		})
		return err == nil && len(workers) > 0 && !behind, fmt.Sprintf("%+v, %v", workers, err)
	})
	return e
}

// audited checks that the audit log has entries like these, in this order; of each, Verb, On, Before and After count.
func (l *sight) audited(t *testing.T, want ...audit.Entry) {
	t.Helper()
	r := l.s.siren("", "audit", "-o", "json")
	var entries []audit.Entry
	l.s.unmarshal(r.out, &entries)
	slices.Reverse(entries) // oldest first
	for _, e := range entries {
		if e.By == "" || e.At.IsZero() {
			t.Errorf("an audit entry without who or when: %+v", e)
		}
		got := audit.Entry{Verb: e.Verb, On: e.On, Before: e.Before, After: e.After}
		if len(want) > 0 && reflect.DeepEqual(got, want[0]) {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("no audit entry, or not in its place: %+v\n%s", want[0], r.out)
	}
}
