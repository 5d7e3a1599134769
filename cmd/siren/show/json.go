package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"unicode/utf16"

	"sigs.k8s.io/yaml"

	"github.com/polyglot-media/siren/lanes/plain"
)

// encode writes v as JSON or, with that format, YAML, without the secrets of URLs. A list without elements is still a
// list.
func encode(v any, format, indent string) ([]byte, error) {
	if l := reflect.ValueOf(v); l.Kind() == reflect.Slice && l.IsNil() {
		v = []any{}
	}
	text, err := AsItIs(v, indent)
	if err != nil {
		return nil, err
	}
	text = hideInStrings(text)
	if format == "yaml" {
		return toYAML(text)
	}
	return text, nil
}

// AsItIs writes v as JSON with all that is in it, the secrets of URLs too, for a program that needs them. No character
// in it acts on a terminal.
func AsItIs(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // URLs have ampersands
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return escaped(b.Bytes()), nil
}

// jsonString is a string in JSON.
var jsonString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// hideInStrings leaves the secrets of URLs out of JSON, wherever they stand.
func hideInStrings(text []byte) []byte {
	return jsonString.ReplaceAllFunc(text, func(quoted []byte) []byte {
		if !bytes.Contains(quoted, []byte("://")) && !bytes.Contains(quoted, []byte(`\`)) {
			return quoted
		}
		var s string
		if json.Unmarshal(quoted, &s) != nil {
			return quoted
		}
		shown := plain.HideSecrets(s)
		if shown == s {
			return quoted
		}
		again, err := AsItIs(shown, "")
		if err != nil {
			return quoted
		}
		return bytes.TrimSuffix(again, []byte("\n"))
	})
}

// yamlMark is around the number of a character that YAML is to write as an escape. It is a control character, so YAML
// quotes what it is in and escapes it; every one that was in the text before has become such a number.
const yamlMark = `\u0001`

var (
	jsonEscape = regexp.MustCompile(`(?i)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|\\u([0-9a-f]{4})|\\.`)
	yamlEscape = regexp.MustCompile(`\\x01([0-9]+)\\x01`)
)

// toYAML makes YAML of JSON. A character that acts is escaped in both: the library alone would write what changes the
// direction of text.
func toYAML(text []byte) ([]byte, error) {
	text = jsonEscape.ReplaceAllFunc(text, func(escape []byte) []byte {
		if c := escapedRune(escape); acts(c) {
			return fmt.Appendf(nil, yamlMark+"%d"+yamlMark, c)
		}
		return escape
	})
	text, err := yaml.JSONToYAML(text)
	return yamlEscape.ReplaceAllFunc(text, func(marked []byte) []byte {
		c, _ := strconv.ParseUint(string(yamlEscape.FindSubmatch(marked)[1]), 10, 32)
		if c > 0xffff {
			return fmt.Appendf(nil, `\U%08X`, c)
		}
		return fmt.Appendf(nil, `\u%04X`, c)
	}), err
}

// escapedRune returns the character that an escape of JSON stands for. A short escape, such as \n, stands for what YAML
// writes well.
func escapedRune(escape []byte) rune {
	m := jsonEscape.FindSubmatch(escape)
	hex := func(digits []byte) rune {
		c, _ := strconv.ParseUint(string(digits), 16, 16)
		return rune(c)
	}
	switch {
	case m[1] != nil:
		return utf16.DecodeRune(hex(m[1]), hex(m[2]))
	case m[3] != nil:
		return hex(m[3])
	default:
		return ' '
	}
}

// YAML writes v as the policy file spells it.
func YAML(v any) string {
	out, err := encode(v, "yaml", "")
	if err != nil {
		return err.Error()
	}
	return string(out)
}
