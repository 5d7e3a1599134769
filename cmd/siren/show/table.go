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
}

// Col makes a column of texts.
func Col(title string) Column { return Column{title: title} }

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

// NewTable makes a table without rows.
func NewTable(columns ...Column) *Table { return &Table{columns: columns} }

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

// Print writes the table with its headers and without what is only shown wide.
func (t *Table) Print(w io.Writer) error { return t.write(w, false, true, make([]int, len(t.columns))) }

// write writes the table as lines. A column is at least as wide as widths says, which then says how wide it has become.
func (t *Table) write(w io.Writer, wide, headers bool, widths []int) error {
	var lines [][]cell
	if headers {
		titles := make([]cell, len(t.columns))
		for i, c := range t.columns {
			titles[i].text = c.title
		}
		lines = append(lines, titles)
	}
	for _, row := range t.rows {
		cells := slices.Clone(row)
		for i, c := range t.columns {
			if c.most > 0 && !wide {
				cells[i].text = Clip(row[i].text, c.most)
			}
		}
		lines = append(lines, cells)
	}
	for _, cells := range lines {
		for i, c := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	for _, cells := range lines {
		var line strings.Builder
		for i, c := range t.columns {
			pad, text := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cells[i].text)),
				painted(w, cells[i].style, cells[i].text)
			switch {
			case c.onlyWide && !wide:
			case c.right:
				line.WriteString(pad + text + "  ")
			default:
				line.WriteString(text + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(Raw(w), b.String())
	return err
}
