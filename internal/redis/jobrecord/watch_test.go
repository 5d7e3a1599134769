package jobrecord_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// watching runs Watch in the background and hands over what it yields.
func watching(ctx context.Context, t *testing.T, l *jobledger.Ledger, ids ...string) <-chan any {
	t.Helper()
	seen := make(chan any, 100)
	var work sync.WaitGroup
	work.Go(func() {
		defer close(seen)
		for r, err := range l.Watch(ctx, ids...) {
			if err != nil {
				seen <- err
			} else {
				seen <- r
			}
		}
	})
	t.Cleanup(work.Wait)
	return seen
}

// next returns what the watch yields next.
func next(t *testing.T, seen <-chan any) any {
	t.Helper()
	select {
	case v := <-seen:
		return v
	case <-time.After(time.Minute):
		t.Fatal("the watch says nothing")
		return nil
	}
}

func wantState(t *testing.T, seen <-chan any, want job.State) job.Record {
	t.Helper()
	r, ok := next(t, seen).(job.Record)
	if !ok || r.State != want {
		t.Fatalf("saw %+v, want a record that says %s", r, want)
	}
	return r
}

func wantEnd(t *testing.T, seen <-chan any) {
	t.Helper()
	if v := next(t, seen); v != nil {
		t.Fatalf("saw %+v, want the end", v)
	}
}

func TestWatchSeesEveryMove(t *testing.T) {
	for _, final := range []job.State{job.Completed, job.Dead} {
		t.Run(string(final), func(t *testing.T) {
			l, _ := redistest.FreshLedger(t)
			d := redistest.Delivery("job", "bulk")
			_, err := redistest.Create(t.Context(), l, d.Job, d.Lane, d.EnqueuedAt)
			redistest.Must(t, err)
			seen := watching(t.Context(), t, l, "job")
			wantState(t, seen, job.Queued)
			start := time.Now()
			c := redistest.Claim(t, l, d, "w1", work.Granted)
			wantState(t, seen, job.Running)
			redistest.Must(t, l.Renew(t.Context(), c, job.Progress{Fraction: 0.5}))
			if r := wantState(t, seen, job.Running); r.Progress.Fraction != 0.5 {
				t.Errorf("progress %v", r.Progress)
			}
			redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Retrying, NextAt: time.Now()}))
			wantState(t, seen, job.Retrying)
			c = redistest.Claim(t, l, d, "w1", work.Granted)
			wantState(t, seen, job.Running)
			redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: final}))
			wantState(t, seen, final)
			wantEnd(t, seen)
			if took := time.Since(start); took > 8*time.Second { // seven moves; without notices two seconds each
				t.Errorf("took %s: not by notices", took)
			}
		})
	}
}

// TestWatchWithoutNotices changes the records behind the ledger's back, so that no notice comes.
func TestWatchWithoutNotices(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	finals := []job.State{job.Completed, job.Dead, job.Cancelled}
	var ids []string
	for _, f := range finals {
		d := redistest.Delivery(string(f), "bulk")
		ids = append(ids, d.Job.ID)
		_, err := redistest.Create(t.Context(), l, d.Job, d.Lane, d.EnqueuedAt)
		redistest.Must(t, err)
	}
	seen := watching(t.Context(), t, l, ids...)
	for range finals {
		wantState(t, seen, job.Queued)
	}
	for _, f := range finals {
		redistest.Must(t, raw.HSet(t.Context(), "siren:job:"+string(f), "state", string(f), "moves", 1).Err())
	}
	ended := map[job.State]bool{}
	for range finals {
		ended[next(t, seen).(job.Record).State] = true
	}
	wantEnd(t, seen)
	if len(ended) != len(finals) {
		t.Errorf("saw %v", ended)
	}
}

func TestWatchOfWhatIsNotThere(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("there", "bulk")
	redistest.Must(t, l.Close(t.Context(), redistest.Claim(t, l, d, "w", work.Granted),
		work.Outcome{State: job.Completed}))
	var found, missing int
	for r, err := range l.Watch(t.Context(), "there", "not there", "there") {
		switch {
		case errors.Is(err, redislink.ErrNotFound) && r.ID == "not there":
			missing++
		case err == nil && r.ID == "there":
			found++
		default:
			t.Errorf("%+v, %v", r, err)
		}
	}
	if found != 1 || missing != 1 {
		t.Errorf("%d found, %d missing", found, missing)
	}
	for range l.Watch(t.Context()) {
		t.Error("a watch of nothing saw something")
	}
}

func TestWatchEnds(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	_, err := redistest.Create(t.Context(), l, d.Job, d.Lane, d.EnqueuedAt)
	redistest.Must(t, err)
	for range l.Watch(t.Context(), "job") {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := watching(ctx, t, l, "job")
	wantState(t, seen, job.Queued)
	cancel()
	if err, _ := next(t, seen).(error); !errors.Is(err, context.Canceled) {
		t.Errorf("saw %v, want context.Canceled", err)
	}
	wantEnd(t, seen)
}

// enqueue --file --wait watches thousands of jobs at once.
func TestWatchOfThousands(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	const jobs = 3000
	var batch []work.Delivery
	var ids []string
	for i := range jobs {
		d := redistest.Delivery(fmt.Sprintf("job-%d", i), "bulk")
		batch, ids = append(batch, d), append(ids, d.Job.ID)
	}
	_, err := l.CreateAll(t.Context(), batch)
	redistest.Must(t, err)
	var crowd sync.WaitGroup
	defer crowd.Wait()
	started := false
	final := 0
	for r, err := range l.Watch(t.Context(), ids...) {
		redistest.Must(t, err)
		if r.State.Final() {
			final++
		}
		if !started {
			started = true
			for w := range 8 {
				crowd.Go(func() {
					for i := w; i < jobs; i += 8 {
						c, err := l.Claim(t.Context(), batch[i], "w", redistest.MaxCrashes)
						if err == nil {
							err = l.Close(t.Context(), c, work.Outcome{State: job.Completed})
						}
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
	}
	if final != jobs {
		t.Errorf("saw the end of %d jobs, want %d", final, jobs)
	}
}

// The subscription is cut and Redis refuses for a moment; the end is seen all the same.
func TestWatchOutlivesAnAbsence(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	c := redistest.Claim(t, l, d, "w", work.Granted)
	seen := watching(t.Context(), t, l, "job")
	wantState(t, seen, job.Running)
	redistest.Must(t, raw.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err())
	redistest.Must(t, raw.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err())
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Completed}))
	wantState(t, seen, job.Completed)
	wantEnd(t, seen)
}

// What people do to a job is seen at once.
func TestWatchSeesOverrides(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	_, err := l.CreateAll(t.Context(), []work.Delivery{redistest.Delivery("job", "bulk")})
	redistest.Must(t, err)
	seen := watching(t.Context(), t, l, "job")
	wantState(t, seen, job.Queued)
	_, err = l.Supersede(t.Context(), jobledger.Supersede{
		ID: "job", Lane: "express", ReadyAt: time.Now(), Copy: 1,
		From: []job.State{job.Queued},
	})
	redistest.Must(t, err)
	if r := wantState(t, seen, job.Queued); r.Lane != "express" {
		t.Errorf("saw it in lane %s", r.Lane)
	}
	_, err = l.Cancel(t.Context(), "job")
	redistest.Must(t, err)
	wantState(t, seen, job.Cancelled)
	wantEnd(t, seen)
}

// A running job whose worker isn't heard of any more ends a watch after a while; one that is heard of doesn't.
func TestWatchEndsWithTheWorker(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	l.Patience = time.Millisecond
	c := redistest.Claim(t, l, redistest.Delivery("job", "bulk"), "w1", work.Granted)
	alive := redistest.Claim(t, l, redistest.Delivery("alive", "bulk"), "w2", work.Granted)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var renewing sync.WaitGroup
	renewing.Go(func() {
		for ctx.Err() == nil {
			_ = l.Renew(t.Context(), alive, job.Progress{})
			time.Sleep(time.Millisecond)
		}
	})
	var vanished []string
	for r, err := range l.Watch(t.Context(), "job", "alive") {
		switch {
		case errors.Is(err, job.ErrVanished):
			vanished = append(vanished, r.ID)
			if r.State != job.Running || r.Worker != "w1" {
				t.Errorf("%+v", r)
			}
			cancel()
			renewing.Wait()
			redistest.Must(t, l.Close(t.Context(), alive, work.Outcome{State: job.Completed}))
		case err != nil:
			t.Errorf("%s: %v", r.ID, err)
		}
	}
	if len(vanished) != 1 || vanished[0] != "job" {
		t.Errorf("%v vanished, want the job of w1", vanished)
	}
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Completed}))
}

// A Redis that has lost its latest writes counts moves once more, or has no record for a moment: a watch sees the end
// all the same.
func TestWatchThroughALoss(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	_, err := redistest.Create(t.Context(), l, d.Job, d.Lane, d.EnqueuedAt)
	redistest.Must(t, err)
	lost, err := raw.Dump(t.Context(), "siren:job:job").Result()
	redistest.Must(t, err)
	seen := watching(t.Context(), t, l, "job")
	wantState(t, seen, job.Queued)
	c := redistest.Claim(t, l, d, "w1", work.Granted)
	wantState(t, seen, job.Running)
	redistest.Must(t, raw.Del(t.Context(), "siren:job:job").Err())
	redistest.Must(t, raw.Publish(t.Context(), "siren:moves:job", "0").Err())
	_, err = raw.TxPipelined(t.Context(), func(p goredis.Pipeliner) error { // nobody sees it queued in between
		p.RestoreReplace(t.Context(), "siren:job:job", 0, lost)
		p.HSet(t.Context(), "siren:job:job", "state", "completed", "moves", 1) // as many as the watch has seen
		return nil
	})
	redistest.Must(t, err)
	wantState(t, seen, job.Completed)
	wantEnd(t, seen)
	_ = l.Close(t.Context(), c, work.Outcome{State: job.Completed})
}
