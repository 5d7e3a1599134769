package recipe

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/media/sound"
)

// loudness is the params of a loudness job.
type loudness struct {
	target float64 // LUFS; 0: none
}

func planLoudness(v kinds.Values) Recipe {
	return Recipe{MediaType: "application/json", Make: loudness{target: v.Number("target")}.make}
}

// loudnessReport is the output. What can't be said of a sound is null: of a silent one, and of one that is too short.
type loudnessReport struct {
	Stream     int     `json:"stream"` // its index in the input
	Channels   int     `json:"channels"`
	Seconds    float64 `json:"seconds"`
	Integrated *figure `json:"integratedLUFS"`
	Threshold  *figure `json:"thresholdLUFS"`
	Range      *figure `json:"rangeLU"`
	Peak       *figure `json:"truePeakDBTP"`
	Momentary  *figure `json:"maxMomentaryLUFS"`
	ShortTerm  *figure `json:"maxShortTermLUFS"`
	// with a target
	Target float64 `json:"targetLUFS,omitempty"`
	Gain   *figure `json:"gainDB,omitempty"`
	After  *figure `json:"truePeakAfterDBTP,omitempty"`
}

// figure is a number with two decimals.
type figure float64

func (f figure) MarshalJSON() ([]byte, error) { return []byte(fmt.Sprintf("%.2f", float64(f))), nil }

// said returns the number, nil for none.
func said(x float64) *figure {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return nil
	}
	f := figure(x)
	return &f
}

func (q loudness) make(ctx context.Context, a *attempt.Attempt) ([]attempt.File, error) {
	s, err := a.Sound()
	if err != nil {
		return nil, err
	}
	var chain []string
	if !sound.Named(s) { // which of many channels counts how much isn't known
		chain = sound.Layout(s, "5.1")
	}
	l, err := measured(ctx, a, metering{sound: s, filters: chain, seconds: a.Info.Seconds(s)})
	if err != nil {
		return nil, err
	}
	r := loudnessReport{
		Stream: s.Index, Channels: s.Channels, Seconds: math.Round(l.Seconds*10) / 10, Integrated: said(l.Integrated),
		Threshold: said(l.Threshold), Range: said(l.Range), Peak: said(l.Peak), Momentary: said(l.Momentary),
		ShortTerm: said(l.ShortTerm),
	}
	if q.target != 0 {
		gain := q.target - l.Integrated
		r.Target, r.Gain, r.After = q.target, said(gain), said(l.Peak+gain)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	const file = "output.json"
	if err := a.Dir.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("scratch: %w", err)
	}
	return one(file, "application/json", nil)
}

// loudnessUses returns the options for every sort of sound.
func loudnessUses() [][]string {
	return [][]string{metering{filters: sound.Layout(probe.Stream{Channels: 10}, "5.1")}.args()}
}
