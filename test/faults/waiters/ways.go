package waiters

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
)

// way is how to wait for a job.
type way struct {
	name    string
	command bool
	wait    func(*Waiters, history.Spec) answer
}

// answer is what somebody was told who waited.
type answer struct {
	end   job.State
	gave  history.Lack // without an end
	said  string
	wrong string // how the command ended as none may
}

// ways is every way, in turn.
var ways = []way{
	{"siren enqueue --wait", true, func(w *Waiters, j history.Spec) answer {
		return ofEnqueue(j.Job.ID, w.site.Run(w.ctx, enqueueArgs(j.Job)...))
	}},
	{"Client.Wait", false, func(w *Waiters, j history.Spec) answer {
		return ofClient(w.client.Wait(w.ctx, j.Job.ID))
	}},
	{"siren jobs watch", true, func(w *Waiters, j history.Spec) answer {
		return ofWatch(w.site.Run(w.ctx, "jobs", "watch", j.Job.ID))
	}},
}

// turn counts jobs, to choose who is waited for, and how.
type turn struct{ jobs, kept, former, chosen int }

// of returns how the next job is to be waited for; nil: it isn't. A plain producer's has no record before it starts. Of
// those that operators keep until the end there is one for each way: one that is enqueued again isn't of lane kept,
// where operators know how many there are.
func (t *turn) of(j history.Spec) *way {
	switch {
	case j.Raw:
		return nil
	case j.Lane == "former":
		if t.former++; t.former == 1 {
			return &ways[0]
		}
		return nil
	case j.Lane == "kept":
		if t.kept++; t.kept < len(ways) {
			return &ways[t.kept]
		}
		return nil
	}
	if t.jobs++; t.jobs%every > 0 {
		return nil
	}
	t.chosen++
	how := &ways[t.chosen%len(ways)]
	if how == &ways[0] && j.Fate != history.Succeeds { // enqueued twice it may have two dead letters
		how = &ways[2]
	}
	return how
}

// enqueueArgs enqueues a job, under the id that it has, and waits for it.
func enqueueArgs(j job.Job) []string {
	args := []string{"enqueue", j.Kind, "--id", j.ID, "--input", j.Input, "--output", j.Output, "--wait"}
	for name, value := range j.Labels {
		args = append(args, "--label", name+"="+value)
	}
	var params map[string]any
	_ = json.Unmarshal(j.Params, &params) // as the recipe has them
	for name, value := range params {
		args = append(args, "--param", fmt.Sprintf("%s=%v", name, value))
	}
	return args
}

// exit codes of siren that say what became of a job.
const (
	exitDone      = 0
	exitNotFound  = 3
	exitJobFailed = 4
)

// ofEnqueue reads what siren enqueue --wait said.
func ofEnqueue(id string, r site.Ran) answer {
	a := answer{said: r.Err, wrong: r.Wrong, gave: history.Other}
	switch {
	case r.Code == exitDone:
		return answer{end: job.Completed, wrong: r.Wrong}
	case strings.TrimSpace(r.Out) != id:
		a.gave = history.NotBegun
	case r.Code == exitNotFound:
		a.gave = history.NoRecord
	case r.Code == exitJobFailed && strings.Contains(r.Err, job.ErrVanished.Error()):
		a.gave = history.Vanished
	case r.Code == exitJobFailed:
		for line := range strings.Lines(r.Err) {
			if state, ok := strings.CutPrefix(line, id+" is "); ok {
				a.end, _ = endOf(state)
			}
		}
	}
	return a
}

// ofWatch reads what siren jobs watch said: a line for each state.
func ofWatch(r site.Ran) answer {
	a := answer{said: r.Out + r.Err, wrong: r.Wrong, gave: history.Other}
	var last job.State
	for line := range strings.Lines(r.Out) {
		if fields := strings.Fields(line); len(fields) > 1 {
			last = job.State(fields[1])
		}
	}
	switch {
	case r.Code == exitNotFound:
		a.gave = history.NoRecord
	case r.Code == exitJobFailed && strings.Contains(r.Err, job.ErrVanished.Error()):
		a.gave = history.Vanished
	case r.Code == exitDone && last == job.Completed, r.Code == exitJobFailed && last.Failed():
		a.end = last
	}
	return a
}

// ofClient reads what Client.Wait returned.
func ofClient(r job.Record, err error) answer {
	switch {
	case err == nil:
		return answer{end: r.State}
	case errors.Is(err, client.ErrNotFound):
		return answer{gave: history.NoRecord, said: err.Error()}
	case errors.Is(err, job.ErrVanished):
		return answer{gave: history.Vanished, said: err.Error()}
	default:
		return answer{gave: history.Other, said: err.Error()}
	}
}

// endOf returns the state that a text begins with, if it is an end.
func endOf(text string) (job.State, bool) {
	for _, s := range []job.State{job.Completed, job.Dead, job.Cancelled, job.Missing} {
		if strings.HasPrefix(text, string(s)) {
			return s, true
		}
	}
	return "", false
}
