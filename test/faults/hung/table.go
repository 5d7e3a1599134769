package hung

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// done is one job, or one message: when it was confirmed, and when its output was there.
type done struct{ confirmed, out time.Time }

// row is one lane.
type row struct {
	name, node string
	done       []done
}

// Table is what came of it.
type Table struct {
	Version   string
	Node      string   // that hung
	Connected []string // processes that were connected to it then
	at        time.Time
	rows      []row
}

func (t *Table) add(r row) { t.rows = append(t.rows, r) }

// windows are those that a row has, from the moment on when the node hung. What was confirmed just before counts as
// hung.
var windows = []struct {
	name     string
	from, to time.Duration
}{
	{"calm", -calm, -2 * time.Second},
	{"0–10 s", -2 * time.Second, 10 * time.Second},
	{"10–20 s", 10 * time.Second, 20 * time.Second},
	{"20–30 s", 20 * time.Second, hangs},
	{"back", hangs, hangs + after},
}

// waits returns how long the outputs of what was confirmed in a window took, in order.
func (t *Table) waits(r row, from, to time.Duration) (list []time.Duration) {
	for _, d := range r.done {
		if at := d.confirmed.Sub(t.at); at >= from && at < to {
			list = append(list, max(0, d.out.Sub(d.confirmed)))
		}
	}
	slices.Sort(list)
	return list
}

// still returns the longest time without any output from the moment on when the node hung.
func (t *Table) still(r row) (longest time.Duration) {
	outs := []time.Time{t.at}
	for _, d := range r.done {
		if d.out.After(t.at) {
			outs = append(outs, d.out)
		}
	}
	slices.SortFunc(outs, time.Time.Compare)
	for i := range len(outs) - 1 {
		longest = max(longest, outs[i+1].Sub(outs[i]))
	}
	return longest
}

// Print writes the table: the median and the longest time from confirm to output in each window.
func (t *Table) Print(to io.Writer) error {
	fmt.Fprintf(to, "%s: %s hangs for %s; connected to it then: %s\n", t.Version, t.Node, hangs,
		strings.Join(t.Connected, ", "))
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "lane\tled by")
	for _, one := range windows {
		fmt.Fprint(w, "\t", one.name)
	}
	fmt.Fprintln(w, "\tlongest without an output")
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t%s", r.name, r.node)
		for _, one := range windows {
			list := t.waits(r, one.from, one.to)
			if len(list) == 0 {
				fmt.Fprint(w, "\t–")
				continue
			}
			fmt.Fprintf(w, "\t%.2f / %.2f s", list[len(list)/2].Seconds(), list[len(list)-1].Seconds())
		}
		fmt.Fprintf(w, "\t%.1f s\n", t.still(r).Seconds())
	}
	return w.Flush()
}
