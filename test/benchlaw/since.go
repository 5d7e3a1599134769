package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
)

// kept is Siren's result in a cell, as -save writes it.
type kept struct {
	Load   string    `json:"load"`
	Cold   string    `json:"coldStart"`
	Cost   float64   `json:"cost"`
	Shares []float64 `json:"shares"`
	Starts int       `json:"starts"`
	Hits   int       `json:"hits"`
}

func keep(cells []*cell) []kept {
	all := make([]kept, len(cells))
	for i, c := range cells {
		o := c.results[0]
		all[i] = kept{c.load.name, c.cold.String(), o.cost, o.shares, o.starts, o.hits}
	}
	return all
}

func save(path string, cells []*cell) error {
	text, err := json.MarshalIndent(keep(cells), "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// What a change of the law may cost a load at most, to be worth having: a part of the cost, and points of the jobs that
// start in time.
const (
	mayCost = 0.02
	mayLose = 0.005
)

// compare prints what changed in each cell since the results were kept: what a change of the law must not do first,
// then by cost.
func compare(out io.Writer, path string, cells []*cell) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var before []kept
	if err := json.Unmarshal(text, &before); err != nil {
		return fmt.Errorf("%s holds no results of -save: %w", path, err)
	}
	type change struct {
		now, was kept
		cost     float64
		lost     float64 // by the lane that lost most
		bad      bool
	}
	var changes []change
	for _, now := range keep(cells) {
		i := slices.IndexFunc(before, func(k kept) bool { return k.Load == now.Load && k.Cold == now.Cold })
		if i < 0 || len(before[i].Shares) != len(now.Shares) {
			continue
		}
		c := change{now: now, was: before[i], cost: now.Cost/before[i].Cost - 1}
		for l := range now.Shares {
			c.lost = max(c.lost, before[i].Shares[l]-now.Shares[l])
		}
		c.bad = c.cost > mayCost || c.lost > mayLose || now.Hits > 0
		changes = append(changes, c)
	}
	slices.SortStableFunc(changes, func(a, b change) int {
		switch {
		case a.bad != b.bad && a.bad, a.bad == b.bad && a.cost > b.cost:
			return -1
		default:
			return 1
		}
	})
	bad, total := 0, 0.0
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tload\tD\tin time\twas\tcost\twas\tchange\tstarts\twas\thits")
	for _, c := range changes {
		word := ""
		if c.bad {
			word = "WORSE"
			bad++
		}
		total += c.cost
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.0f\t%.0f\t%+.1f%%\t%d\t%d\t%d\n", word, c.now.Load, c.now.Cold,
			percents(c.now.Shares), percents(c.was.Shares), c.now.Cost, c.was.Cost, 100*c.cost, c.now.Starts,
			c.was.Starts, c.now.Hits)
	}
	must(w.Flush())
	if len(changes) > 0 {
		fmt.Fprintf(out, "\n%d cells, %d worse by more than a change may cost; %+.1f %% in cost in the mean\n",
			len(changes), bad, 100*total/float64(len(changes)))
	}
	return nil
}
