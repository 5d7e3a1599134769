package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"sigs.k8s.io/yaml"
)

const hostileText = "a\x1b[31m\u009b8m\u202egpj.exe\u2066\u200b\U000E0041\x7f\u2028é\r\nline\ttab \x01202\x01"

// Free text keeps its lines; nothing else in it acts on a terminal. Colours are this program's own.
func TestTerminalCleans(t *testing.T) {
	coloured, plain := onTerminal(t, func(w *Terminal) {
		fmt.Fprintf(w, "%s\n", hostileText)
		Warn(w, "\x1b[8m")
		Paint(w, Green, "ok\x1b[8m")
		Rewrite(w, "half\n\x1b[8m")
		fmt.Fprintf(w, "siren: fetch https://h/a?sig=secret\n")
	})
	const want = "a�[31m�8m�gpj.exe�����é\nline\ttab �202�\n%swarning:%s �[8m\n%sok�[8m%s\r\x1b[Khalf �[8msiren: " +
		"fetch https://h/a?sig=…\n"
	if got := fmt.Sprintf(want, "", "", "", ""); plain != got {
		t.Errorf("%q, not %q", plain, got)
	}
	if got := fmt.Sprintf(want, "\x1b[33m", "\x1b[0m", "\x1b[32m", "\x1b[0m"); coloured != got {
		t.Errorf("%q, not %q", coloured, got)
	}
}

// A character may come in two writes.
func TestTerminalKeepsCharacters(t *testing.T) {
	const text = "é日本🚀\xff\xc3x\u202e."
	var b bytes.Buffer
	w := NewTerminal(&b)
	for i := range len(text) {
		if n, err := w.Write([]byte(text[i : i+1])); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := "é日本🚀��x�."; b.String() != want {
		t.Errorf("%q, not %q", b.String(), want)
	}
}

// JSON and YAML say all that there is but for the secrets of URLs, and have no character that acts on a terminal.
func TestFormsAreHarmless(t *testing.T) {
	type thing struct {
		Text   string            `json:"text"`
		Labels map[string]string `json:"labels"`
		URL    string            `json:"url"`
		Params json.RawMessage   `json:"params"`
		Empty  []string          `json:"empty"`
	}
	v := thing{
		Text: hostileText, Labels: map[string]string{"k" + hostileText: "\U0001F680"},
		URL:    `https://me:secret@h/a?sig=secret&x="secret\`,
		Params: json.RawMessage(`{"from":"https:\/\/h/?sig=secret","esc":"\u00e9\u202E\udb40\udc41\n\"\\u202e"}`),
	}
	want := v
	want.URL, want.Params = `https://me:…@h/a?sig=…&x=…`,
		json.RawMessage(`{"from":"https://h/?sig=…","esc":"é\u202e\udb40\udc41\n\"\\u202e"}`)
	for _, format := range []string{"json", "yaml"} {
		var b bytes.Buffer
		o := Output{Format: format}
		if err := o.Print(NewTerminal(&b), v); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if i := strings.IndexFunc(text, func(c rune) bool {
			return c != '\n' && acts(c)
		}); i >= 0 || strings.Contains(text, "secret") {
			t.Errorf("%s: %q", format, text)
		}
		asJSON := []byte(text)
		if format == "yaml" {
			var err error
			if asJSON, err = yaml.YAMLToJSON(asJSON); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
		}
		if got, want := decoded[any](t, asJSON), decoded[any](t, marshalled(t, want)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read again %q\nnot %q", format, got, want)
		}
	}
	if text, err := AsItIs(v, ""); err != nil || decoded[thing](t, text).URL != v.URL ||
		decoded[thing](t, text).Text != v.Text {
		t.Errorf("as it is: %s, %v", text, err)
	}
}

func decoded[T any](t *testing.T, text []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func marshalled(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Whatever a stranger writes: it can be read again, and nothing of it acts.
func FuzzForms(f *testing.F) {
	f.Add(hostileText)
	f.Add("://\\\"\u0085\x00")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "://") {
			return // it may have a secret
		}
		s = strings.ToValidUTF8(s, "?")
		for _, format := range []string{"json", "yaml"} {
			text, err := encode([]string{s}, format, "  ")
			if err != nil {
				t.Fatal(err)
			}
			if i := bytes.IndexFunc(text, func(c rune) bool {
				return c != '\n' && (unicode.IsControl(c) || acts(c))
			}); i >= 0 {
				t.Errorf("%s: %q", format, text)
			}
			if format == "yaml" {
				if text, err = yaml.YAMLToJSON(text); err != nil {
					t.Fatal(err)
				}
			}
			if again := decoded[[]string](t, text); again[0] != s {
				t.Errorf("%s: %q, read again %q", format, s, again[0])
			}
		}
	})
}

func TestClip(t *testing.T) {
	for s, want := range map[string]string{"short": "short", "fünf!": "fünf!", "longer": "long…", "a\nb": "a b"} {
		if got := Clip(s, 5); got != want {
			t.Errorf("Clip(%q) = %q, not %q", s, got, want)
		}
	}
}
