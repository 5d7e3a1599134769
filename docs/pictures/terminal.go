package main

import (
	"bytes"
	"fmt"
	"html"
	"slices"
	"strings"
	"unicode/utf8"
)

// What begins a frame of --watch, and what ends the last one.
const (
	home        = "\x1b[H"
	firstScreen = "\x1b[?25h\x1b[?1049l"
)

// frames returns the screens that a program has shown one after the other, those that differ.
func frames(written string) (all []string) {
	written, _, _ = strings.Cut(strings.ReplaceAll(written, "\r\n", "\n"), firstScreen)
	for i, frame := range strings.Split(written, home) {
		frame, _, _ = strings.Cut(frame, "\nScript ") // what script says of itself at the end
		frame = strings.TrimRight(erasing.Replace(frame), "\n")
		if i > 0 && frame != "" && !slices.Contains(all, frame) {
			all = append(all, frame)
		}
	}
	return all
}

// erasing removes what clears the rest of a line, and what is below.
var erasing = strings.NewReplacer("\x1b[K", "", "\x1b[J", "")

// The measures of the terminal, in pixels.
const (
	charWidth  = 8.43 // of a font of 14 px
	lineHeight = 21
	margin     = 18
	titleBar   = 34
)

// classes are the styles that siren uses, by their numbers.
var classes = map[string]string{"2": "dim", "31": "red", "32": "green", "33": "yellow", "36": "cyan"}

const terminalStyle = `
.paper { fill: #11161d; } .bar { fill: #1b222c; } .dot { fill: #3a4451; }
text { font: 14px ui-monospace, "SF Mono", SFMono-Regular, Menlo, "DejaVu Sans Mono", "Liberation Mono", monospace;
  fill: #dbe2ea; white-space: pre; }
text.title { fill: #93a0ad; }
.dim { fill: #8793a0; } .green { fill: #7ad99c; } .red { fill: #ff8f85; }
.yellow { fill: #efc95f; } .cyan { fill: #76d5e3; }
`

// draw draws a terminal that shows the frames for a second each, over and over; or the last, to those who want nothing
// to move. A browser that shows the picture in a page may not know what they want: the page has to choose a picture of
// the last frame alone.
func draw(title string, all []string) []byte {
	wide, high := 0, 0
	for _, f := range all {
		lines := strings.Split(f, "\n")
		high = max(high, len(lines))
		for _, l := range lines {
			wide = max(wide, width(l))
		}
	}
	w, h := int(float64(wide)*charWidth)+2*margin, titleBar+high*lineHeight+2*margin-6
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n",
		w, h, html.EscapeString("what "+title+" shows"))
	fmt.Fprintf(&b, "<style>%s%s</style>\n", terminalStyle, moving(len(all)))
	fmt.Fprintf(&b, `<rect class="paper" width="%d" height="%d" rx="9"/>`+"\n", w, h)
	fmt.Fprintf(&b, `<path class="bar" d="M0 %dV9a9 9 0 0 1 9-9H%da9 9 0 0 1 9 9V%dz"/>`+"\n", titleBar, w-9, titleBar)
	for i := range 3 {
		fmt.Fprintf(&b, `<circle class="dot" cx="%d" cy="17" r="5.5"/>`, 20+18*i)
	}
	fmt.Fprintf(&b, "\n"+`<text class="title" x="%d" y="22" text-anchor="middle">%s</text>`+"\n", w/2,
		html.EscapeString(title))
	for i, f := range all {
		class := "frame"
		if i == len(all)-1 {
			class = "frame last"
		}
		fmt.Fprintf(&b, `<g class="%s" style="animation-delay: %ds">`+"\n", class, i)
		for n, line := range strings.Split(f, "\n") {
			fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text>`+"\n", margin, titleBar+margin+10+n*lineHeight, spans(line))
		}
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// moving is the style by which n frames are seen in turn.
func moving(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(`.frame { visibility: hidden; } .frame.last { visibility: visible; }
@media (prefers-reduced-motion: no-preference) {
  .frame, .frame.last { visibility: hidden; animation: turn %ds step-end infinite; }
}
@keyframes turn { 0%% { visibility: visible; } %.3f%% { visibility: hidden; } }
`, n, 100/float64(n))
}

// spans writes a line as SVG text: each run of one style in its class.
func spans(line string) string {
	var b strings.Builder
	each(line, func(text, class string) {
		text = html.EscapeString(text)
		if class == "" {
			b.WriteString(text)
		} else {
			fmt.Fprintf(&b, `<tspan class="%s">%s</tspan>`, class, text)
		}
	})
	return b.String()
}

// width is how many characters of a line are seen.
func width(line string) (n int) {
	each(line, func(text, _ string) { n += utf8.RuneCountInString(text) })
	return n
}

// each goes through the runs of a line between its escapes. Those that aren't styles do nothing.
func each(line string, run func(text, class string)) {
	class := ""
	for line != "" {
		text, rest, escaped := strings.Cut(line, "\x1b[")
		if text != "" {
			run(text, class)
		}
		if !escaped {
			return
		}
		end := strings.IndexFunc(rest, func(c rune) bool { return c >= '@' && c <= '~' })
		if end < 0 {
			return
		}
		if rest[end] == 'm' {
			class = classes[rest[:end]]
		}
		line = rest[end+1:]
	}
}
