// Package show is how results look: the forms of -o, tables, lists that are watched, colours and warnings on a
// terminal. It writes to the writers that it is given.
//
// What is shown lives with the command that shows it. No flags, no RabbitMQ and no Redis live here.
package show

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Output is the form in which a command shows something.
type Output struct {
	Format string // table, wide, json, yaml or name, as -o says it
}

// Print shows v as JSON or YAML.
func (o *Output) Print(w io.Writer, v any) error {
	text, err := encode(v, o.Format, "  ")
	if err != nil {
		return err
	}
	_, err = Raw(w).Write(text)
	return err
}

// Listing is how a command shows a list: in which form, with or without headers, and once or again and again.
type Listing struct {
	Output
	// what -o name puts before each name: lane/express; "": the things have no names, and there is no such form
	Kind      string
	NoHeaders bool // leaves out the headers of the table
	Watching  bool // shows it again every second
}

// watchEvery is how often --watch looks again.
const watchEvery = time.Second

// errClosed is what becomes of output that goes on and on when nobody can read it.
var errClosed = errors.New("stdout is closed: there is nowhere to write to")

// Show looks once, or with --watch again and again, and shows what there is: a value for JSON and YAML, and the table
// of it. A look that fails ends it when it is the first; later it is said, and tried again. The same failure is said
// once. A table that is watched on a terminal stays in its place, and fits it.
func (l *Listing) Show(ctx context.Context, out, said io.Writer, look func() (any, *Table, error)) error {
	if l.Watching && closed(out) {
		return errClosed
	}
	v, t, err := look()
	if err != nil {
		return err
	}
	if !l.Watching {
		return l.write(out, said, 0, v, t)
	}
	show, resized := l.stream(out, said), (<-chan struct{})(nil)
	if l.Format != "json" && l.Format != "yaml" && Draws(out) {
		screen := NewScreen(out)
		defer screen.Close()
		show, resized = l.on(screen), screen.resized
	}
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		if err := show(v, t, err); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-resized:
			continue
		case <-ticker.C:
		}
		if v, t, err = look(); ctx.Err() != nil {
			return nil
		}
	}
}

// stream returns what shows each look of --watch after the one before.
func (l *Listing) stream(out, said io.Writer) (show func(v any, t *Table, failed error) error) {
	trouble, shown := Trouble{out: said}, 0
	return func(v any, t *Table, failed error) error {
		if failed != nil {
			trouble.Say(failed)
			return nil
		}
		trouble.Say(nil)
		if shown++; l.Format == "yaml" && shown > 1 {
			if _, err := fmt.Fprintln(out, "---"); err != nil {
				return err
			}
		}
		return l.write(out, said, 0, v, t)
	}
}

// on returns what shows each look of --watch in the place of the one before.
func (l *Listing) on(screen *Screen) (show func(v any, t *Table, failed error) error) {
	return func(v any, t *Table, failed error) error {
		return screen.Draw(func(w io.Writer, width int) error {
			if failed != nil { // where the list was
				Warn(w, Gist(failed).Error()+"; retrying")
				return nil
			}
			return l.write(w, w, width, v, t)
		})
	}
}

// write shows the list in the form that was asked for, a table with at most so many characters in a line (0: as many as
// fit a terminal, but for -o wide). What isn't part of it is said to the second writer.
func (l *Listing) write(out, said io.Writer, room int, v any, t *Table) error {
	for _, w := range t.warnings {
		Warn(said, w)
	}
	var err error
	switch l.Format {
	case "json", "yaml":
		return l.Print(out, v)
	case "name":
		var b strings.Builder
		for _, name := range t.names() {
			fmt.Fprintf(&b, "%s/%s\n", l.Kind, name)
		}
		_, err = io.WriteString(out, b.String())
	default:
		if len(t.rows) == 0 && t.Empty != "" {
			fmt.Fprintln(said, t.Empty)
			break
		}
		if room == 0 && l.Format != "wide" {
			room, _ = size(out)
		}
		err = t.write(out, form{l.Format == "wide", !l.NoHeaders, room}, make([]int, len(t.columns)))
	}
	return err
}

// Stream shows rows as they come, one after the other.
type Stream struct {
	*Listing
	w      io.Writer
	widths []int // of the columns so far: they only grow
}

// Stream begins one in the form that was asked for.
func (l *Listing) Stream(w io.Writer) *Stream { return &Stream{Listing: l, w: w} }

// Add shows the next value, and its rows. JSON has a line for each value, YAML a document.
func (s *Stream) Add(v any, t *Table) error {
	if closed(s.w) {
		return errClosed
	}
	first := s.widths == nil
	if first {
		s.widths = make([]int, len(t.columns))
	}
	switch s.Format {
	case "json", "yaml":
		text, err := encode(v, s.Format, "")
		if err == nil && s.Format == "yaml" && !first {
			text = append([]byte("---\n"), text...)
		}
		if err == nil {
			_, err = Raw(s.w).Write(text)
		}
		return err
	case "name":
		return s.write(s.w, io.Discard, 0, v, t)
	default:
		return t.write(s.w, form{wide: s.Format == "wide", headers: first && !s.NoHeaders}, s.widths)
	}
}
