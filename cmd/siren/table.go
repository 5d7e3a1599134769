package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// table is rows under headers, in aligned columns.
type table struct {
	columns  []column
	rows     [][]string
	name     int      // the column that names a row, for -o name
	empty    string   // said instead of a table without rows
	warnings []string // said above it
}

// column is one column of a table, and how it is shown.
type column struct {
	title    string
	right    bool // aligned to the right
	onlyWide bool // left out but for -o wide
	most     int  // characters of a cell, but for -o wide; 0: as many as there are
}

// col is a column of texts, num one of numbers, which are aligned to the right.
func col(title string) column { return column{title: title} }
func num(title string) column { return column{title: title, right: true} }

// wide is the column for -o wide alone.
func (c column) wide() column {
	c.onlyWide = true
	return c
}

// clipped is the column with at most so many characters of each cell, but for -o wide.
func (c column) clipped(most int) column {
	c.most = most
	return c
}

func newTable(columns ...column) *table { return &table{columns: columns} }

// add adds a row. It has a cell for each column, also for those that are only shown wide.
func (t *table) add(cells ...string) {
	for i, c := range cells {
		cells[i] = harmless(c)
	}
	t.rows = append(t.rows, cells)
}

// warn has something said to whoever reads the table, whatever its form.
func (t *table) warn(format string, args ...any) {
	t.warnings = append(t.warnings, fmt.Sprintf(format, args...))
}

// names is what names each row.
func (t *table) names() []string {
	names := make([]string, len(t.rows))
	for i, row := range t.rows {
		names[i] = colourCodes.ReplaceAllString(row[t.name], "")
	}
	return names
}

// String is the table with its headers and without what is only shown wide.
func (t *table) String() string { return t.text(false, true, make([]int, len(t.columns))) }

// print writes the table as it is without any flag.
func (t *table) print(w io.Writer) error {
	_, err := io.WriteString(w, t.String())
	return err
}

// text is the table as lines. A column is at least as wide as widths says, which then says how wide it has become.
func (t *table) text(wide, headers bool, widths []int) string {
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
				cells[i] = clip(row[i], c.most)
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

var (
	// colourCodes is the escape sequences that colour writes.
	colourCodes = regexp.MustCompile(`\x1b\[[0-9]+m`)
	// controlCodes is what moves a terminal's cursor or changes its state, and those.
	controlCodes = regexp.MustCompile(`\x1b\[[0-9]+m|[\x00-\x1f\x7f-\x{9f}]`)
)

// harmless is s with a blank for every control character. What a table shows may be a stranger's: a job's kind, its URLs, its error.
func harmless(s string) string {
	return controlCodes.ReplaceAllStringFunc(s, func(found string) string {
		if len(found) > 2 {
			return found
		}
		return " "
	})
}

// visible is a cell's width on the terminal.
func visible(s string) int { return utf8.RuneCountInString(colourCodes.ReplaceAllString(s, "")) }

// clip is s on one line, cut to n characters.
func clip(s string, n int) string {
	s = harmless(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
