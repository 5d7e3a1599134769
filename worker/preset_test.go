package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// A message that came without the client may have a preset that nobody has looked up: the worker does, and what it
// gives back to the broker has what it found.
func TestPresetOfAForeignJob(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.o.Policy.Policy.Presets = map[string]lanes.Preset{
			"small@1": {Kind: "transcode", Params: []byte(`{"width":320}`)},
			"gone@1":  {Kind: "transcode", Retired: true},
		}
		r.handler.will("retried", fails(0, work.Transient))
		var got work.Delivery
		r.broker.refuse = func(d work.Delivery, _ work.Disposition) error {
			if d.Job.ID == "retried" {
				got = d
			}
			return nil
		}
		for id, rest := range map[string]string{
			"retried": `"preset":"small@1","params":{"crf":30}`,
			"known":   `"preset":"gone@1","expanded":true,"kind":"transcode","params":{"crf":20}`,
			"retired": `"preset":"gone@1"`,
			"unknown": `"preset":"small"`,
		} {
			body := []byte(`{"id":"` + id + `",` + rest + `}`)
			j, _, err := job.Decode(body, "")
			if err != nil {
				t.Fatal(err)
			}
			r.broker.add(work.Delivery{Job: j, Body: body, Lane: "standard", Attempt: 1, ReadyAt: time.Now()})
		}
		r.start()
		r.expect("known", "claim known granted", "handle known", "close known completed", "settle known ack")
		for id, says := range map[string]string{
			"retired": "preset gone@1 is retired; there are ",
			"unknown": `preset "small" needs its version: small has version 1; say small@1`,
		} {
			r.expect(id, "claim "+id+" granted", "close "+id+" dead", "settle "+id+" dead letter: bad input")
			if disp := r.settledOnce(id).disp; !strings.HasPrefix(disp.Error, says) {
				t.Errorf("%s: %s, want %s", id, disp.Error, says)
			}
		}
		want := `{"expanded":true,"id":"retried","kind":"transcode","params":{"crf":30,"width":320},"preset":"small@1"}`
		if string(got.Body) != want || string(got.Job.Params) != `{"crf":30,"width":320}` {
			t.Errorf("%s, %+v\nwant %s", got.Body, got.Job, want)
		}
		for i := range 2 {
			if task := r.handler.task(i); task.Job.Kind != "transcode" {
				t.Errorf("the handler got %+v", task.Job)
			}
		}
	})
}
