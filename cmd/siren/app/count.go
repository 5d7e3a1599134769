package app

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/cmd/siren/show"
)

// Count is a number of jobs for each lane and something else, such as their state.
type Count map[[2]string]int

// Table makes the table of the jobs by lane and by that something, which has this title.
func (c Count) Table(title string) *show.Table {
	t := show.NewTable(show.Col("LANE"), show.Col(title), show.Num("JOBS"))
	for _, key := range slices.SortedFunc(maps.Keys(c), func(x, y [2]string) int {
		return slices.Compare(x[:], y[:])
	}) {
		t.Add(key[0], cmp.Or(key[1], "-"), fmt.Sprint(c[key]))
	}
	return t
}

// By returns the count by one of the two alone, 0 for the lanes, and the names of these, that of the most first.
func (c Count) By(which int) (names []string, jobs map[string]int) {
	jobs = map[string]int{}
	for key, n := range c {
		jobs[key[which]] += n
	}
	return slices.SortedFunc(maps.Keys(jobs), func(x, y string) int {
		return cmp.Or(jobs[y]-jobs[x], strings.Compare(x, y))
	}), jobs
}
