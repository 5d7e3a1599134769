package jobledger_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// waiting returns what the ledger says of one lane.
func waiting(t *testing.T, l *jobledger.Ledger, lane string, since time.Time) fleet.Waiting {
	t.Helper()
	all, err := l.Waiting(t.Context(), map[string]time.Time{lane: since})
	redistest.Must(t, err)
	return all[lane]
}

func ready(id, lane string, at time.Time) work.Delivery {
	d := redistest.Delivery(id, lane)
	d.EnqueuedAt, d.ReadyAt = at, at
	return d
}

// create makes records without a message, as a producer that is killed before it publishes does.
func create(t *testing.T, l *jobledger.Ledger, jobs ...work.Delivery) []bool {
	t.Helper()
	made, err := l.CreateAll(t.Context(), jobs)
	redistest.Must(t, err)
	return made
}

func TestWaiting(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	now := time.Now().Truncate(time.Millisecond)
	create(t, l, ready("a", "bulk", now.Add(-time.Hour)), ready("b", "bulk", now.Add(-time.Minute)),
		ready("c", "bulk", now))
	if w, want := waiting(t, l, "bulk", time.Time{}), (fleet.Waiting{
		Queued: 3,
		Oldest: now.Add(-time.Hour).UTC(),
	}); w != want {
		t.Errorf("%+v, want %+v", w, want)
	}
	if w := waiting(t, l, "bulk", now.Add(-30*time.Minute)); !w.Oldest.Equal(now.Add(-time.Minute)) {
		t.Errorf("oldest since then is of %s, not b's", w.Oldest)
	}
	if w := waiting(t, l, "express", time.Time{}); w != (fleet.Waiting{}) {
		t.Errorf("an empty lane: %+v", w)
	}
}

// What was cancelled, moved or retried leaves a message that is skipped when it comes up.
func TestSkips(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	from := []job.State{job.Queued, job.Retrying}
	move := func(t *testing.T, l *jobledger.Ledger, id string) {
		t.Helper()
		_, err := l.Supersede(t.Context(), jobledger.Supersede{
			ID: id, Lane: "express", ReadyAt: now, Copy: 1,
			From: from,
		})
		redistest.Must(t, err)
	}
	cancel := func(t *testing.T, l *jobledger.Ledger, id string) {
		t.Helper()
		_, err := l.Cancel(t.Context(), id)
		redistest.Must(t, err)
	}
	retrying := func(t *testing.T, l *jobledger.Ledger, id string, next time.Time) {
		t.Helper()
		c := redistest.Claim(t, l, ready(id, "bulk", now.Add(-time.Minute)), "w", work.Granted)
		redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Retrying, NextAt: next}))
	}
	for _, c := range []struct {
		name string
		want int // in lane bulk
		do   func(*testing.T, *jobledger.Ledger)
	}{
		{"waits", 0, func(*testing.T, *jobledger.Ledger) {}},
		{"cancelled", 1, func(t *testing.T, l *jobledger.Ledger) { cancel(t, l, "a") }},
		{"moved", 1, func(t *testing.T, l *jobledger.Ledger) { move(t, l, "a") }},
		{"moved, and its copy was faster than the ledger", 1, func(t *testing.T, l *jobledger.Ledger) {
			d := ready("a", "express", now)
			d.Copy = 1
			redistest.Claim(t, l, d, "w", work.Granted)
		}},
		{"moved and cancelled", 1, func(t *testing.T,
			l *jobledger.Ledger,
		) {
			move(t, l, "a")
			cancel(t, l, "a")
		}},
		{"cancelled while it waits for its next attempt", 1, func(t *testing.T, l *jobledger.Ledger) {
			retrying(t, l, "a", now.Add(-time.Second))
			cancel(t, l, "a")
		}},
		{"its next attempt isn't due", 0, func(t *testing.T, l *jobledger.Ledger) {
			retrying(t, l, "a", now.Add(time.Hour))
			cancel(t, l, "a")
		}},
		{"cancelled while it runs", 0, func(t *testing.T, l *jobledger.Ledger) {
			redistest.Claim(t, l, ready("a", "bulk", now), "w", work.Granted)
			cancel(t, l, "a")
		}},
		{"cancelled, and its message came up", 0, func(t *testing.T, l *jobledger.Ledger) {
			cancel(t, l, "a")
			redistest.Claim(t, l, ready("a", "bulk", now), "w", work.Settled)
		}},
		{"cancelled, and somebody dropped its message", 0, func(t *testing.T, l *jobledger.Ledger) {
			cancel(t, l, "a")
			redistest.Must(t, l.Gone(t.Context(), "bulk", []work.Delivery{ready("a", "bulk", now)}))
		}},
		{"cancelled, and the lane was empty since", 0, func(t *testing.T, l *jobledger.Ledger) {
			cancel(t, l, "a")
			waiting(t, l, "bulk", now)
		}},
		{"cancelled, and the lane was empty before", 1, func(t *testing.T, l *jobledger.Ledger) {
			cancel(t, l, "a")
			waiting(t, l, "bulk", now.Add(-2*time.Minute))
		}},
		{"missing and cancelled: it has no message", 0, func(t *testing.T, l *jobledger.Ledger) {
			if n, err := l.Compare(t.Context(), "bulk", time.Now().Add(time.Second), nil); n != 1 || err != nil {
				t.Fatalf("%d missing, %v", n, err)
			}
			cancel(t, l, "a")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, _ := redistest.FreshLedger(t)
			create(t, l, ready("a", "bulk", now.Add(-time.Minute)))
			c.do(t, l)
			if w := waiting(t, l, "bulk", time.Time{}); w.Skipped != c.want {
				t.Errorf("%+v, want %d to be skipped", w, c.want)
			}
		})
	}
}

// lose marks the queued jobs of a lane as missing.
func lose(t *testing.T, l *jobledger.Ledger, lane string, want int) {
	t.Helper()
	if n, err := l.Compare(t.Context(), lane, time.Now().Add(time.Second), nil); err != nil || n != want {
		t.Fatalf("%d missing, %v; want %d", n, err, want)
	}
}

func TestMissing(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	create(t, l, redistest.Delivery("a", "bulk"), redistest.Delivery("b", "bulk"), redistest.Delivery("c", "express"))
	for _, c := range []struct {
		name   string
		before time.Time
		held   map[string]bool
	}{
		{"queued since then", time.Now().Add(-time.Minute), nil},
		{"nobody knows when the queue was empty", time.Time{}, nil},
		{"workers have their messages", time.Now().Add(time.Minute), map[string]bool{"a": true, "b": true}},
	} {
		if n, err := l.Compare(t.Context(), "bulk", c.before, c.held); err != nil || n != 0 {
			t.Errorf("%s: %d missing, %v", c.name, n, err)
		}
	}
	lose(t, l, "bulk", 2)
	r := redistest.Get(t, l, "a")
	if ttl := raw.PTTL(t.Context(), "siren:job:a").Val(); r.State != job.Missing || !r.State.Final() ||
		r.EndedAt.IsZero() || ttl <= 0 {
		t.Errorf("%+v, expires in %s", r, ttl)
	}
	if r := redistest.Get(t, l, "c"); r.State != job.Queued {
		t.Errorf("of another lane: %s", r.State)
	}
	if n, by, err := l.CountMissing(t.Context()); err != nil || n != 2 || by["bulk"] != 2 {
		t.Errorf("%d missing, %v, %v", n, by, err)
	}
	if w := waiting(t, l, "bulk", time.Time{}); w.Queued != 0 {
		t.Errorf("%+v", w)
	}
	for r, err := range l.Watch(t.Context(), "b") {
		if err != nil || r.State != job.Missing {
			t.Errorf("whoever waits for it is told %s, %v", r.State, err)
		}
	}
}

// Nothing that was confirmed is lost by taking it for missing: its message runs it, once.
func TestMissingTurnsUp(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	create(t, l, redistest.Delivery("a", "bulk"))
	lose(t, l, "bulk", 1)
	c := redistest.Claim(t, l, redistest.Delivery("a", "bulk"), "w", work.Granted)
	redistest.Claim(t, l, redistest.Delivery("a", "bulk"), "other", work.HeldByLive)
	if ttl := raw.PTTL(t.Context(), "siren:job:a").Val(); ttl != -1 {
		t.Errorf("its record expires in %s while it runs", ttl)
	}
	if r := redistest.Get(t, l, "a"); !c.First || r.State != job.Running || !r.EndedAt.IsZero() {
		t.Errorf("%+v, first %v", r, c.First)
	}
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Completed}))
	redistest.Claim(t, l, redistest.Delivery("a", "bulk"), "other", work.Settled)
	if n, _, err := l.CountMissing(t.Context()); err != nil || n != 0 {
		t.Errorf("%d missing, %v", n, err)
	}
}

// A job that ran while its worker couldn't reach Redis was never missing.
func TestMissingEndsUnclaimed(t *testing.T) {
	for _, state := range []job.State{job.Completed, job.Retrying, job.Dead} {
		l, raw := redistest.FreshLedger(t)
		create(t, l, redistest.Delivery("a", "bulk"))
		lose(t, l, "bulk", 1)
		redistest.Must(t, l.Close(t.Context(), work.Claim{State: work.Unclaimed, JobID: "a", Attempts: 1},
			work.Outcome{State: state, NextAt: time.Now()}))
		if r, ttl := redistest.Get(t, l, "a"), raw.PTTL(t.Context(), "siren:job:a").Val(); r.State != state ||
			(ttl > 0) != state.Final() {
			t.Errorf("%s, expires in %s; want %s", r.State, ttl, state)
		}
		if n := raw.ZCard(t.Context(), "siren:missing").Val(); n != 0 {
			t.Errorf("%s: %d are missing", state, n)
		}
	}
}

func TestMissingIsEnqueuedAgain(t *testing.T) {
	t.Run("by a person", func(t *testing.T) {
		l, raw := redistest.FreshLedger(t)
		create(t, l, redistest.Delivery("a", "bulk"))
		lose(t, l, "bulk", 1)
		_, err := l.Supersede(t.Context(), jobledger.Supersede{
			ID: "a", Lane: "bulk", ReadyAt: time.Now(), Copy: 1,
			From: []job.State{job.Missing},
		})
		redistest.Must(t, err)
		if r, ttl := redistest.Get(t, l, "a"), raw.PTTL(t.Context(), "siren:job:a").Val(); r.State != job.Queued ||
			ttl != -1 || redistest.Ahead(t, l, "a") != 0 {
			t.Errorf("%+v, expires in %s", r, ttl)
		}
		if w := waiting(t, l, "bulk", time.Time{}); w.Queued != 1 || w.Skipped != 0 {
			t.Errorf("%+v", w)
		}
	})
	t.Run("by its producer", func(t *testing.T) {
		l, raw := redistest.FreshLedger(t)
		create(t, l, redistest.Delivery("a", "bulk"))
		_, err := l.Supersede(t.Context(), jobledger.Supersede{
			ID: "a", Lane: "bulk", ReadyAt: time.Now(), Copy: 1,
			From: []job.State{job.Queued},
		})
		redistest.Must(t, err)
		lose(t, l, "bulk", 1)
		if made := create(t, l, redistest.Delivery("a", "bulk")); !made[0] {
			t.Error("its producer is told that it is known, and may never run")
		}
		if ttl := raw.PTTL(t.Context(), "siren:job:a").Val(); ttl != -1 {
			t.Errorf("expires in %s", ttl)
		}
		// the message has number 0, as every producer's
		redistest.Claim(t, l, redistest.Delivery("a", "bulk"), "w", work.Granted)
	})
	t.Run("before it was found missing", func(t *testing.T) {
		l, raw := redistest.FreshLedger(t)
		create(t, l, redistest.Delivery("a", "bulk"))
		long := time.Now().Add(-time.Hour)
		redistest.Must(t, raw.HSet(t.Context(), "siren:job:a", "since", long.UnixMilli()).Err())
		if made := create(t, l, redistest.Delivery("a", "bulk")); made[0] {
			t.Error("it was there already")
		}
		if n, err := l.Compare(t.Context(), "bulk", time.Now().Add(-time.Minute), nil); err != nil || n != 0 {
			t.Errorf("%d missing, %v: its producer is publishing it", n, err)
		}
	})
}

func TestMissingJobsKeyBindsNobody(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	first, second := redistest.Delivery("a", "bulk"), redistest.Delivery("b", "bulk")
	first.Job.DedupKey, second.Job.DedupKey = "k", "k"
	reserve := func(want string) {
		t.Helper()
		r, err := l.Reserve(t.Context(), []job.Job{second.Job})
		redistest.Must(t, err)
		if r[0].First != want {
			t.Errorf("the first with the key is %s, want %s", r[0].First, want)
		}
	}
	_, err := l.Reserve(t.Context(), []job.Job{first.Job})
	redistest.Must(t, err)
	create(t, l, first)
	redistest.Must(t, l.KeepKeys(t.Context(), []job.Job{first.Job}))
	reserve("a")
	lose(t, l, "bulk", 1)
	reserve("b")
	create(t, l, second)
	redistest.Must(t, l.KeepKeys(t.Context(), []job.Job{second.Job}))
	_, err = l.Supersede(t.Context(), jobledger.Supersede{
		ID: "a", Lane: "bulk", ReadyAt: time.Now(), Copy: 1,
		From: []job.State{job.Missing},
	})
	redistest.Must(t, err)
	redistest.Claim(t, l, second, "w", work.Granted) // b stays
	lose(t, l, "bulk", 1)
	reserve("b")
}

// Jobs that a process of an older version has queued are listed by the leading scaler.
func TestEnlist(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	redistest.Fill(t, l, 1200)
	_, err := l.Cancel(t.Context(), "job-004")
	redistest.Must(t, err)
	for i := range 1200 {
		redistest.Must(t, raw.HDel(t.Context(), fmt.Sprintf("siren:job:job-%03d", i), "since").Err())
	}
	redistest.Must(t, raw.Del(t.Context(), "siren:queued:express", "siren:queued:standard", "siren:queued:bulk").Err())
	for _, want := range []int{1199, 0} {
		if n, err := l.Enlist(t.Context()); err != nil || n != want {
			t.Errorf("listed %d, %v; want %d", n, err, want)
		}
	}
	if w := waiting(t, l, "standard", time.Time{}); w.Queued != 399 || redistest.Ahead(t, l, "job-013") != 3 {
		t.Errorf("%+v, %d before job-013", w, redistest.Ahead(t, l, "job-013"))
	}
}

// TestIndexesAreWhatTheRecordsSay makes random moves and compares: whatever happens to jobs, the indexes of waiting
// and running jobs are those that the records make.
func TestIndexesAreWhatTheRecordsSay(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	names := []string{"express", "standard", "bulk"}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	claims := map[string]work.Claim{}
	for step := range 1500 {
		id := fmt.Sprint(r.IntN(12))
		lane := names[r.IntN(3)]
		d := ready(id, lane, time.Now().Add(-time.Duration(r.IntN(1000))*time.Second))
		d.Job.Priority, d.Copy = r.IntN(lanes.MaxPriority+1), r.IntN(4)
		record, _ := l.Get(t.Context(), id)
		switch r.IntN(10) {
		case 0:
			d.Copy = 0
			create(t, l, d)
		case 1:
			_ = l.Withdraw(t.Context(), id)
		case 2, 3:
			if c, err := l.Claim(t.Context(), d, "w", redistest.MaxCrashes); err == nil && c.State == work.Granted {
				claims[id] = c
			}
		case 4, 5:
			c, ok := claims[id]
			if !ok || r.IntN(4) == 0 {
				c = work.Claim{State: work.Unclaimed, JobID: id, Attempts: 1}
			}
			ends := []job.State{job.Completed, job.Retrying, job.Dead, job.Queued, job.Cancelled}
			_ = l.Close(t.Context(), c, work.Outcome{State: ends[r.IntN(len(ends))], NextAt: time.Now()})
			delete(claims, id)
		case 6:
			_, _ = l.Cancel(t.Context(), id)
		case 7:
			_, _ = l.Supersede(t.Context(), jobledger.Supersede{
				ID: id, Lane: lane, ReadyAt: d.ReadyAt,
				Copy: record.Copy + r.IntN(2), From: []job.State{
					job.Queued, job.Retrying, job.Dead, job.Cancelled, job.Missing, job.Running, job.Completed,
				},
			})
		case 8:
			running, err := l.Lapsed(t.Context(), time.Now().Add(time.Hour)) // all of them
			redistest.Must(t, err)
			_, err = l.Rescue(t.Context(), running[:min(1, len(running))])
			redistest.Must(t, err)
		case 9:
			_, err := l.Compare(t.Context(), lane, time.Now().Add(time.Duration(r.IntN(3)-1)*time.Second), nil)
			redistest.Must(t, err)
		}
		if step%50 == 0 || step == 1499 {
			if got, want := indexed(t, raw), recorded(t, raw, l); !maps.EqualFunc(got, want, slices.Equal) {
				t.Fatalf("seed %d, step %d:\nthe indexes have\n%v\nthe records say\n%v", seed, step, got, want)
			}
		}
	}
}

// indexed returns what each index of waiting and running jobs has.
func indexed(t *testing.T, raw *goredis.Client) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, pattern := range []string{"siren:queued:*", "siren:missing", "siren:running"} {
		keys, err := raw.Keys(t.Context(), pattern).Result()
		redistest.Must(t, err)
		for _, key := range keys {
			entries, err := raw.ZRangeWithScores(t.Context(), key, 0, -1).Result()
			redistest.Must(t, err)
			for _, e := range entries {
				all[key] = append(all[key], e.Member.(string))
			}
			slices.Sort(all[key])
		}
	}
	return all
}

// recorded returns what the indexes should have.
func recorded(t *testing.T, raw *goredis.Client, l *jobledger.Ledger) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	keys, err := raw.Keys(t.Context(), "siren:job:*").Result()
	redistest.Must(t, err)
	slices.Sort(keys)
	for _, key := range keys {
		id := strings.TrimPrefix(key, "siren:job:")
		switch r := redistest.Get(t, l, id); r.State {
		case job.Queued:
			all["siren:queued:"+r.Lane] = append(all["siren:queued:"+r.Lane], id)
			if r.Priority > 0 {
				level := fmt.Sprintf("siren:queued:%s:%d", r.Lane, r.Priority)
				all[level] = append(all[level], id)
			}
		case job.Missing:
			all["siren:missing"] = append(all["siren:missing"], id)
		case job.Running:
			all["siren:running"] = append(all["siren:running"], id)
		}
	}
	return all
}
