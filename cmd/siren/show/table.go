package show

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table is rows under headers, in aligned columns.
type Table struct {
	columns  []Column
	rows     [][]string
	Name     int      // the column that names a row, for -o name
	Empty    string   // said instead of a table without rows
	warnings []string // said above it
}

// Column is one column of a table, and how it is shown.
type Column struct {
	title    string
	right    bool // aligned to the right
	onlyWide bool // left out but for -o wide
	most     int  // characters of a cell, but for -o wide; 0: as many as there are
}

// Col is a column of texts.
func Col(title string) Column { return Column{title: title} }

// Num is a column of numbers, which are aligned to the right.
func Num(title string) Column { return Column{title: title, right: true} }

// Wide is the column for -o wide alone.
func (c Column) Wide() Column {
	c.onlyWide = true
	return c
}

// Clipped is the column with at most so many characters of each cell, but for -o wide.
func (c Column) Clipped(most int) Column {
	c.most = most
	return c
}

// NewTable is a table without rows.
func NewTable(columns ...Column) *Table { return &Table{columns: columns} }

// Add adds a row. It has a cell for each column, also for those that are only shown wide.
func (t *Table) Add(cells ...string) {
	for i, c := range cells {
		cells[i] = Harmless(c)
	}
	t.rows = append(t.rows, cells)
}

// Warn has something said to whoever reads the table, whatever its form.
func (t *Table) Warn(format string, args ...any) {
	t.warnings = append(t.warnings, fmt.Sprintf(format, args...))
}

// names is what names each row.
func (t *Table) names() []string {
	names := make([]string, len(t.rows))
	for i, row := range t.rows {
		names[i] = colourCodes.ReplaceAllString(row[t.Name], "")
	}
	return names
}

// String is the table with its headers and without what is only shown wide.
func (t *Table) String() string { return t.text(false, true, make([]int, len(t.columns))) }

// Print writes the table as it is without any flag.
func (t *Table) Print(w io.Writer) error {
	_, err := io.WriteString(w, t.String())
	return err
}

// text is the table as lines. A column is at least as wide as widths says, which then says how wide it has become.
func (t *Table) text(wide, headers bool, widths []int) string {
	var lines [][]string
	if headers {
		titles := make([]string, len(t.columns))
		for i, c := range t.columns {
			titles[i] = c.title
		}
		lines = append(lines, titles)
	}
	for _, row := range t.rows {
		cells := make([]string, len(t.columns))
		for i, c := range t.columns {
			cells[i] = row[i]
			if c.most > 0 && !wide {
				cells[i] = Clip(row[i], c.most)
			}
		}
		lines = append(lines, cells)
	}
	for _, cells := range lines {
		for i, c := range cells {
			widths[i] = max(widths[i], visible(c))
		}
	}
	var b strings.Builder
	for _, cells := range lines {
		var line strings.Builder
		for i, c := range t.columns {
			pad := strings.Repeat(" ", widths[i]-visible(cells[i]))
			switch {
			case c.onlyWide && !wide:
			case c.right:
				line.WriteString(pad + cells[i] + "  ")
			default:
				line.WriteString(cells[i] + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// visible is a cell's width on the terminal.
func visible(s string) int { return utf8.RuneCountInString(colourCodes.ReplaceAllString(s, "")) }
