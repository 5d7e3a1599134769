package recording_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/polyglot-media/siren/internal/operate/recording"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// ledger is records in memory, which change at each look.
type ledger struct {
	records []job.Record
	looks   int
	change  func(look int, records []job.Record) error
}

func (l *ledger) Each(_ context.Context, f jobrecord.Filter) iter.Seq2[job.Record, error] {
	return func(yield func(job.Record, error) bool) {
		l.looks++
		if l.change != nil {
			if err := l.change(l.looks, l.records); err != nil {
				yield(job.Record{}, err)
				return
			}
		}
		for _, r := range l.records {
			if !r.EnqueuedAt.Before(f.Since) && r.EnqueuedAt.Before(f.Until) && !yield(r, nil) {
				return
			}
		}
	}
}

// record returns a job that came at a moment, started after a second, and ran for ten.
func record(id string, came float64, state job.State, changes ...func(*job.Record)) job.Record {
	r := job.Record{
		ID: id, Lane: "standard", Kind: "transcode", State: state, EnqueuedAt: at(came), ReadyAt: at(came),
		StartedAt: at(came + 1), ClaimedAt: at(came + 1), EndedAt: at(came + 11), Wait: lanes.Duration(time.Second),
		Attempts: 1,
	}
	for _, change := range changes {
		change(&r)
	}
	return r
}

func lines(t *testing.T, l *ledger, now time.Time) ([]string, recording.Summary) {
	t.Helper()
	r := recording.Recording{Ledger: l, From: noon, To: at(3600), Service: 7 * time.Second}
	var all []string
	s, err := r.Write(t.Context(), now, func(l recording.Line) error {
		all = append(all, strings.Join(l.Row(), ","))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, s
}

// Each job is one line, whatever became of it, with what its last attempt took; those that never ran are counted.
func TestLines(t *testing.T) {
	never := func(r *job.Record) { r.StartedAt, r.ClaimedAt, r.Wait, r.Attempts = time.Time{}, time.Time{}, 0, 0 }
	l := &ledger{records: []job.Record{
		record("before", -5, job.Completed),
		record("done", 0, job.Completed),
		record("retried", 1, job.Completed, func(r *job.Record) {
			r.Attempts, r.ClaimedAt, r.EndedAt = 3, at(100), at(104)
		}),
		record("dead", 2, job.Dead, func(r *job.Record) { r.Attempts, r.ClaimedAt, r.EndedAt = 2, at(50), at(50.5) }),
		record("crashed", 3, job.Dead, func(r *job.Record) { r.Attempts, r.Crashes = 2, 3 }),
		record("called off", 4, job.Cancelled, func(r *job.Record) { r.EndedAt = at(7) }),
		record("called off between attempts", 5, job.Cancelled, func(r *job.Record) { r.Error = "no disk" }),
		record("never", 6, job.Cancelled, never),
		record("lost", 7, job.Missing, never),
		record("direct", 8, job.Completed, func(r *job.Record) { r.ReadyAt, r.Wait = time.Time{}, 0 }),
		record("in no time", 9, job.Completed, func(r *job.Record) { r.EndedAt = r.StartedAt }),
		record("runs", 10, job.Running, func(r *job.Record) { r.EndedAt = time.Time{} }),
		record("predicted", 11, job.Running, func(r *job.Record) {
			r.EndedAt, r.Progress.Predicted = time.Time{}, lanes.Duration(90*time.Second)
		}),
		record("queued", 12, job.Queued, never, func(r *job.Record) { r.EndedAt = time.Time{} }),
		record("elsewhere", 13, job.Queued, never, func(r *job.Record) { r.Lane, r.EndedAt = "bulk", time.Time{} }),
		record("after", 3600, job.Completed),
	}}
	got, s := lines(t, l, at(71))
	want := []string{
		"2026-01-31T12:00:00.000Z,standard,10.000,transcode,1.000,1,completed",
		"2026-01-31T12:00:01.000Z,standard,4.000,transcode,1.000,3,completed",
		"2026-01-31T12:00:02.000Z,standard,0.500,transcode,1.000,2,dead",
		"2026-01-31T12:00:03.000Z,standard,29.000,transcode,1.000,2,dead", // the mean of those that ended or run longer
		"2026-01-31T12:00:04.000Z,standard,2.000,transcode,1.000,1,cancelled",
		"2026-01-31T12:00:05.000Z,standard,29.000,transcode,1.000,1,cancelled",
		"2026-01-31T12:00:08.000Z,standard,10.000,transcode,0.000,1,completed",
		"2026-01-31T12:00:09.000Z,standard,0.001,transcode,1.000,1,completed",
		"2026-01-31T12:00:10.000Z,standard,60.000,transcode,1.000,1,running", // for so long it has run
		"2026-01-31T12:00:11.000Z,standard,90.000,transcode,1.000,1,running",
		"2026-01-31T12:00:12.000Z,standard,29.000,transcode,,0,queued",
		"2026-01-31T12:00:13.000Z,bulk,7.000,transcode,,0,queued",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if want := (recording.Summary{
		Jobs: 12, First: noon, Last: at(13), Open: 4, Unsure: 2, Direct: 1, Never: 2, Attempts: 14, Failed: 4,
	}); s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
}

// What runs counts for those of its lane and kind that wait, when it runs for longer than what has ended; a kind of
// which nothing has ended is known by what runs of it.
func TestRunningOnesCount(t *testing.T) {
	runs := func(r *job.Record) { r.State, r.EndedAt = job.Running, time.Time{} }
	queued := func(r *job.Record) {
		r.State, r.StartedAt, r.ClaimedAt, r.EndedAt, r.Wait, r.Attempts = job.Queued, time.Time{}, time.Time{},
			time.Time{}, 0, 0
	}
	kind := func(kind string) func(*job.Record) { return func(r *job.Record) { r.Kind = kind } }
	l := &ledger{records: []job.Record{
		record("short", 0, job.Completed),
		record("long", 1, job.Running, runs),               // for 400 s
		record("young", 397, job.Running, runs),            // for 4 s
		record("other", 102, job.Running, runs, kind("b")), // for 299 s
		record("a waits", 398, job.Queued, queued),
		record("b waits", 399, job.Queued, queued, kind("b")),
		record("c waits", 400, job.Queued, queued, kind("c")),
	}}
	got, s := lines(t, l, at(402))
	for i, want := range []string{"10.000", "400.000", "205.000", "299.000", "205.000", "299.000", "236.333"} {
		if cells := strings.Split(got[i], ","); cells[2] != want {
			t.Errorf("%s: want %s", got[i], want)
		}
	}
	if s.Foreseen() != 6 {
		t.Errorf("%d foreseen", s.Foreseen())
	}
}

// Without a job there is no trace.
func TestEmpty(t *testing.T) {
	r := recording.Recording{Ledger: &ledger{}, From: noon, To: at(60)}
	if _, err := r.Write(t.Context(), at(60), nil); !errors.Is(err, recording.ErrEmpty) {
		t.Error(err)
	}
}

// Await goes on until the last job has ended, over a Redis that is away, and looks no more at what has ended.
func TestAwait(t *testing.T) { synctest.Test(t, testAwait) }

func testAwait(t *testing.T) {
	l := &ledger{
		records: []job.Record{record("a", 0, job.Running), record("b", 1, job.Queued), record("c", 2, job.Completed)},
		change: func(look int, records []job.Record) error {
			switch look {
			case 2:
				return lanes.ErrAway
			case 3:
				records[0].State = job.Dead
			case 4:
				records[1].State = job.Completed
			}
			return nil
		},
	}
	var troubles []error
	r := recording.Recording{Ledger: l, From: noon, To: at(60), Trouble: func(err error) {
		troubles = append(troubles, err)
	}}
	if err := r.Await(t.Context()); err != nil || l.looks != 4 {
		t.Errorf("%v after %d looks", err, l.looks)
	}
	if len(troubles) != 3 || troubles[0] != nil || !errors.Is(troubles[1], lanes.ErrAway) || troubles[2] != nil {
		t.Error(troubles)
	}
}

// It ends with its context, and then that some job runs is no error.
func TestAwaitEnds(t *testing.T) {
	l := &ledger{records: []job.Record{record("a", 0, job.Running)}}
	r := recording.Recording{Ledger: l, From: noon, To: at(60)}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if err := r.Await(ctx); err != nil {
		t.Error(err)
	}
}
