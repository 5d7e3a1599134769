package simulatecmd

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes"
)

// laneTable shows how the lanes' jobs fared.
func laneTable(r *sim.Result) *show.Table {
	t := show.NewTable(show.Col("LANE"), show.Num("OBJECTIVE"), show.Num("JOBS"), show.Num("IN TIME"), show.Num("P50"),
		show.Num("P95"), show.Num("P99"), show.Num("MAX"), show.Num("LEFT"), show.Num("MEAN").Wide(),
		show.Num("DEAD").Wide(), show.Num("CRASHED").Wide(), show.Num("HITS").Wide(), show.Num("LOST").Wide())
	t.Spare("P50", "LEFT", "MAX")
	for _, l := range r.Lanes {
		t.Add(l.Name, l.StartWithin.String(), strconv.Itoa(l.Arrived), percent(l), wait(l, l.P50), wait(l, l.P95),
			wait(l, l.P99), wait(l, l.Max), strconv.Itoa(l.Left), wait(l, l.Mean), strconv.Itoa(l.Dead),
			strconv.Itoa(l.Crashed), strconv.Itoa(l.Hits), say.Short(time.Duration(l.Lost*float64(time.Second))))
		t.Paint("IN TIME", styleOf(l))
	}
	return t
}

func styleOf(l sim.LaneResult) show.Style {
	if l.Met() {
		return show.Green
	}
	return show.Red
}

// percent is the part of a lane's jobs that started in time.
func percent(l sim.LaneResult) string {
	if l.InTime+l.Late == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*l.Share())
}

// wait is one of a lane's waits; of no job there is none.
func wait(l sim.LaneResult, d lanes.Duration) string {
	if l.Arrived == 0 {
		return "-"
	}
	return say.Short(d.D())
}

// poolTable shows what the pools cost.
func poolTable(r *sim.Result) *show.Table {
	t := show.NewTable(show.Col("POOL"), show.Num("WORKER-HOURS"), show.Num("BUSY"), show.Num("IDLE"),
		show.Num("STARTING"), show.Num("PARKED"), show.Num("STARTS"), show.Num("PEAK"), show.Num("CHANGES").Wide(),
		show.Num("LEAVING").Wide(), show.Num("HITS").Wide())
	t.Spare("PEAK", "PARKED", "STARTING")
	add := func(name string, p sim.PoolResult) {
		all := p.WorkerSeconds()
		part := func(s float64) string {
			if all == 0 {
				return "-"
			}
			return fmt.Sprintf("%.0f%%", 100*s/all)
		}
		t.Add(name, hours(p), part(p.Busy), part(p.Idle), part(p.Starting), part(p.Parked), strconv.Itoa(p.Starts),
			strconv.Itoa(p.Peak), strconv.Itoa(p.Changes), part(p.Leaving), strconv.Itoa(p.Hits))
	}
	for _, p := range r.Pools {
		add(p.Name, p)
	}
	if len(r.Pools) > 1 {
		add("in all", r.Total)
	}
	return t
}

func hours(p sim.PoolResult) string { return fmt.Sprintf("%.2f", p.WorkerSeconds()/3600) }

// versusTable shows scalers side by side: Siren first, then the others, the cheapest first.
func versusTable(runs []versus) *show.Table {
	columns := []show.Column{show.Col("SCALER")}
	for _, l := range runs[0].Lanes {
		columns = append(columns, show.Num(strings.ToUpper(l.Name)), show.Num("P95"))
	}
	columns = append(columns, show.Num("WORKER-HOURS"), show.Num("STARTS"), show.Num("HITS"),
		show.Col("SETTING").Wide())
	t := show.NewTable(columns...)
	for _, r := range runs {
		cells := []string{r.Scaler}
		for _, l := range r.Lanes {
			cells = append(cells, percent(l), wait(l, l.P95))
		}
		t.Add(append(cells, hours(r.Total), strconv.Itoa(r.Total.Starts), strconv.Itoa(r.Total.Hits), r.Setting)...)
		for _, l := range r.Lanes {
			t.Paint(strings.ToUpper(l.Name), styleOf(l))
		}
	}
	return t
}
