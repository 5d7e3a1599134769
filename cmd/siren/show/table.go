package show

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Table is rows under headers, in aligned columns.
type Table struct {
	columns  []Column
	rows     [][]cell
	Name     int      // the column that names a row, for -o name
	Empty    string   // said instead of a table without rows
	spare    []string // titles of the columns that go where there is no room, the first one first
	warnings []string // said above it
}

// cell is a clean text in a style.
type cell struct {
	text  string
	style Style
}

// maxCell is the most characters of any cell: a table is for reading, and JSON has it all.
const maxCell = 500

// Column is one column of a table, and how it is shown.
type Column struct {
	title    string
	right    bool // aligned to the right
	onlyWide bool // left out but for -o wide
	most     int  // characters of a cell, but for -o wide; 0: as many as there are
	least    int  // characters that it may be cut to where there is no room; 0: it isn't cut
}

// Col makes a column of texts.
func Col(title string) Column { return Column{title: title} }

// ID makes the column of jobs' ids, which may be long.
func ID() Column { return Col("ID").Least(13) }

// Num makes a column of numbers, which are aligned to the right.
func Num(title string) Column { return Column{title: title, right: true} }

// Wide returns the column for -o wide alone.
func (c Column) Wide() Column {
	c.onlyWide = true
	return c
}

// Clipped returns the column with at most so many characters of each cell, but for -o wide.
func (c Column) Clipped(most int) Column {
	c.most = most
	return c
}

// Least returns the column as one that is cut where it could be spared: to as few characters as there is room for, and
// to no fewer than these.
func (c Column) Least(characters int) Column {
	c.least = characters
	return c
}

// NewTable makes a table without rows.
func NewTable(columns ...Column) *Table { return &Table{columns: columns} }

// Spare says which columns go, or are cut, in this order, where a screen is too narrow for all.
func (t *Table) Spare(titles ...string) { t.spare = titles }

// Add adds a row. It has a cell for each column, also for those that are only shown wide.
func (t *Table) Add(cells ...string) {
	row := make([]cell, len(cells))
	for i, c := range cells {
		row[i].text = Clip(c, maxCell)
	}
	t.rows = append(t.rows, row)
}

// Paint gives the cell under a title a style, in the row that was added last. The table has a column of that title.
func (t *Table) Paint(title string, s Style) {
	t.rows[len(t.rows)-1][slices.IndexFunc(t.columns, func(c Column) bool { return c.title == title })].style = s
}

// Warn adds a warning for whoever reads the table, whatever its form.
func (t *Table) Warn(format string, args ...any) {
	t.warnings = append(t.warnings, fmt.Sprintf(format, args...))
}

// names returns what names each row.
func (t *Table) names() []string {
	names := make([]string, len(t.rows))
	for i, row := range t.rows {
		names[i] = row[t.Name].text
	}
	return names
}

// Print writes the table with its headers and without what is only shown wide. On a terminal it fits the lines.
func (t *Table) Print(w io.Writer) error {
	width, _ := size(w)
	return t.Fit(w, width)
}

// Fit writes the table as Print does, with as many columns as lines of so many characters have room for (0: nobody
// knows).
func (t *Table) Fit(w io.Writer, room int) error {
	return t.write(w, form{headers: true, room: room}, make([]int, len(t.columns)))
}

// form is how a table is written.
type form struct {
	wide    bool
	headers bool
	room    int // the most characters of a line; 0: as many as there are
}

// write writes the table as lines. A column is at least as wide as widths says, which then says how wide it has become.
func (t *Table) write(w io.Writer, f form, widths []int) error {
	lines := t.lines(f)
	for _, cells := range lines {
		for i, c := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	shown := t.fitting(f, widths)
	var b strings.Builder
	for _, cells := range lines {
		var line strings.Builder
		for _, i := range shown {
			text := cells[i].text
			if f.room > 0 {
				text = Clip(text, widths[i])
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if text = painted(w, cells[i].style, text); t.columns[i].right {
				line.WriteString(pad + text + gap)
			} else {
				line.WriteString(text + pad + gap)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(Raw(w), b.String())
	return err
}

// gap is between two columns.
const gap = "  "

// lines returns the cells of the headers and rows.
func (t *Table) lines(f form) (lines [][]cell) {
	if f.headers {
		titles := make([]cell, len(t.columns))
		for i, c := range t.columns {
			titles[i].text = c.title
		}
		lines = append(lines, titles)
	}
	for _, row := range t.rows {
		cells := slices.Clone(row)
		for i, c := range t.columns {
			if c.most > 0 && !f.wide {
				cells[i].text = Clip(row[i].text, c.most)
			}
		}
		lines = append(lines, cells)
	}
	return lines
}

// fitting returns the columns that are shown: without those that can be spared, as long as there is no room. What there
// is room for becomes their width.
func (t *Table) fitting(f form, widths []int) (shown []int) {
	for i, c := range t.columns {
		if !c.onlyWide || f.wide {
			shown = append(shown, i)
		}
	}
	if f.room == 0 {
		return shown
	}
	enough := enoughLast
	for _, title := range t.spare {
		i := slices.IndexFunc(t.columns, func(c Column) bool { return c.title == title })
		least := t.columns[i].least
		last := shown[len(shown)-1]
		if least > 0 || i == last {
			enough = leastLast
		}
		switch missing := t.missing(f, shown, widths, enough); {
		case missing <= 0:
		case least > 0:
			if widths[last] > leastLast {
				missing += enoughLast - leastLast // once it is cut, it may as well be for more
			}
			widths[i] = min(widths[i], max(least, widths[i]-missing))
		default:
			shown = slices.DeleteFunc(shown, func(x int) bool { return x == i })
		}
	}
	room := f.room
	for n, i := range shown {
		if room <= 0 {
			return shown[:n]
		}
		widths[i] = min(widths[i], room)
		room -= widths[i] + len(gap)
	}
	return shown
}

// missing returns how many characters more a line would need. The last column needs no more than its title and so many:
// it is cut at the end of the line.
func (t *Table) missing(f form, shown, widths []int, last int) int {
	needed := -len(gap)
	for n, i := range shown {
		width := widths[i]
		if n == len(shown)-1 {
			width = min(width, max(len(t.columns[i].title), last))
		}
		needed += width + len(gap)
	}
	return needed - f.room
}

// How many characters of the last column are worth columns that could be spared, and how many are worth the whole of
// one that is cut, and those that are spared after it. The last column may be spared too: when it would have fewer.
const (
	enoughLast = 24
	leastLast  = 12
)
