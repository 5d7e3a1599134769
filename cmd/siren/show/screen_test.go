package show

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/polyglot-media/siren/cmd/siren/show/showtest"
)

func planets() *Table {
	t := NewTable(Col("PLANET"), Num("MOONS"), Num("YEAR"), Num("RADIUS").Wide(), Col("NOTE"))
	t.Spare("RADIUS", "YEAR", "MOONS")
	for range 4 {
		t.Add("Jupiter", "115", "11.9", "69911", "the largest one, with storms that last for centuries")
		t.Add("Mars", "2", "1.88", "3390", "red")
	}
	return t
}

// A picture has only the columns that there is room for, and only the rows.
func TestScreenFits(t *testing.T) {
	for _, c := range []struct {
		width, height uint16
		wide          bool
		want          string
		lines         int
	}{
		{120, 20, false, "PLANET   MOONS  YEAR  NOTE", 9},
		{50, 20, false, "PLANET   MOONS  YEAR  NOTE", 9},
		{44, 20, false, "PLANET   MOONS  NOTE", 9},
		{36, 20, false, "PLANET   NOTE", 9},
		{10, 20, false, "PLANET   …", 9},
		{52, 20, true, "PLANET   MOONS  YEAR  NOTE", 9},
		{60, 20, true, "PLANET   MOONS  YEAR  RADIUS  NOTE", 9},
		{120, 5, false, "PLANET   MOONS  YEAR  NOTE", 5},
		{0, 0, false, "PLANET   MOONS  YEAR  NOTE", 9},
	} {
		tty, read := showtest.Terminal(t, c.width, c.height)
		l := Listing{}
		if c.wide {
			l.Format = "wide"
		}
		screen := NewScreen(NewTerminal(tty))
		draw := l.on(screen)
		for range 2 {
			if err := draw(nil, planets(), nil); err != nil {
				t.Fatal(err)
			}
		}
		screen.Close()
		seen := read()
		inside, left, closed := strings.Cut(strings.TrimPrefix(seen, otherScreen), firstScreen)
		if !closed || strings.HasPrefix(inside, otherScreen) {
			t.Fatalf("the other screen isn't left: %q", seen)
		}
		pictures := strings.Split(inside, home)[1:]
		if len(pictures) != 2 || pictures[0] != pictures[1] || strings.Contains(inside, "\x1b[2J") {
			t.Errorf("two equal pictures, each over the one before: %q", inside)
		}
		lines := strings.Split(strings.TrimSuffix(pictures[0], restOfLine+restBelow), restOfLine+"\r\n")
		if lines[0] != c.want || len(lines) != c.lines {
			t.Errorf("%d × %d: %d lines, want %d, under %q, want %q", c.width, c.height, len(lines), c.lines, lines[0],
				c.want)
		}
		for _, line := range lines {
			if c.width > 0 && utf8.RuneCountInString(line) > int(c.width) {
				t.Errorf("%d × %d: the line is too long: %q", c.width, c.height, line)
			}
		}
		if last := lines[len(lines)-1]; c.height == 5 && last != "… and 5 more lines" {
			t.Errorf("the last line: %q", last)
		}
		if strings.Count(left, "Jupiter") != 4 {
			t.Errorf("what is left on the terminal: %q", left)
		}
	}
}

// Long lines that are no table's take several of the terminal's.
func TestFitted(t *testing.T) {
	long := "\x1b[33mwarning:\x1b[0m " + strings.Repeat("x", 21)
	for _, c := range []struct {
		height int
		want   int
	}{{2, 1}, {4, 2}, {5, 3}, {9, 3}} {
		lines := fitted([]string{long, "two", "three"}, 10, c.height)
		if more := strings.HasPrefix(lines[len(lines)-1], "…"); len(lines) != c.want || more != (c.height < 5) {
			t.Errorf("%d lines: %q", c.height, lines)
		}
	}
}

// On a dumb terminal, and for a program, each look follows the one before; a terminal that draws gets it in its place.
func TestWhereToWatch(t *testing.T) {
	for _, c := range []struct {
		kind, format string
		screen       bool
	}{
		{"dumb", "table", false},
		{"", "table", false},
		{"xterm", "json", false},
		{"xterm", "table", true},
		{"xterm", "name", true},
	} {
		t.Setenv("NO_COLOR", "")
		tty, read := showtest.Terminal(t, 80, 24)
		t.Setenv("TERM", c.kind)
		ctx, cancel := context.WithCancel(t.Context())
		l := Listing{Output: Output{c.format}, Kind: "planet", Watching: true}
		err := l.Show(ctx, NewTerminal(tty), io.Discard, func() (any, *Table, error) {
			cancel()
			table := planets()
			table.Paint("NOTE", Red)
			return []string{"Jupiter"}, table, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		seen := read()
		if strings.Contains(seen, otherScreen) != c.screen || strings.Contains(seen, firstScreen) != c.screen {
			t.Errorf("TERM=%s, -o %s, want the other screen: %v: %q", c.kind, c.format, c.screen, seen)
		}
		if !c.screen && strings.Contains(seen, "\x1b") {
			t.Errorf("TERM=%s, -o %s: %q", c.kind, c.format, seen)
		}
	}
}

// A table fits a terminal that isn't watched too, whatever its kind; -o wide and a pipe get all of it.
func TestTableFitsTheTerminal(t *testing.T) {
	for _, c := range []struct {
		kind, format, want string
		watching           bool
	}{
		{"xterm", "table", "PLANET   MOONS  NOTE", false},
		{"dumb", "table", "PLANET   MOONS  NOTE", false},
		{"dumb", "table", "PLANET   MOONS  NOTE", true},
		{"xterm", "wide", "PLANET   MOONS  YEAR  RADIUS  NOTE", false},
	} {
		tty, read := showtest.Terminal(t, 44, 24)
		t.Setenv("TERM", c.kind)
		ctx, cancel := context.WithCancel(t.Context())
		l := Listing{Output: Output{c.format}, Watching: c.watching}
		err := l.Show(ctx, NewTerminal(tty), io.Discard, func() (any, *Table, error) {
			cancel()
			return nil, planets(), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if first, _, _ := strings.Cut(read(), "\r\n"); first != c.want {
			t.Errorf("TERM=%s, -o %s: %q, want %q", c.kind, c.format, first, c.want)
		}
	}
}

// A look that fails is told where the list was.
func TestTroubleOnTheScreen(t *testing.T) {
	tty, read := showtest.Terminal(t, 80, 24)
	screen := NewScreen(NewTerminal(tty))
	if err := (&Listing{}).on(screen)(nil, nil, errors.New("Redis is away")); err != nil {
		t.Fatal(err)
	}
	screen.Close()
	if seen := read(); !strings.Contains(seen, "warning:\x1b[0m Redis is away; retrying") {
		t.Errorf("%q", seen)
	}
}

// A long name is cut only where the last column would have less than a few words, and goes after what is less
// important.
func TestLongNames(t *testing.T) {
	id := "0197b2c4-5d6e-7f80-9a1b-2c3d4e5f6071"
	table := NewTable(ID(), Col("STATE"), Col("LANE"), Num("RAN"), Col("DETAIL"))
	table.Spare("RAN", "ID", "LANE")
	table.Add(id, "completed", "standard", "12s", "a detail of some more words than one has room for")
	for _, c := range []struct {
		width int
		want  string
	}{
		{0, id + "  completed  standard  12s  a detail of some more words than one has room for"},
		{88, id + "  completed  standard  12s  a detail of some more w…"},
		{82, id + "  completed  standard  a detail of some more …"},
		{71, id + "  completed  standard  a detail of…"},
		{70, id[:22] + "…  completed  standard  a detail of some more w…"},
		{48, id[:12] + "…  completed  standard  a detail of…"},
		{47, id[:12] + "…  completed  a detail of some mor…"},
		{20, id[:12] + "…  comp…"},
		{12, id[:11] + "…"},
	} {
		var b strings.Builder
		if err := table.Fit(&b, c.width); err != nil {
			t.Fatal(err)
		}
		_, row, _ := strings.Cut(strings.TrimSuffix(b.String(), "\n"), "\n")
		if row != c.want {
			t.Errorf("%d: %q, want %q", c.width, row, c.want)
		}
	}
}

// The last column goes before a name is cut, and none of the name is lost for what is gone.
func TestLastColumnGoesBeforeNames(t *testing.T) {
	id := "0197b2c4-5d6e-7f80-9a1b-2c3d4e5f6071"
	table := NewTable(ID(), Col("LANE"), Col("DETAIL"))
	table.Spare("DETAIL", "ID")
	table.Add(id, "standard", "a detail of some more words than one has room for")
	for _, c := range []struct {
		width int
		want  string
	}{
		{60, id + "  standard  a detail of…"},
		{59, id + "  standard"},
		{46, id + "  standard"},
		{45, id[:34] + "…  standard"},
	} {
		var b strings.Builder
		if err := table.Fit(&b, c.width); err != nil {
			t.Fatal(err)
		}
		_, row, _ := strings.Cut(strings.TrimSuffix(b.String(), "\n"), "\n")
		if row != c.want {
			t.Errorf("%d: %q, want %q", c.width, row, c.want)
		}
	}
}
