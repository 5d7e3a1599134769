package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// A terminal's screens are drawn as they were seen: each once, in their colours, with nothing that acts in the picture.
func TestTerminal(t *testing.T) {
	written := "Script started\r\n" + clearScreen + "LANE  STATUS\r\nbulk  \x1b[2midle\x1b[0m\r\n" +
		clearScreen + "LANE  STATUS\r\nbulk  \x1b[2midle\x1b[0m\r\n" +
		clearScreen + "LANE  STATUS\r\n<b>&  \x1b[32mmet\x1b[0m\x1b[K, promoted\r\n\r\nScript done\r\n"
	all := frames(written)
	if len(all) != 2 || all[1] != "LANE  STATUS\n<b>&  \x1b[32mmet\x1b[0m\x1b[K, promoted" {
		t.Fatalf("frames: %q", all)
	}
	if got := width(strings.Split(all[1], "\n")[1]); got != len("<b>&  met, promoted") {
		t.Errorf("a width of %d characters", got)
	}
	picture := string(draw("siren <lanes>", all))
	for _, want := range []string{
		`bulk  <tspan class="dim">idle</tspan></text>`,
		`&lt;b&gt;&amp;  <tspan class="green">met</tspan>, promoted</text>`,
		`<g class="frame" style="animation-delay: 0s">`, `<g class="frame last" style="animation-delay: 1s">`,
		"turn 2s step-end", "50.000%", "siren &lt;lanes&gt;</text>",
	} {
		if !strings.Contains(picture, want) {
			t.Errorf("no %q in\n%s", want, picture)
		}
	}
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
