package media

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/lanes"
)

// params reads a job's params for one kind. Each reading method notes the name as known, and a problem when the value
// doesn't fit; err then tells all of them at once, unknown names included.
type params struct {
	kind     string
	given    map[string]json.RawMessage
	known    []string
	problems []string
}

func readParams(kind string, raw json.RawMessage) *params {
	p := &params{kind: kind}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &p.given); err != nil {
			p.problem("params must be a JSON object")
		}
	}
	return p
}

func (p *params) problem(format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// err is every problem in one message, nil without any. Call it after the last read.
func (p *params) err() error {
	slices.Sort(p.known)
	for _, name := range slices.Sorted(maps.Keys(p.given)) {
		if slices.Contains(p.known, name) {
			continue
		}
		takes := "none"
		if len(p.known) > 0 {
			takes = strings.Join(p.known, ", ")
		}
		p.problem("no param %q (%s takes %s)%s", name, p.kind, takes, lanes.Suggest(name, p.known))
	}
	if len(p.problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %s", p.kind, strings.Join(p.problems, "; "))
}

// value is the raw value of a param; false when it is absent or null.
func (p *params) value(name string) (json.RawMessage, bool) {
	p.known = append(p.known, name)
	raw, ok := p.given[name]
	return raw, ok && string(raw) != "null"
}

// whole reads a whole number within [least, most]; 0 and false when it isn't given.
func (p *params) whole(name string, least, most int) (int, bool) {
	v, ok := p.number(name, float64(least), float64(most))
	if ok && v != math.Trunc(v) {
		p.problem("%s must be a whole number, not %v", name, v)
	}
	return int(v), ok
}

// number reads a number within [least, most]; 0 and false when it isn't given.
func (p *params) number(name string, least, most float64) (float64, bool) {
	raw, ok := p.value(name)
	if !ok {
		return 0, false
	}
	var v float64
	if err := json.Unmarshal(raw, &v); err != nil || v < least || v > most {
		p.problem("%s must be a number from %v to %v, not %s", name, least, most, clip(string(raw)))
		return 0, false
	}
	return v, true
}

// text reads a text; "" and false when it isn't given. The caller must not pass it on, only compare and parse it.
func (p *params) text(name string) (string, bool) {
	raw, ok := p.value(name)
	if !ok {
		return "", false
	}
	var v string
	if err := json.Unmarshal(raw, &v); err != nil {
		p.problem("%s must be a text, not %s", name, clip(string(raw)))
		return "", false
	}
	return v, true
}

// choice reads one of the given words; the first is the default.
func (p *params) choice(name string, words ...string) string {
	v, ok := p.text(name)
	if !ok {
		return words[0]
	}
	if i := slices.Index(words, v); i >= 0 {
		return words[i]
	}
	said := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" })
	p.problem("%s must be one of %s, not %q%s", name, strings.Join(said, ", "), clip(v), lanes.Suggest(v, said))
	return words[0]
}

// size reads width and height: a box that the picture is fitted into, 0 where it isn't given.
func (p *params) size() (width, height int) {
	width, _ = p.whole("width", 16, 8192)
	height, _ = p.whole("height", 16, 8192)
	return width, height
}

var bitrateForm = regexp.MustCompile(`^(\d{1,6}(?:\.\d{1,3})?)([kM])$`)

// bitrate parses 2500k or 2.5M into bits per second.
func bitrate(text string) (int, bool) {
	m := bitrateForm.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	v, _ := strconv.ParseFloat(m[1], 64) // the form is a number
	return int(v * map[string]float64{"k": 1e3, "M": 1e6}[m[2]]), true
}

// clip cuts what a producer wrote to what a message can bear.
func clip(s string) string { return lanes.Clip(s, 60) }
