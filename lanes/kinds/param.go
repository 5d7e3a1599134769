package kinds

import (
	"encoding/json"
	"fmt"
	"image/color"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes/plain"
)

// Type is what the values of a param are.
type Type string

// The types of params.
const (
	Whole   Type = "whole number"
	Number  Type = "number"
	Word    Type = "word"     // one of Words
	BitRate Type = "bit rate" // 2500k or 2.5M, or one of Words
	Moments Type = "moments"  // a place in a video, or a list of them
	Colour  Type = "colour"   // #rrggbb or #rgb, or one of Words
)

// Param is one param of a kind.
type Param struct {
	Name        string
	Was         string // what it was called before, and may still be
	Type        Type
	Least, Most float64  // of a number, or of a bit rate in bits per second
	Words       []string // that it may be
	Default     string   // as JSON; "" when it follows from something else:
	Otherwise   string   // what counts then, in words
	About       string
}

// Values are the params of a job, each of its type, with their defaults.
type Values map[string]any

// Number returns the value of a number or bit rate; 0 when there is none.
func (v Values) Number(name string) float64 {
	n, _ := v[name].(float64)
	return n
}

// Whole returns the value of a whole number or bit rate; 0 when there is none.
func (v Values) Whole(name string) int { return int(v.Number(name)) }

// Word returns the value of a param of words; "" when there is none. It is the catalogue's string, never the job's.
func (v Values) Word(name string) string {
	w, _ := v[name].(string)
	return w
}

// Moments returns the value of a param that is places in a video, and whether they are a list; a single one is of one
// place.
func (v Values) Moments(name string) (places []Place, list bool) {
	switch m := v[name].(type) {
	case []Place:
		return m, true
	case Place:
		return []Place{m}, false
	}
	return nil, false
}

// Colour returns the value of a param that is a colour, and whether it is one; a word isn't.
func (v Values) Colour(name string) (color.NRGBA, bool) {
	c, is := v[name].(color.NRGBA)
	return c, is
}

// Place is a place in a video: the most representative frame, seconds from the start, or a part of the whole.
type Place struct {
	Representative bool
	Seconds        float64
	Fraction       float64 // used when it is not negative
}

// MaxSeconds is how long an input may be.
const MaxSeconds = 24 * 60 * 60

// mostMoments is how many places a list may have.
const mostMoments = 100

// parse reads a value, which is a float64, one of the words, a colour, a Place, or a list of those.
func (p Param) parse(raw json.RawMessage) (any, error) {
	said := plain.Clip(string(raw), shown)
	if p.Type == Moments {
		return p.moments(raw)
	}
	if p.Type == Whole || p.Type == Number {
		return p.number(raw)
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		if slices.Contains(p.Words, said) { // 5.1
			return nil, fmt.Errorf("%s must be a string, not a number: write it in quotes, \"%s\"", p.Name, said)
		}
		return nil, fmt.Errorf("%s must be a string, not %s", p.Name, said)
	}
	if i := slices.Index(p.Words, text); i >= 0 {
		return p.Words[i], nil
	}
	if p.Type == Word {
		return nil, fmt.Errorf("%s must be one of %s, not %q%s", p.Name, strings.Join(p.Words, ", "),
			plain.Clip(text, shown), plain.Suggest(text, p.Words))
	}
	if p.Type == Colour {
		if c, ok := colour(text); ok {
			return c, nil
		}
		return nil, fmt.Errorf("%s must be %s, not %q", p.Name, p.Range(), plain.Clip(text, shown))
	}
	if v, ok := bitRate(text); ok && v >= p.Least && v <= p.Most {
		return v, nil
	}
	return nil, fmt.Errorf("%s must be %sa bit rate from %.0fk to %.0fk (2500k, 2.5M), not %q", p.Name, p.orWords(),
		p.Least/1000, p.Most/1000, plain.Clip(text, shown))
}

// number reads a number, or one of the words.
func (p Param) number(raw json.RawMessage) (any, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if i := slices.Index(p.Words, text); i >= 0 {
			return p.Words[i], nil
		}
	}
	var v float64
	if err := json.Unmarshal(raw, &v); err != nil || v < p.Least || v > p.Most {
		return nil, fmt.Errorf("%s must be %sa number from %v to %v, not %s", p.Name, p.orWords(), p.Least, p.Most,
			plain.Clip(string(raw), shown))
	}
	if p.Type == Whole && v != math.Trunc(v) {
		return nil, fmt.Errorf("%s must be a whole number, not %v", p.Name, v)
	}
	return v, nil
}

// orWords is what a message says of the words before anything else that the value may be.
func (p Param) orWords() string {
	if len(p.Words) == 0 {
		return ""
	}
	return `"` + strings.Join(p.Words, `", "`) + `" or `
}

// moments reads a place, or a list of them.
func (p Param) moments(raw json.RawMessage) (any, error) {
	if m, ok := moment(raw); ok {
		return m, nil
	}
	const one = `seconds (12.5), a duration ("1m30s"), a part ("25%") or "representative"`
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil, fmt.Errorf(`%s must be %s, or a list of those (["10%%", 12.5]), not %s`, p.Name, one,
			plain.Clip(string(raw), shown))
	}
	if len(list) == 0 || len(list) > mostMoments {
		return nil, fmt.Errorf("%s must be a list of 1 to %d moments, not of %d", p.Name, mostMoments, len(list))
	}
	places := make([]Place, len(list))
	for i, item := range list {
		var ok bool
		if places[i], ok = moment(item); !ok {
			return nil, fmt.Errorf("moment %d of %s must be %s, not %s", i+1, p.Name, one,
				plain.Clip(string(item), shown))
		}
	}
	return places, nil
}

const bitRatePattern = `^(\d{1,6}(?:\.\d{1,3})?)([kM])$`

var bitRateForm = regexp.MustCompile(bitRatePattern)

// bitRate parses 2500k or 2.5M into bits per second.
func bitRate(text string) (float64, bool) {
	m := bitRateForm.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	v, _ := strconv.ParseFloat(m[1], 64) // the form is a number
	return math.Trunc(v * map[string]float64{"k": 1e3, "M": 1e6}[m[2]]), true
}

const colourPattern = `^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$`

var colourForm = regexp.MustCompile(colourPattern)

// colour parses #rrggbb, or #rgb, which says each digit once.
func colour(text string) (color.NRGBA, bool) {
	if !colourForm.MatchString(text) {
		return color.NRGBA{}, false
	}
	digits := text[1:]
	if len(digits) == 3 {
		r, g, b := digits[:1], digits[1:2], digits[2:]
		digits = r + r + g + g + b + b
	}
	n, _ := strconv.ParseUint(digits, 16, 24) // the form is a number
	return color.NRGBA{R: uint8(n >> 16), G: uint8(n >> 8), B: uint8(n), A: 255}, true
}

const representative = "representative"

// moment reads "representative", seconds as a number, a duration ("1m30s") or a percentage ("25%").
func moment(raw json.RawMessage) (Place, bool) {
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err == nil {
		return Place{Seconds: seconds, Fraction: -1}, seconds >= 0 && seconds <= MaxSeconds
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return Place{}, false
	}
	if text == representative {
		return Place{Representative: true}, true
	}
	if number, ok := strings.CutSuffix(text, "%"); ok {
		v, err := strconv.ParseFloat(number, 64)
		return Place{Fraction: v / 100}, err == nil && v >= 0 && v <= 100
	}
	d, err := time.ParseDuration(text)
	return Place{Seconds: d.Seconds(), Fraction: -1}, err == nil && d >= 0 && d.Seconds() <= MaxSeconds
}

// Range says what the values may be, as in a table.
func (p Param) Range() string {
	words := func() string { return `"` + strings.Join(p.Words, `", "`) + `"` }
	switch p.Type {
	case Word:
		return words()
	case Moments:
		return fmt.Sprintf(`"representative", seconds, a duration or a percentage; or a list of up to %d of them`,
			mostMoments)
	case Colour:
		return p.orWords() + `a colour ("#2563eb", "#fff")`
	case BitRate:
		text := fmt.Sprintf("a bit rate from %.0fk to %.0fk (\"2500k\", \"2.5M\")", p.Least/1000, p.Most/1000)
		if len(p.Words) > 0 {
			text = words() + ", " + text
		}
		return text
	default:
		return p.orWords() + fmt.Sprintf("a %s from %v to %v", p.Type, p.Least, p.Most)
	}
}

// Schema returns the JSON Schema of the values.
func (p Param) Schema() map[string]any {
	s := map[string]any{"description": p.About}
	text := func(more map[string]any) map[string]any {
		more["type"] = "string"
		return more
	}
	switch p.Type {
	case Whole, Number:
		number := map[string]any{
			"type": map[Type]string{Whole: "integer", Number: "number"}[p.Type], "minimum": p.Least, "maximum": p.Most,
		}
		if len(p.Words) > 0 {
			s["anyOf"] = []any{number, map[string]any{"enum": p.Words}}
		} else {
			maps.Copy(s, number)
		}
	case Word:
		s["enum"] = p.Words
	case BitRate, Colour:
		pattern := map[Type]string{BitRate: bitRatePattern, Colour: colourPattern}[p.Type]
		s["anyOf"] = []any{text(map[string]any{"pattern": pattern})}
		if len(p.Words) > 0 {
			s["anyOf"] = append(s["anyOf"].([]any), map[string]any{"enum": p.Words})
		}
	case Moments:
		one := []any{
			map[string]any{"type": "number", "minimum": 0, "maximum": MaxSeconds},
			map[string]any{"const": representative},
			text(map[string]any{"pattern": `^[0-9.]+%$`}),
			text(map[string]any{"pattern": `^([0-9.]+(ns|us|µs|ms|s|m|h))+$`}),
		}
		s["anyOf"] = append(slices.Clone(one), map[string]any{
			"type": "array", "items": map[string]any{"anyOf": one}, "minItems": 1, "maxItems": mostMoments,
		})
	}
	if p.Default != "" {
		s["default"] = json.RawMessage(p.Default)
	}
	return s
}

// Written returns a param's value as a job has it, of what somebody typed: 5.1 is a number for one param and a word for
// another. kind is "" where it isn't known. What is written as JSON text, or null, stays as it is.
func Written(kind, name, typed string) json.RawMessage {
	name = Current(kind, name)
	var words, others bool
	for _, k := range all {
		for _, p := range k.Params {
			if p.Name == name && (kind == "" || kind == k.Name) {
				isText := p.Type == Word || p.Type == BitRate || p.Type == Colour
				words, others = words || isText, others || !isText
			}
		}
	}
	raw := json.RawMessage(typed)
	if json.Valid(raw) && (!words || others || typed == "null" || strings.HasPrefix(strings.TrimSpace(typed), `"`)) {
		return raw
	}
	raw, _ = json.Marshal(typed) // of a text, which always can be
	return raw
}
