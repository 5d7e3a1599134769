package recipe

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/worker/media/attempt"
)

func planProbe(kinds.Values) Recipe {
	return Recipe{MediaType: "application/json", Make: writeProbe}
}

// writeProbe writes down what the inspection found: a summary, and ffprobe's own answer with the input's URL in place
// of our name for it. The summary says how long a live recording is, too, which its container doesn't.
func writeProbe(ctx context.Context, a *attempt.Attempt) ([]attempt.File, error) {
	var answer map[string]any
	if err := json.Unmarshal(a.Info.Raw, &answer); err != nil {
		return nil, fmt.Errorf("read ffprobe's answer: %w", err)
	}
	if format, ok := answer["format"].(map[string]any); ok {
		format["filename"] = a.From.String()
		if info, err := a.Box.Input.Stat(); err == nil {
			format["size"] = fmt.Sprint(info.Size())
		}
	}
	if a.Info.Format.Duration == 0 {
		if err := a.Measure(ctx); err != nil {
			return nil, err
		}
	}
	answer["summary"] = a.Info.Summary(a.From.Path)
	text, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write ffprobe's answer: %w", err)
	}
	const file = "output.json"
	if err := a.Dir.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("scratch: %w", err)
	}
	return one(file, "application/json", nil)
}
