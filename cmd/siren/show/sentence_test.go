package show

import (
	"bytes"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/cmd/siren/show/showtest"
)

// On a terminal a text is broken between words; elsewhere it is one line.
func TestSentence(t *testing.T) {
	const text = "lane bulk is paused: nobody takes its jobs; `siren lanes resume bulk`"
	for width, want := range map[uint16]string{
		30: "  - lane bulk is paused:\n    nobody takes its jobs;\n    `siren lanes resume bulk`\n",
		80: "  - " + text + "\n",
		10: "  - " + text + "\n",
		0:  "  - " + text + "\n",
	} {
		tty, read := showtest.Terminal(t, width, 20)
		Sentence(NewTerminal(tty), "  - ", text)
		if got := strings.ReplaceAll(read(), "\r", ""); got != want {
			t.Errorf("%d characters: %q, want %q", width, got, want)
		}
	}
	var file bytes.Buffer
	Sentence(NewTerminal(&file), "  - ", text)
	if want := "  - " + text + "\n"; file.String() != want {
		t.Errorf("no terminal: %q", file.String())
	}
}
