package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is what is printed of the cells.
type report struct {
	cells []*cell
	options
}

func (r report) print(out io.Writer) {
	fmt.Fprintf(out, "Cost is worker-seconds, from a worker's creation until it is gone; met: 95 %% of each lane's "+
		"jobs started in time; hits: running jobs that a removal ended.\n\n")
	r.perLoad(out)
	r.single(out)
	if r.all {
		r.everything(out)
	}
}

// verdict is a cell, and the best that any rival did in it.
type verdict struct {
	*cell
	siren, bound outcome
	best         outcome // the cheapest that met the objectives; where none did, that with most jobs in time
	ratio        float64 // Siren's cost to it
	lost         bool
}

// judge finds the best rival of a cell: chosen with hindsight, for this load alone, and if need be among those that
// scale.
func (c *cell) judge(scaling bool) verdict {
	v := verdict{cell: c, siren: c.results[0], bound: c.results[1]}
	rivals := c.results[2:]
	if scaling {
		rivals = slices.DeleteFunc(slices.Clone(rivals), func(o outcome) bool { return o.Static() })
	}
	v.best = slices.MinFunc(rivals, func(a, b outcome) int {
		if a.met() != b.met() {
			if a.met() {
				return -1
			}
			return 1
		}
		if a.met() {
			return cmp.Compare(a.cost, b.cost)
		}
		return cmp.Or(cmp.Compare(b.worst(), a.worst()), cmp.Compare(a.cost, b.cost))
	})
	v.ratio = v.siren.cost / v.best.cost
	switch {
	case v.siren.met() != v.best.met():
		v.lost = v.best.met()
	case v.siren.met():
		v.lost = v.ratio > 1
	default:
		v.lost = v.best.worst() > v.siren.worst()+0.005
	}
	return v
}

// perLoad compares with the best setting for each load, with hindsight: the lost ones first.
func (r report) perLoad(out io.Writer) {
	verdicts, scaling := make([]verdict, len(r.cells)), make([]verdict, len(r.cells))
	for i, c := range r.cells {
		verdicts[i], scaling[i] = c.judge(false), c.judge(true)
	}
	slices.SortStableFunc(verdicts, func(a, b verdict) int {
		if a.lost != b.lost {
			if a.lost {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.ratio, a.ratio)
	})
	fmt.Fprintln(out, "Against the best rival in the best setting for each load, with hindsight (the lost ones first)")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tload\tD\tSiren in time\tcost\trival in time\tcost\tSiren/rival\thits\tbound\trival")
	for _, v := range verdicts {
		word := "won"
		if v.lost {
			word = "LOST"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.0f\t%s\t%.0f\t%.2f\t%d/%d\t%.0f\t%s; %s\n", word, v.load.name, v.cold,
			percents(v.siren.shares), v.siren.cost, percents(v.best.shares), v.best.cost, v.ratio, v.siren.hits,
			v.best.hits, v.bound.cost, v.best.Name, v.best.Setting)
	}
	must(w.Flush())
	fmt.Fprint(out, "\nAgainst all, static fleets too: ")
	sumUp(out, verdicts)
	fmt.Fprint(out, "Against those that scale: ")
	sumUp(out, scaling)
	fmt.Fprintln(out)
}

// sumUp says how many cells were lost, and what Siren cost beside the best rival.
func sumUp(out io.Writer, verdicts []verdict) {
	var ratios []float64
	met, lost := 0, 0
	for _, v := range verdicts {
		if v.lost {
			lost++
		}
		if v.siren.met() {
			met++
		}
		if v.siren.met() && v.best.met() {
			ratios = append(ratios, v.ratio)
		}
	}
	slices.Sort(ratios)
	fmt.Fprintf(out, "%d cells, %d lost; Siren met the objectives in %d", len(verdicts), lost, met)
	if len(ratios) > 0 {
		fmt.Fprintf(out, "; where both did, in %d, it cost a median of %.2f times the rival, %.2f at worst",
			len(ratios), ratios[len(ratios)/2], ratios[len(ratios)-1])
	}
	fmt.Fprintln(out)
}

// single compares with each rival's best single setting over all loads, as an operator sets it: the one that meets most
// cells, and of those the cheapest beside Siren.
func (r report) single(out io.Writer) {
	type summary struct {
		outcome
		met, both, hits int
		ratio           float64 // Siren's cost to it, the geometric mean of the cells that both met
	}
	var best []summary
	at := map[string]int{}
	for i := range r.cells[0].results {
		s := summary{outcome: r.cells[0].results[i]}
		logs := 0.0
		for _, c := range r.cells {
			o, siren := c.results[i], c.results[0]
			s.hits += o.hits
			if o.met() {
				s.met++
			}
			if o.met() && siren.met() {
				s.both++
				logs += math.Log(siren.cost / o.cost)
			}
		}
		s.ratio = math.Exp(logs / float64(max(1, s.both)))
		k, known := at[s.Name]
		switch {
		case !known:
			at[s.Name] = len(best)
			best = append(best, s)
		case s.met > best[k].met || s.met == best[k].met && s.ratio > best[k].ratio:
			best[k] = s
		}
	}
	fmt.Fprintln(out, "Against each rival's best single setting over all loads")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "rival\tcells met\tboth met\tSiren's cost to it\thits\tsetting")
	for _, s := range best {
		fmt.Fprintf(w, "%s\t%d of %d\t%d\t%.2f\t%d\t%s\n", s.Name, s.met, len(r.cells), s.both, s.ratio, s.hits,
			s.Setting)
	}
	must(w.Flush())
	fmt.Fprintln(out)
}

// everything prints every setting in every cell.
func (r report) everything(out io.Writer) {
	fmt.Fprintln(out, "Everything")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "load\tD\tin time\tcost\tstarts\thits\trival")
	for _, c := range r.cells {
		for _, o := range c.results {
			fmt.Fprintf(w, "%s\t%s\t%s\t%.0f\t%d\t%d\t%s; %s\n", c.load.name, c.cold, percents(o.shares), o.cost,
				o.starts, o.hits, o.Name, o.Setting)
		}
	}
	must(w.Flush())
}

// must ends the command when its output can't be written.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchlaw:", err)
		os.Exit(1)
	}
}

// percents writes the lanes' shares, the most urgent first; of many only the least.
func percents(shares []float64) string {
	if len(shares) > 4 {
		return fmt.Sprintf("%.1f, the least of %d", 100*slices.Min(shares), len(shares))
	}
	words := make([]string, len(shares))
	for i, s := range shares {
		words[i] = fmt.Sprintf("%.1f", 100*s)
	}
	return strings.Join(words, "/")
}
