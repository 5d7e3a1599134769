package redis_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/audit"
)

func TestAudit(t *testing.T) {
	ts, raw := freshTunings(t)
	if none, err := ts.Audit(t.Context(), time.Time{}, 10); err != nil || none == nil || len(none) != 0 {
		t.Errorf("an empty audit: %v, %v", none, err)
	}
	full := audit.Entry{
		By: "ann@desk (kube context live)", Verb: "tune", On: "lanes.express.reserve", Before: "2", After: "4",
		Reason: "election night",
		Until:  time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC(),
	}
	redistest.Must(t, ts.Note(t.Context(), full))
	redistest.Must(t, raw.XAdd(t.Context(), &goredis.XAddArgs{
		Stream: "siren:{tunings}:audit",
		Values: []any{"entry", "{"},
	}).Err())
	var notes []audit.Entry
	for i := range 1200 {
		notes = append(notes, audit.Entry{Verb: "move", Jobs: i})
	}
	time.Sleep(5 * time.Millisecond) // so that it is another millisecond
	_, err := ts.Change(t.Context(), 0, nil, nil, notes)
	redistest.Must(t, err)

	all, err := ts.Audit(t.Context(), time.Time{}, 5000)
	if err != nil || len(all) != 1201 || all[0].Jobs != 1199 {
		t.Fatalf("%d entries, %v; want 1201, the newest first", len(all), err)
	}
	first := all[1200]
	if ago := time.Since(first.At); ago < -time.Second || ago > time.Minute {
		t.Errorf("noted %s ago", ago)
	}
	full.At, full.Login = first.At, redistest.AnyRole
	if !reflect.DeepEqual(first, full) {
		t.Errorf("entry\n%+v, want\n%+v", first, full)
	}
	for _, limit := range []int{0, 7, 500, 501} {
		if some, err := ts.Audit(t.Context(), time.Time{}, limit); err != nil || !reflect.DeepEqual(some, all[:limit]) {
			t.Errorf("limited to %d: %d entries, %v", limit, len(some), err)
		}
	}
	if since, err := ts.Audit(t.Context(), all[1199].At, 5000); err != nil || len(since) != 1200 {
		t.Errorf("since the change: %d entries, %v", len(since), err)
	}
}

func TestAuditIsCapped(t *testing.T) {
	ts, raw := freshTunings(t)
	pipe := raw.Pipeline()
	for i := range 12_000 {
		pipe.XAdd(t.Context(), &goredis.XAddArgs{
			Stream: "siren:{tunings}:audit",
			Values: []any{"entry", fmt.Sprintf(`{"jobs":%d}`, i)},
		})
	}
	_, err := pipe.Exec(t.Context())
	redistest.Must(t, err)
	for name, note := range map[string]func() error{
		"note":   func() error { return ts.Note(t.Context(), audit.Entry{}) },
		"change": func() error { _, err := ts.Change(t.Context(), 0, nil, nil, []audit.Entry{{}}); return err },
	} {
		redistest.Must(t, note())
		if n := raw.XLen(t.Context(), "siren:{tunings}:audit").Val(); n < 10_000 || n > 10_200 {
			t.Errorf("%d entries kept after a %s, want about 10000", n, name)
		}
	}
}
