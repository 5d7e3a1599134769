package runcmd

import (
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/lanes"
)

// Flags that can't be, or can't be without another one, are refused before anything is reached.
func TestCheckWorker(t *testing.T) {
	for name, c := range map[string]struct {
		worker serve.Worker
		fails  string
	}{
		"nothing said":      {serve.Worker{}, ""},
		"all said":          {serve.Worker{Slots: 1, Shoulder: map[string]int{"express": 1}}, ""},
		"negative slots":    {serve.Worker{Slots: -1}, "at least 1"},
		"a shoulder alone":  {serve.Worker{Shoulder: map[string]int{"express": 1}}, "go with --slots"},
		"limits alone":      {serve.Worker{Slot: lanes.SlotLimits{Memory: 1}}, "go with --slots"},
		"an empty shoulder": {serve.Worker{Slots: 1, Shoulder: map[string]int{"express": 0}}, "one shoulder"},
		"two shoulders":     {serve.Worker{Slots: 1, Shoulder: map[string]int{"a": 1, "b": 1}}, "one shoulder"},
		"a pod":             {serve.Worker{MarkPod: true, Name: "general-1", Notice: time.Second}, ""},
		"a pod, which one?": {serve.Worker{MarkPod: true}, "needs --name"},
		"a notice alone":    {serve.Worker{Notice: time.Second}, "goes with --mark-pod"},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkWorker(c.worker)
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("got %v, want one with %q", err, c.fails)
			}
		})
	}
}
