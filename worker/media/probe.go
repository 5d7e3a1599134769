package media

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/polyglot-media/siren/lanes/kinds"
)

func planProbe(kinds.Values) recipe {
	return recipe{mediaType: "application/json", make: writeProbe}
}

// writeProbe writes down what the inspection found: a summary, and ffprobe's own answer with the input's URL in place
// of our name for it.
func writeProbe(_ context.Context, a *attempt) (string, error) {
	var answer map[string]any
	if err := json.Unmarshal(a.info.raw, &answer); err != nil {
		return "", fmt.Errorf("read ffprobe's answer: %w", err)
	}
	if format, ok := answer["format"].(map[string]any); ok {
		format["filename"] = a.from.String()
		if info, err := a.box.Input.Stat(); err == nil {
			format["size"] = fmt.Sprint(info.Size())
		}
	}
	answer["summary"] = a.info.summary(a.from.Path)
	text, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write ffprobe's answer: %w", err)
	}
	const file = "output.json"
	if err := a.dir.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return "", fmt.Errorf("scratch: %w", err)
	}
	return file, nil
}
