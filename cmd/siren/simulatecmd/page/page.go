// Package page draws simulations as one HTML file that needs nothing else: waits against the objectives, the fleet and
// the backlog over time, and the decisions with their reasons; of several ones, what each cost beside what it reached.
// It does no I/O.
package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"time"

	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes"
)

//go:embed page.html.tmpl
var text string

// Page is what is drawn.
type Page struct {
	Load   string // in words
	Policy *lanes.Policy
	Cold   time.Duration // a worker's start, the median
	Runs   []Run         // the first one is drawn in full, and of two both
}

// Run is one simulation of the load.
type Run struct {
	Name, Setting string
	*sim.Result
}

// HTML returns the file.
func (p Page) HTML() ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"percent": func(l sim.LaneResult) string { return fmt.Sprintf("%.1f %%", 100*l.Share()) },
		"short":   func(d lanes.Duration) string { return say.Short(d.D()) },
		"hours":   func(r sim.PoolResult) string { return fmt.Sprintf("%.2f", r.WorkerSeconds()/3600) },
		"xy":      func(v float64) string { return fmt.Sprintf("%.1f", v) },
		"class":   class,
		"mark":    mark,
	}).Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, p)
	return b.Bytes(), err
}

// class is the colour of a lane: there are six, in turns.
func class(i int) string { return fmt.Sprintf("c%d", i%6) }

// class is the colour of a lane in all runs: another policy may have other lanes, in another order.
func (p Page) class(lane string) string { return class(p.Policy.Rank(lane)) }

// Of returns what came of the policy's lanes in a run, in the policy's order; nil for a lane that the run doesn't have.
func (p Page) Of(r Run) []*sim.LaneResult {
	all := make([]*sim.LaneResult, len(p.Policy.Lanes))
	for i, l := range r.Lanes {
		if at := p.Policy.Rank(l.Name); at < len(all) {
			all[at] = &r.Lanes[i]
		}
	}
	return all
}

// mark is the letter of a run, in the picture of all and in the table.
func mark(i int) string { return string(rune('a' + i)) }

// InFull are the runs that are drawn with all their pictures.
func (p Page) InFull() []Run {
	if len(p.Runs) == 2 {
		return p.Runs
	}
	return p.Runs[:1]
}

// Several reports whether there are others to compare with.
func (p Page) Several() bool { return len(p.Runs) > 2 }

// Shown is how many decisions a page has.
const shown = 400

// Latest returns the decisions that are shown: the last ones.
func (r Run) Latest() []sim.Decision { return r.Decisions[max(0, len(r.Decisions)-shown):] }

// Left is how many are not.
func (r Run) Left() int { return len(r.Decisions) - len(r.Latest()) }
