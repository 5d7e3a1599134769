package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// report prints a line for each room, and then each figure beside what is aimed at.
func report(out io.Writer, rooms []room) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "LINES\tNAMES\tIN A CIRCLE\tLONG LINES\t  PACKAGE")
	total, large, largest, wide, ring, long := 0, 0, 0, 0, 0, 0
	for _, r := range rooms {
		if r.helper {
			r = room{path: r.path, long: r.long} // it's a test itself
		}
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t  %s\n", r.lines, len(r.names), len(r.cycle), r.long, r.path)
		total, largest, long = total+r.lines, max(largest, r.lines), long+r.long
		if r.lines > largeRoom {
			large++
		}
		if len(r.names) > mostNames {
			wide++
		}
		if len(r.cycle) > mostCycle {
			ring++
		}
	}
	_ = t.Flush() // to out, whose trouble the next line has too
	fmt.Fprintf(out, `
%6d lines without tests
%6d packages over %d lines (aim: at most %d); the largest has %d (aim: at most %d)
%6d packages with over %d exported names (aim: none)
%6d packages with over %d files in a circle (aim: none)
%6d lines over %d columns (aim: none)
`, total, large, largeRoom, mostLarge, largest, largestAny, wide, mostNames, ring, mostCycle, long, longLine)
	for _, r := range rooms {
		if len(r.cycle) > mostCycle {
			files := make([]string, len(r.cycle))
			for i, f := range r.cycle {
				files[i] = filepath.Base(f)
			}
			fmt.Fprintf(out, "in a circle in %s: %s\n", r.path, strings.Join(files, " "))
		}
	}
}
