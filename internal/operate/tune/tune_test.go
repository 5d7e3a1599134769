package tune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
)

// desk makes a desk on a Redis of its own, where the policy of `siren up` is in force and no scaler runs.
func desk(t *testing.T) (*Desk, *redis.Tunings) {
	t.Helper()
	server, err := servers.StartRedis(t.Context(), servers.Options{})
	must(t, err)
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	log := slog.New(slog.DiscardHandler)
	store, err := redislink.Open(server.URL, log)
	must(t, err)
	t.Cleanup(func() { _ = store.Close() })
	text, err := os.ReadFile("../../../cmd/siren/runcmd/local.yaml")
	must(t, err)
	p, err := lanes.Parse([]byte(strings.ReplaceAll(string(text), "@PREFIX@", "file:///media/")))
	must(t, err)
	board, tunings := redis.NewBoard(store, log), redis.NewTunings(store, log)
	_, err = board.PublishPolicy(t.Context(), lanes.Effective{Policy: *p})
	must(t, err)
	return &Desk{Tunings: tunings, Board: board, Roster: redis.NewRoster(store, log)}, tunings
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// together makes everybody wait until all have come.
func together(n int) (arrive func()) {
	var all sync.WaitGroup
	all.Add(n)
	return func() {
		all.Done()
		all.Wait()
	}
}

// setBy makes a change of one field by somebody, who looks when all others look, too.
func setBy(d *Desk, by, field, value string, look func()) error {
	var once sync.Once
	set := func(state) (set, remove []lanes.Tuning, err error) {
		once.Do(look)
		return []lanes.Tuning{{Field: field, Value: json.RawMessage(value), By: by, Reason: "by " + by}}, nil, nil
	}
	_, err := d.change(context.Background(), Terms{}, []string{field}, set)
	return err
}

// Of those who tune the same field at the very same time one wins. Each of the others is told who, and what there is
// now.
func TestTheSameFieldAtOnce(t *testing.T) {
	d, tunings := desk(t)
	const operators = 24
	for round := range 5 {
		arrive := together(operators)
		errs := make([]error, operators)
		var all sync.WaitGroup
		for i := range operators {
			all.Go(func() {
				errs[i] = setBy(d, fmt.Sprintf("op-%d-%d", round, i), "pools.general.max", fmt.Sprint(100+i), arrive)
			})
		}
		all.Wait()
		now, _, err := tunings.Now(t.Context())
		must(t, err)
		if now.Revision != int64(round+1) || len(now.All) != 1 {
			t.Fatalf("round %d: %+v, want one change in each round", round, now)
		}
		winner := now.All[0]
		for i, err := range errs {
			by := fmt.Sprintf("op-%d-%d", round, i)
			switch {
			case by == winner.By && err == nil:
			case by == winner.By || err == nil:
				t.Errorf("%s got %v, but %s has won", by, err, winner.By)
			case !errors.Is(err, operate.Conflict):
				t.Errorf("%s got %v, want a conflict", by, err)
			case !strings.Contains(err.Error(), fmt.Sprintf("%s has set it to %s (by %s)", winner.By, winner.Spelled(),
				winner.By)):
				t.Errorf("%s is told %q, not that %s has set it to %s", by, err, winner.By, winner.Spelled())
			}
		}
	}
	wantChain(t, tunings, "pools.general.max", 5)
}

// wantChain expects so many tune entries of a field in the audit log, each of which began where the one before had
// ended.
func wantChain(t *testing.T, tunings *redis.Tunings, field string, want int) {
	t.Helper()
	entries, err := tunings.Audit(t.Context(), time.Time{}, 1000)
	must(t, err)
	found, next := 0, ""
	for _, e := range entries {
		if e.On != field {
			continue
		}
		if found > 0 && e.After != next {
			t.Errorf("%s was set from %s on, after it had been set to %s", field, next, e.After)
		}
		found, next = found+1, e.Before
	}
	if found != want {
		t.Errorf("%d entries of %s in the audit log, want %d", found, field, want)
	}
}

// Those who come one after the other all win, each over the one before: nobody's value is lost unsaid.
func TestTheSameFieldInDisorder(t *testing.T) {
	d, tunings := desk(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 40 {
		all.Go(func() {
			if setBy(d, fmt.Sprintf("op-%d", i), "budget", fmt.Sprint(10+i), func() {}) == nil {
				mu.Lock()
				defer mu.Unlock()
				won++
			}
		})
	}
	all.Wait()
	if won == 0 {
		t.Error("nobody has won")
	}
	wantChain(t, tunings, "budget", won)
}

// Those who tune different fields at once don't hinder each other.
func TestDifferentFieldsAtOnce(t *testing.T) {
	d, tunings := desk(t)
	values := map[string]string{
		"budget": "9", "pools.general.max": "5", "pools.general.frozen": "true", "pools.batch.hold": `"1m"`,
		"pools.batch.frozen":    "true",
		"lanes.express.reserve": "2", "lanes.standard.paused": "true", "lanes.bulk.paused": "true",
		"lanes.bulk.promote":         "null",
		"lanes.standard.startWithin": `"1m"`, "lanes.bulk.maxRuntime": `"5m"`, "lanes.express.startWithin": `"3s"`,
	}
	arrive := together(len(values))
	var all sync.WaitGroup
	for field, value := range values {
		all.Go(func() {
			if err := setBy(d, "op-"+field, field, value, arrive); err != nil {
				t.Errorf("%s: %v", field, err)
			}
		})
	}
	all.Wait()
	now, _, err := tunings.Now(t.Context())
	must(t, err)
	if len(now.All) != len(values) || now.Revision != int64(len(values)) {
		t.Errorf("%d tunings at revision %d, want %d", len(now.All), now.Revision, len(values))
	}
	for _, tuning := range now.All {
		if string(tuning.Value) != values[tuning.Field] {
			t.Errorf("%s is %s, want %s", tuning.Field, tuning.Value, values[tuning.Field])
		}
	}
}

// One who sets what another removes at the same time is told so.
func TestRemovedMeanwhile(t *testing.T) {
	d, _ := desk(t)
	must(t, setBy(d, "ann", "budget", "9", func() {}))
	err := setBy(d, "bob", "budget", "8", func() {
		_, err := d.Remove(t.Context(), Terms{}, "budget")
		must(t, err)
	})
	if err == nil || !strings.Contains(err.Error(),
		"budget was changed meanwhile: its tuning to 9 by ann was removed; nothing of yours is in force") {
		t.Error(err)
	}
	err = setBy(d, "bob", "budget", "8", func() { must(t, setBy(d, "ann", "lanes.bulk.paused", "true", func() {})) })
	if err != nil {
		t.Errorf("another field was changed meanwhile: %v", err)
	}
}
