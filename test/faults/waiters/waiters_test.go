package waiters

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
)

// What commands and the client say is read as the end that they tell, or as why they tell none.
func TestAnswers(t *testing.T) {
	vanished := "job j: " + job.ErrVanished.Error() + " (w1-1)\n"
	enqueued := func(code int, err string) answer { return ofEnqueue("j", site.Ran{Out: "j\n", Err: err, Code: code}) }
	watched := func(code int, out, err string) answer { return ofWatch(site.Ran{Out: out, Err: err, Code: code}) }
	for name, c := range map[string]struct {
		got  answer
		end  job.State
		gave history.Lack
	}{
		"enqueue: completed":    {enqueued(0, ""), job.Completed, ""},
		"enqueue: dead":         {enqueued(4, "j is dead: poison\n"), job.Dead, ""},
		"enqueue: missing":      {enqueued(4, "j is missing\n"), job.Missing, ""},
		"enqueue: vanished":     {enqueued(4, vanished), "", history.Vanished},
		"enqueue: no record":    {enqueued(3, ""), "", history.NoRecord},
		"enqueue: Redis's away": {enqueued(5, ""), "", history.Other},
		"enqueue: no broker":    {ofEnqueue("j", site.Ran{Err: "away", Code: 5}), "", history.NotBegun},
		"watch: completed":      {watched(0, "j  running  \nj  completed  in 2s\n", ""), job.Completed, ""},
		"watch: dead":           {watched(4, "j  running\nj  dead  bad input\n", ""), job.Dead, ""},
		"watch: vanished":       {watched(4, "j  running\n", vanished), "", history.Vanished},
		"watch: no record":      {watched(3, "", `no job "j"`), "", history.NoRecord},
		"watch: ends early":     {watched(0, "j  running\n", ""), "", history.Other},
		"client: dead":          {ofClient(job.Record{State: job.Dead}, nil), job.Dead, ""},
		"client: vanished":      {ofClient(job.Record{}, fmt.Errorf("j: %w", job.ErrVanished)), "", history.Vanished},
		"client: no record":     {ofClient(job.Record{}, client.ErrNotFound), "", history.NoRecord},
		"client: refused":       {ofClient(job.Record{}, errors.New("NOPERM")), "", history.Other},
	} {
		if c.got.end != c.end || c.end == "" && c.got.gave != c.gave {
			t.Errorf("%s: %+v", name, c.got)
		}
	}
}

// A job is enqueued as the schedule has it.
func TestEnqueueArgs(t *testing.T) {
	got := enqueueArgs(job.Job{
		ID: "j", Kind: "transcode", Input: "file:///in/a", Output: "file:///out/a",
		Labels: map[string]string{"urgent": "true"}, Params: json.RawMessage(`{"height": 90}`),
	})
	if want := []string{
		"enqueue", "transcode", "--id", "j", "--input", "file:///in/a", "--output", "file:///out/a", "--wait",
		"--label", "urgent=true", "--param", "height=90",
	}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// Somebody waits in each way for one of the kept jobs, and for some of the others; nobody for a plain producer's.
func TestTurn(t *testing.T) {
	var all turn
	got := map[string]int{}
	for _, lane := range []string{"kept", "kept", "kept", "former", "former"} {
		if how := all.of(history.Spec{Lane: lane, Fate: history.Succeeds}); how != nil {
			got[how.name]++
			if again := how.name == ways[0].name; again != (lane == "former") {
				t.Errorf("%s for a job of lane %s", how.name, lane)
			}
		}
	}
	for _, w := range ways {
		if got[w.name] != 1 {
			t.Errorf("waits for jobs that are kept: %v", got)
		}
	}
	for range every * len(ways) {
		if how := all.of(history.Spec{Lane: "bulk", Fate: history.Succeeds}); how != nil {
			got[how.name]++
		}
		if all.of(history.Spec{Lane: "bulk", Raw: true}) != nil {
			t.Error("somebody waits for a plain producer's job")
		}
	}
	for range every * len(ways) {
		if how := all.of(history.Spec{Lane: "bulk", Fate: history.BadInput}); how != nil && how.name == ways[0].name {
			t.Error("a job that dies is enqueued twice")
		}
	}
	for _, w := range ways {
		if got[w.name] < 2 {
			t.Errorf("waits: %v", got)
		}
	}
}

// It is worthwhile to wait while an end may still be told, and for no longer.
func TestWorthwhile(t *testing.T) {
	for _, c := range []struct {
		states []job.State
		after  time.Duration
		want   bool
	}{
		{nil, 0, false},
		{[]job.State{job.Queued}, doubtFor - 1, true},
		{[]job.State{job.Queued, job.Retrying}, doubtFor, false},
		{[]job.State{job.Queued, job.Completed}, doubtFor, true},
		{[]job.State{job.Completed, ""}, returnsWithin, false},
		{[]job.State{""}, returnsWithin - 1, true},
		{[]job.State{job.Running}, returnsWithin, true},
		{[]job.State{job.Running}, vanishesWithin, false},
	} {
		if got := worthwhile(c.states, c.after); got != c.want {
			t.Errorf("%v after %s: %t", c.states, c.after, got)
		}
	}
}
