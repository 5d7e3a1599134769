package client_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// A job with a preset of the policy in force is sent, and recorded, with the kind and params that this stands for.
func TestPresets(t *testing.T) {
	c := newClient(t, options())
	with := func(id, preset string) job.Job {
		return job.Job{
			ID: id, Preset: preset, Input: "file:///in/a.mp4", Output: "file:///out/a.jpg",
			Params: []byte(`{"quality":90}`),
		}
	}
	jobs := []job.Job{
		with("preset-known", "small@1"), with("preset-retired", "gone@1"), with("preset-bare", "small"),
		with("preset-wrong", "small@1"), with("preset-kind", "small@1"),
	}
	jobs[3].Params, jobs[4].Kind = []byte(`{"quality":101}`), "probe"
	outcomes := c.EnqueueBatch(within(t, time.Minute), jobs)
	for i, says := range []string{
		"", "preset gone@1 is retired", "say small@1", "quality must be a number from 1 to 100",
		"preset small@1 is of kind thumbnail",
	} {
		err := outcomes[i].Err
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says) ||
			work.KindOf(err) != work.BadInput) {
			t.Errorf("%s: %v, want %q", jobs[i].ID, err, says)
		}
		if _, err := c.Get(t.Context(), jobs[i].ID); says != "" && !errors.Is(err, client.ErrNotFound) {
			t.Errorf("%s has a record: %v", jobs[i].ID, err)
		}
	}
	r, err := c.Get(t.Context(), "preset-known")
	if err != nil || r.Kind != "thumbnail" || r.Preset != "small@1" || !r.Expanded ||
		string(r.Params) != `{"quality":90,"width":320}` {
		t.Errorf("%+v, %v", r, err)
	}
}
