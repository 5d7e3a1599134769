package enqueuecmd

import (
	"io"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/cmd/siren/app"
)

// What a job has one of is given once: of two the first would be lost without a word.
func TestGivenTwice(t *testing.T) {
	for _, flag := range []string{"--preset", "--input", "-i", "--output", "--id", "--file", "--dedup-key"} {
		c := New(&app.App{})
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetOut(io.Discard)
		c.SetArgs([]string{flag, "a", flag, "b"})
		if err := c.Execute(); err == nil || !strings.HasSuffix(err.Error(), "flag: it is given twice") {
			t.Errorf("%s: %v", flag, err)
		}
	}
	if _, err := parseParams("", []string{"width=1", "height=2", "width=3"}); err == nil {
		t.Error("a param given twice is taken")
	}
	if _, err := parseLabels([]string{"a=1", "a=2"}); err == nil {
		t.Error("a label given twice is taken")
	}
}
