// Package show is how results look: the forms of -o, tables, lists that are watched, colours and warnings on a
// terminal. It writes to the writers that it is given.
//
// What is shown lives with the command that shows it. No flags, no RabbitMQ and no Redis live here.
package show

import (
	"bytes"
	"context"
	"fmt"
	"io"
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

// Show looks once, or with --watch again and again, and shows what there is: a value for JSON and YAML, and the table
// of it. A look that fails ends it when it is the first; later it is said, and tried again. The same failure is said
// once.
func (l *Listing) Show(ctx context.Context, out, said io.Writer, look func() (any, *Table, error)) error {
	v, t, err := look()
	if err != nil {
		return err
	}
	if !l.Watching {
		return l.write(out, said, v, t)
	}
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	trouble := Trouble{out: said}
	for frames := 0; ; frames++ {
		if err := l.frame(out, said, frames, v, t, &trouble, err); err != nil {
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
func (l *Listing) frame(out, said io.Writer, number int, v any, t *Table, trouble *Trouble, failed error) error {
	screen := IsTerminal(out)
	var seen bytes.Buffer
	frame := likeness(&seen, out)
	if screen {
		said = frame
	}
	switch {
	case failed != nil && screen: // where the list was
		Warn(said, Gist(failed).Error()+"; retrying")
	case failed != nil:
		trouble.Say(failed)
		return nil
	default:
		trouble.Say(nil)
		if err := l.write(frame, said, v, t); err != nil {
			return err
		}
	}
	switch {
	case screen:
		ClearScreen(out)
	case l.Format == "yaml" && number > 0:
		fmt.Fprintln(out, "---")
	}
	_, err := Raw(out).Write(seen.Bytes())
	return err
}

// write shows the list in the form that was asked for. What isn't part of it is said to the second writer.
func (l *Listing) write(out, said io.Writer, v any, t *Table) error {
	for _, w := range t.warnings {
		Warn(said, w)
	}
	var err error
	switch l.Format {
	case "json", "yaml":
		return l.Print(out, v)
	case "name":
		for _, name := range t.names() {
			fmt.Fprintf(out, "%s/%s\n", l.Kind, name)
		}
	default:
		if len(t.rows) == 0 && t.Empty != "" {
			fmt.Fprintln(said, t.Empty)
			break
		}
		err = t.write(out, l.Format == "wide", !l.NoHeaders, make([]int, len(t.columns)))
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
		return s.write(s.w, io.Discard, v, t)
	default:
		return t.write(s.w, s.Format == "wide", first && !s.NoHeaders, s.widths)
	}
}
