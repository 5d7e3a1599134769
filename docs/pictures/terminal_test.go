package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// A terminal's screens are drawn as they were seen: each once, in their colours, with nothing that acts in the picture.
func TestTerminal(t *testing.T) {
	written := "Script started\r\n\x1b[?1049h\x1b[?25l" +
		home + "LANE  STATUS\x1b[K\r\nbulk  \x1b[2midle\x1b[0m\x1b[K\x1b[J" +
		home + "LANE  STATUS\x1b[K\r\nbulk  \x1b[2midle\x1b[0m\x1b[K\x1b[J" +
		home + "LANE  STATUS\x1b[K\r\n<b>&  \x1b[32mmet\x1b[0m, promoted\x1b[K\x1b[J" +
		firstScreen + "LANE  STATUS\r\n<b>&  met, promoted\r\n\r\nScript done\r\n"
	all := frames(written)
	if len(all) != 2 || all[1] != "LANE  STATUS\n<b>&  \x1b[32mmet\x1b[0m, promoted" {
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
	still := string(draw("siren <lanes>", all[1:]))
	if !strings.Contains(still, ">met<") || strings.Contains(still, "animation:") || strings.Contains(still, "hidden") {
		t.Errorf("a still picture moves:\n%s", still)
	}
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// The pictures of the page that the docs show are there, in light and in dark, and are small.
func TestPagePictures(t *testing.T) {
	for doc, prefix := range map[string]string{"../../README.md": "docs/img/", "../gateway.md": "img/"} {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		for _, s := range shots {
			light, dark := prefix+s.Name+"-light.png", prefix+s.Name+"-dark.png"
			if !strings.Contains(string(text), `<img src="`+light+`"`) {
				continue
			}
			shown++
			if !strings.Contains(string(text), `<source media="(prefers-color-scheme: dark)" srcset="`+dark+`">`) {
				t.Errorf("%s shows %s, and not %s where dark is preferred", doc, light, dark)
			}
			for _, path := range []string{"../img/" + s.Name + "-light.png", "../img/" + s.Name + "-dark.png"} {
				if is, err := os.Stat(path); err != nil || is.Size() > mostBytes {
					t.Errorf("%s: %v", path, err)
				}
			}
		}
		if shown == 0 {
			t.Errorf("%s shows no picture of the page", doc)
		}
	}
}

// Whoever wants nothing to move gets a picture that doesn't.
func TestStillPicture(t *testing.T) {
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const still = `<source media="(prefers-reduced-motion: reduce)" srcset="docs/media/lanes-still.svg">`
	if !strings.Contains(string(page), still) {
		t.Errorf("README.md has no %s", still)
	}
	picture, err := os.ReadFile("../media/lanes-still.svg")
	if err != nil || strings.Contains(string(picture), "@keyframes") {
		t.Errorf("%v: it moves:\n%s", err, picture)
	}
}
