package simulatecmd

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/internal/sim/advise"
)

// mostColumns is how many lanes a table has columns for.
const mostColumns = 5

// shown returns the places of the lanes that have jobs, where there is room for all of them; else none.
func (r advice) shown() (places []int) {
	for i, l := range r.AsItIs.Lanes {
		if l.Jobs > 0 {
			places = append(places, i)
		}
	}
	if len(places) > mostColumns {
		return nil
	}
	return places
}

// row is a policy's name in a table, what it makes of the load, and what it is compared with.
type row struct {
	name       string
	is, before advise.Outcome
}

// steps shows what each step makes of the load.
func (r advice) steps() *show.Table {
	before := r.AsItIs
	rows := []row{{r.first, before, before}}
	for n, step := range r.Steps {
		rows = append(rows, row{fmt.Sprintf("%d. %s", n+1, advise.Says(step.Changes)), step.Outcome, before})
		before = step.Outcome
	}
	return r.outcomes("STEP", rows)
}

// budgets shows what larger budgets would make of it.
func (r advice) budgets() *show.Table {
	var rows []row
	for _, b := range r.Budgets {
		rows = append(rows, row{strconv.Itoa(b.Budget), b.Outcome, r.Outcome()})
	}
	return r.outcomes("BUDGET", rows)
}

// outcomes shows how the lanes fare, and what that costs.
func (r advice) outcomes(title string, rows []row) *show.Table {
	columns := []show.Column{show.Col(title)}
	places := r.shown()
	for _, i := range places {
		columns = append(columns, show.Num(strings.ToUpper(r.AsItIs.Lanes[i].Name)), show.Num("P95"))
	}
	if places == nil {
		columns = append(columns, show.Num("LANES MET"), show.Col("WORST"))
	}
	columns = append(columns, show.Num("STARTS").Wide(), show.Num("PEAK").Wide())
	t := show.NewTable(append(columns, r.costColumns()...)...)
	for _, row := range rows {
		cells := []string{row.name}
		for _, i := range places {
			l := row.is.Lanes[i]
			cells = append(cells, fmt.Sprintf("%.1f%%", 100*l.Share), say.Short(l.P95.D()))
		}
		if places == nil {
			cells = append(cells, metOf(row.is)...)
		}
		cells = append(cells, strconv.Itoa(row.is.Starts), strconv.Itoa(row.is.Peak))
		t.Add(append(cells, r.costs(row.is, row.before)...)...)
		for _, i := range places {
			t.Paint(strings.ToUpper(row.is.Lanes[i].Name), styleOfMet(row.is.Lanes[i].Met))
		}
	}
	return t
}

func styleOfMet(met bool) show.Style {
	if met {
		return show.Green
	}
	return show.Red
}

// metOf says how many lanes meet their objectives, and which is furthest from it.
func metOf(o advise.Outcome) []string {
	met, with, worst := 0, 0, advise.Lane{Share: 2}
	for _, l := range o.Lanes {
		if l.Jobs == 0 {
			continue
		}
		with++
		if l.Met {
			met++
		}
		if l.Share < worst.Share {
			worst = l
		}
	}
	return []string{fmt.Sprintf("%d of %d", met, with), fmt.Sprintf("%s %.1f%%", worst.Name, 100*worst.Share)}
}

// costColumns are those of what an outcome costs, compared with another.
func (r advice) costColumns() []show.Column {
	columns := []show.Column{show.Num("WORKER-HOURS"), show.Num("CORE-HOURS")}
	if r.Price > 0 {
		columns = append(columns, show.Num("COST"), show.Num("A MONTH"))
	}
	return append(columns, show.Num("CHANGE"))
}

func (r advice) costs(o, before advise.Outcome) []string {
	cells := []string{amount(o.WorkerHours), amount(o.CoreHours)}
	if r.Price > 0 {
		cells = append(cells, amount(o.CoreHours*r.Price), amount(r.monthly(o)))
	}
	return append(cells, fmt.Sprintf("%+.1f%%", 100*(o.CoreHours/max(before.CoreHours, 1e-9)-1)))
}

// promises shows what other objectives would cost.
func (r advice) promises() *show.Table {
	columns := []show.Column{show.Col("LANE"), show.Num("WITHIN"), show.Num("IN TIME"), show.Num("P95")}
	t := show.NewTable(append(append(columns, r.costColumns()...), show.Col("WITH"), show.Col("BUT"))...)
	last := r.Outcome()
	for _, p := range r.Promises {
		for i, l := range p.Lanes {
			if l.Name != p.Lane {
				continue
			}
			cells := []string{l.Name, l.StartWithin.String(), fmt.Sprintf("%.1f%%", 100*l.Share), say.Short(l.P95.D())}
			cells = append(cells, r.costs(p.Outcome, last)...)
			t.Add(append(cells, cmp.Or(advise.Says(p.Changes), "-"), cmp.Or(misses(p, last, i), "-"))...)
			t.Paint("IN TIME", styleOfMet(l.Met))
		}
	}
	return t
}

// misses names the lanes that miss their objective for a promise to another, or that misses it itself.
func misses(p advise.Promise, last advise.Outcome, i int) string {
	var names []string
	if !p.Lanes[i].Met {
		names = append(names, "not kept")
	}
	for k, l := range p.Lanes {
		if k != i && !l.Met && last.Lanes[k].Met {
			names = append(names, l.Name+" misses its own")
		}
	}
	return strings.Join(names, ", ")
}
