package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// output is the -o flag of commands that show something.
type output struct {
	format string
}

// flag adds -o with the forms there are. The first is the default.
func (o *output) flag(c *cobra.Command, forms ...string) {
	o.format = forms[0]
	oneOf(c, &o.format, "output", "o", "`FORM` of the output", forms...)
}

// print shows v as JSON or YAML.
func (o *output) print(w io.Writer, v any) error {
	text, err := encode(v, o.format, "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// encode is v as JSON or, with that format, YAML. A list without elements is one all the same.
func encode(v any, format, indent string) ([]byte, error) {
	if l := reflect.ValueOf(v); l.Kind() == reflect.Slice && l.IsNil() {
		v = []any{}
	}
	if format == "yaml" {
		return yaml.Marshal(v)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // URLs have ampersands
	e.SetIndent("", indent)
	err := e.Encode(v)
	return b.Bytes(), err
}

// listing is how a command shows a list: in which form, with or without headers, and once or again and again.
type listing struct {
	output
	kind      string // what -o name puts before each name: lane/express; "": the things have no names, and there is no such form
	noHeaders bool
	watching  bool
}

// flags adds -o, --no-headers and --watch.
func (l *listing) flags(c *cobra.Command) {
	forms := []string{"table", "wide", "json", "yaml"}
	if l.kind != "" {
		forms = append(forms, "name")
	}
	l.flag(c, forms...)
	c.Flags().BoolVar(&l.noHeaders, "no-headers", false, "leave out the headers of the table")
	c.Flags().BoolVarP(&l.watching, "watch", "w", false, "show again every second until Ctrl-C")
}

// watchEvery is how often --watch looks again.
const watchEvery = time.Second

// show looks once, or with --watch again and again, and shows what there is: a value for JSON and YAML, and the table of it. A look that
// fails ends it when it is the first; later it is said, and tried again.
func (l *listing) show(ctx context.Context, s streams, look func() (any, *table, error)) error {
	v, t, err := look()
	if err != nil {
		return err
	}
	if !l.watching {
		return l.write(s.out, s.err, s.err, v, t)
	}
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for frames := 0; ; frames++ {
		if err := l.frame(s, frames, v, t, err); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if v, t, err = look(); ctx.Err() != nil {
			return nil
		}
	}
}

// frame shows what one look of --watch saw; on a terminal each time in the same place.
func (l *listing) frame(s streams, number int, v any, t *table, failed error) error {
	screen := isTerminal(s.out)
	var seen bytes.Buffer
	said := s.err
	if screen {
		said = &seen
	}
	if failed != nil {
		fmt.Fprintln(said, warning(s.err, failed.Error()+"; trying again"))
	} else if err := l.write(&seen, said, s.err, v, t); err != nil {
		return err
	}
	switch {
	case screen:
		fmt.Fprint(s.out, "\x1b[H\x1b[2J")
	case l.format == "yaml" && number > 0 && failed == nil:
		fmt.Fprintln(s.out, "---")
	}
	_, err := s.out.Write(seen.Bytes())
	return err
}

// write shows the list in the form that was asked for. What isn't part of it is said to the second writer, in the colours of the third.
func (l *listing) write(out, said, terminal io.Writer, v any, t *table) error {
	for _, w := range t.warnings {
		fmt.Fprintln(said, warning(terminal, w))
	}
	var err error
	switch l.format {
	case "json", "yaml":
		return l.print(out, v)
	case "name":
		for _, name := range t.names() {
			fmt.Fprintf(out, "%s/%s\n", l.kind, name)
		}
	default:
		if len(t.rows) == 0 && t.empty != "" {
			fmt.Fprintln(said, t.empty)
			break
		}
		_, err = io.WriteString(out, t.text(l.format == "wide", !l.noHeaders, make([]int, len(t.columns))))
	}
	return err
}

// stream shows rows as they come, one after the other.
type stream struct {
	*listing
	w      io.Writer
	widths []int // of the columns so far: they only grow
}

// stream begins one in the form that was asked for.
func (l *listing) stream(w io.Writer) *stream { return &stream{listing: l, w: w} }

// add shows the next value, and its rows. JSON has a line for each value, YAML a document.
func (s *stream) add(v any, t *table) error {
	first := s.widths == nil
	if first {
		s.widths = make([]int, len(t.columns))
	}
	switch s.format {
	case "json", "yaml":
		text, err := encode(v, s.format, "")
		if err == nil && s.format == "yaml" && !first {
			text = append([]byte("---\n"), text...)
		}
		if err == nil {
			_, err = s.w.Write(text)
		}
		return err
	case "name":
		return s.write(s.w, io.Discard, io.Discard, v, t)
	default:
		_, err := io.WriteString(s.w, t.text(s.format == "wide", first && !s.noHeaders, s.widths))
		return err
	}
}

// asYAML is v as the policy file spells it.
func asYAML(v any) string {
	out, err := yaml.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// listed is words as a sentence lists them: table, json or yaml.
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
