package job

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/plain"
)

// The bounds of a job, beside MaxMessage. What is over one is refused at the door, whichever way it came in, and is no
// job: anybody who lists jobs would have to bear it.
const (
	MaxDepth      = 16                 // of params: how deep arrays and objects nest
	MaxLabels     = 64                 // how many labels
	MaxLabelName  = 128                // bytes of a label's name
	MaxLabelValue = 256                // bytes of its value
	MaxURL        = location.MaxLength // bytes of an input's or output's URL
)

// presetForm is what a preset may be called that somebody names. Whether it is one is the policy's to say.
var presetForm = regexp.MustCompile(`^[A-Za-z0-9._@-]{1,64}$`)

// checkBounds says which bound the job is over, and what to do about it.
func (j Job) checkBounds() error {
	switch {
	case j.Preset != "" && !presetForm.MatchString(j.Preset):
		return fmt.Errorf("preset %q must be a name and a version, as in web@1: 1 to 64 of the characters "+
			"A-Z a-z 0-9 . _ @ -", plain.Clip(j.Preset, 80))
	case j.Kind != "" && !ValidID(j.Kind):
		return fmt.Errorf("kind %q must be 1 to 64 of the characters A-Z a-z 0-9 . _ -", plain.Clip(j.Kind, 80))
	case len(j.Labels) > MaxLabels:
		return fmt.Errorf("%d labels, over the limit of %d: labels choose the lane; put what the job's kind needs "+
			"into params", len(j.Labels), MaxLabels)
	case Nesting(j.Params) > MaxDepth:
		return fmt.Errorf("params nest %d levels deep, over the limit of %d: put such data into the input",
			Nesting(j.Params), MaxDepth)
	}
	for _, name := range slices.Sorted(maps.Keys(j.Labels)) {
		label := fmt.Sprintf("label %q", plain.Clip(name, 80))
		if err := checkText("the name of "+label, name, MaxLabelName); err != nil {
			return err
		}
		if err := checkText(label, j.Labels[name], MaxLabelValue); err != nil {
			return err
		}
	}
	if err := checkText("input", j.Input, MaxURL); err != nil {
		return err
	}
	if err := checkText("output", j.Output, MaxURL); err != nil {
		return err
	}
	return checkText("dedupKey", j.DedupKey, maxDedupKey)
}

// checkText says what keeps a text from being kept and shown: its length, or characters that would change how others
// are shown.
func checkText(what, text string, most int) error {
	switch {
	case len(text) > most:
		return fmt.Errorf("%s has %d bytes, over the limit of %d", what, len(text), most)
	case !utf8.ValidString(text):
		return fmt.Errorf("%s is not UTF-8", what)
	}
	for _, c := range text {
		if plain.Steers(c) {
			return fmt.Errorf("%s has the character %U, which would change how the text around it is shown: leave "+
				"it out, or write it as %%XX in a URL", what, c)
		}
	}
	return nil
}

// Nesting returns how deep arrays and objects nest in a JSON text. For what isn't JSON it returns about as deep as a
// reader would go.
func Nesting(text []byte) (deepest int) {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// Bounded returns the job with what is over a bound cut, for the record of a message that is no job. A cut field is
// refused again when it is sent, so nothing runs by half of what somebody wrote.
func (j Job) Bounded() Job {
	j.Kind, j.Preset = plain.Clip(j.Kind, maxID), plain.Clip(j.Preset, maxID)
	j.Input, j.Output, j.DedupKey = plain.Clip(j.Input, MaxURL), plain.Clip(j.Output, MaxURL),
		plain.Clip(j.DedupKey, maxDedupKey)
	j.Labels = boundedLabels(j.Labels)
	switch depth := Nesting(j.Params); {
	case depth > MaxDepth:
		j.Params = json.RawMessage(fmt.Sprintf(`"not kept: nested %d levels deep, over the limit of %d"`, depth,
			MaxDepth))
	case len(j.Params) > MaxMessage:
		j.Params = json.RawMessage(fmt.Sprintf(`"not kept: %d bytes, over the limit of %d"`, len(j.Params), MaxMessage))
	}
	return j
}

// boundedLabels returns the first labels by name, each cut to its bounds, and one more that says how many others there
// were.
func boundedLabels(all map[string]string) map[string]string {
	within := len(all) <= MaxLabels
	for name, value := range all {
		within = within && len(name) <= MaxLabelName && len(value) <= MaxLabelValue
	}
	if within {
		return all
	}
	kept := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(all))[:min(len(all), MaxLabels)] {
		kept[plain.Clip(name, MaxLabelName)] = plain.Clip(all[name], MaxLabelValue)
	}
	if more := len(all) - MaxLabels; more > 0 {
		kept["…"] = fmt.Sprintf("%d more", more)
	}
	return kept
}
