package job

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/plain"
)

// Expand returns the job with the kind and the params that its preset stands for, under its own params, and marked as
// Expanded. A job without a preset, or expanded before, is returned as it is. The error says what is wrong with the
// preset, and which there are.
//
// It happens once in a job's life: the client does it before the job is sent, a worker does it to a message that came
// without the client (work.Delivery.Expand). So a job stays what it was while it waits and is retried, whatever becomes
// of the preset; its record has the params that made its output; and a worker needs to know the kind only.
func (j Job) Expand(p *lanes.Policy) (Job, error) {
	if j.Preset == "" || j.Expanded {
		return j, nil
	}
	preset, err := p.NewJobPreset(j.Preset)
	if err != nil {
		return j, err
	}
	if j.Kind != "" && j.Kind != preset.Kind {
		return j, fmt.Errorf("the job's kind is %s, and preset %s is of kind %s: leave the kind out, or take another "+
			"preset%s", plain.Clip(j.Kind, maxID), j.Preset, preset.Kind, presetsOf(p, j.Kind))
	}
	k, err := kinds.Find(preset.Kind) // by a policy that is newer than this program, it may be missing
	if err != nil {
		return j, fmt.Errorf("preset %s: %w", j.Preset, err)
	}
	if j.Params, err = k.Merge(preset.Params, j.Params); err != nil {
		return j, err
	}
	j.Kind, j.Expanded = preset.Kind, true
	return j, nil
}

// ExpandedMessage returns the wire form that the job was read from with what Expand has changed. All else stays as it
// came, unknown fields included.
func (j Job) ExpandedMessage(body []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("the message is no job: %w", err)
	}
	own, err := plain.JSON(Job{Kind: j.Kind, Params: j.Params, Expanded: j.Expanded})
	if err != nil {
		return nil, err
	}
	var changed map[string]json.RawMessage
	if err := json.Unmarshal(own, &changed); err != nil {
		return nil, err
	}
	delete(changed, "id")
	delete(fields, "params")
	maps.Copy(fields, changed)
	return wireForm(fields)
}

// presetsOf lists the presets of a kind, for a message.
func presetsOf(p *lanes.Policy, kind string) string {
	var names []string
	for _, n := range p.AllPresets() {
		if n.Kind == kind && !n.Retired {
			names = append(names, n.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}
