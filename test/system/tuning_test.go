package system_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
)

// A tuning on a live fleet: scaler and workers follow, the fleet grows by it, and when its time is over everything is
// as the file says again, although nobody is there to see to that.
func TestTuningLive(t *testing.T) {
	s := newSite(t, `  - {name: general, lanes: [express, standard, bulk], slots: 1, min: 1, max: 3, hold: 1s}`)
	s.scaler()
	l := s.look()
	r := s.siren("", "pools", "tune", "general", "--min", "3", "--for", "1h", "--reason", "launch day")
	if r.code != 0 || !strings.Contains(r.out, "pools.general.min: 1 → 3") || !strings.Contains(r.out, "in force") {
		t.Fatalf("siren pools tune: %s", r)
	}
	least := func(n int) func(lanes.Policy) bool {
		return func(p lanes.Policy) bool { q, _ := p.Pool("general"); return q.Min == n }
	}
	if e := l.inForce("min 3", 5*time.Second, least(3)); len(e.Tunings) != 1 || e.Written().Pools[0].Min != 1 {
		t.Errorf("the policy in force doesn't tell the tuning from the file: %+v", e)
	}
	if r := s.siren("", "tunings"); !strings.Contains(r.out, "launch day") || !strings.Contains(r.out, "yes") {
		t.Errorf("siren tunings: %s", r)
	}
	size := func(n int) {
		t.Helper()
		s.await(fmt.Sprintf("%d workers", n), 40*time.Second, func() (bool, string) {
			pools, err := s.pools()
			return err == nil && pools["general"].Replicas == n && pools["general"].Ready == n && len(s.workers()) == n,
				fmt.Sprintf("%+v %v", pools, err)
		})
	}
	size(3)

	const lasts = 2 * time.Second
	began := time.Now()
	if r := s.siren("", "pools", "tune", "general", "--min", "2", "--for", lasts.String()); r.code != 0 {
		t.Fatalf("siren pools tune: %s", r)
	}
	back := l.inForce("the file's min", lasts+20*time.Second, least(1))
	if took := time.Since(began); took < lasts {
		t.Errorf("the tuning was over after %s, want it to last %s", took, lasts)
	}
	if len(back.Tunings)+len(back.Idle) > 0 {
		t.Errorf("something is left of the tuning: %+v", back)
	}
	size(1)
	l.audited(t,
		audit.Entry{Verb: "tune", On: "pools.general.min", Before: "1", After: "3"},
		audit.Entry{Verb: "tune", On: "pools.general.min", Before: "3", After: "2"},
		audit.Entry{Verb: "expire", On: "pools.general.min", Before: "2"})
}

// A Redis that loses everything doesn't drop a pause: the leading scaler gives it back from memory.
func TestFlushedRedisKeepsPause(t *testing.T) {
	s := newSite(t, oneWorker)
	s.scaler()
	l := s.look()
	if r := s.siren("", "lanes", "pause", "bulk", "--reason", "the archive is down"); r.code != 0 {
		t.Fatalf("siren lanes pause: %s", r)
	}
	bulkPaused := func(p lanes.Policy) bool { return p.Paused("bulk") }
	before := l.inForce("the pause", 5*time.Second, bulkPaused)
	clip := s.put("clip.mp4")
	waits := s.enqueue("thumbnail", "--input", clip, "--output", s.output("bulk.jpg"), "--label", "batch=true")

	o, err := goredis.ParseURL(s.redis.URL)
	s.must(err)
	raw := goredis.NewClient(o)
	defer raw.Close()
	s.must(raw.FlushAll(t.Context()).Err())

	s.await("the pause to be back", 10*time.Second, func() (bool, string) {
		now, _, err := l.tunings.Now(t.Context())
		return err == nil && now.Revision > 0 && len(now.All) == 1 && now.All[0].Reason == "the archive is down",
			fmt.Sprintf("%+v, %v", now, err)
	})
	s.await("a policy to be in force again", 10*time.Second, func() (bool, string) {
		e, err := l.board.Policy(t.Context())
		return err == nil && e.Revision >= before.Revision && bulkPaused(e.Policy), fmt.Sprintf("%+v, %v", e, err)
	})
	// What isn't paused goes on, and what is stays where it is, for as long as another job takes.
	s.completed(s.enqueue("thumbnail", "--input", clip, "--output", s.output("standard.jpg")), 30*time.Second)
	if n := s.ready(laneQueue("bulk")); n != 1 {
		t.Errorf("%d jobs wait in the paused lane, want the one that was there", n)
	}
	if r := s.siren("", "lanes", "resume", "bulk"); r.code != 0 {
		t.Errorf("siren lanes resume: %s", r)
	}
	s.completed(waits, 30*time.Second)
}
