package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// A chart's size, in the units of its picture: so that its words can be read where it is as wide as a phone.
const (
	chartWidth = 400.0
	plotLeft   = 34.0
	plotRight  = chartWidth - 10
	plotTop    = 44.0 // below the title and the title of the upright axis
	belowPlot  = 38.0 // for the level axis
)

// chart is what report.svg.tmpl draws. Its coordinates are those of the picture.
type chart struct {
	Title, YTitle, XTitle string
	Says                  string // for those who can't see it
	Place                 *place // in another picture; nil: it stands alone
	Width, Height         float64
	Left, Right           float64 // of the plot
	Top, Bottom           float64
	X, Y                  []tick
	Limits                []limit
	Trails                []trail
	Areas                 []string
	Steps                 []steps
	Dots                  []dot
	most                  float64 // where the upright axis ends
}

// place is where a chart is drawn in a picture.
type place struct{ X, Y, Width, Height float64 }

// tick is a mark of an axis.
type tick struct {
	At   float64
	Text string
}

// limit is a level that is to be kept: an objective, the budget.
type limit struct {
	At, TextX float64
	Rank      int // of the lane; -1: it is none of a lane
	Text      string
	Anchor    string
}

// trail is how the wait of a job grew until it started.
type trail struct {
	X1, Y1, X2, Y2 float64
	Rank           int
}

// dot is the start of a job.
type dot struct {
	X, Y float64
	Rank int
	Says string
}

// steps is a figure over time.
type steps struct {
	Rank   int // of the lane; -1: of none
	Points string
}

// scale maps figures from 0 to Most to places between two coordinates.
type scale struct{ Most, From, To float64 }

func (s scale) at(v float64) float64 { return s.From + (s.To-s.From)*v/s.Most }

// ticks returns the marks of an axis, a step apart.
func ticks(s scale, step float64) (marks []tick) {
	for i := 0.0; i*step <= s.Most+1e-9; i++ {
		marks = append(marks, tick{s.at(i * step), strings.TrimSuffix(fmt.Sprintf("%.1f", i*step), ".0")})
	}
	return marks
}

// roundStep returns the least of 1, 2, 5, 10, 20, 50, … times least that isn't below step.
func roundStep(step, least float64) float64 {
	for at := least; ; at *= 10 {
		for _, n := range []float64{1, 2, 5} {
			if at*n >= step-1e-9 {
				return at * n
			}
		}
	}
}

// span is what the charts of both trials have in common, so that they can be compared.
type span struct{ seconds, wait, backlog, workers float64 }

// span returns how far the figures of both trials go.
func (r Report) span() span {
	var s span
	for _, t := range []Trial{r.With, r.Without} {
		for _, m := range t.Moments {
			s.seconds = max(s.seconds, t.since(m.At))
			s.workers = max(s.workers, workers(m))
		}
		for _, rec := range t.Records {
			s.seconds = max(s.seconds, t.since(rec.EndedAt))
			s.wait = max(s.wait, rec.Wait.D().Seconds())
		}
		for _, l := range r.With.Policy.Lanes {
			for _, at := range r.backlog(t, l.Name) {
				s.backlog = max(s.backlog, at.value)
			}
		}
		s.workers = max(s.workers, float64(t.Policy.Budget))
	}
	return s
}

// since returns how many seconds after the burst it was then; of no time, 0.
func (t Trial) since(then time.Time) float64 { return max(0, then.Sub(t.Began).Seconds()) }

func workers(m Moment) (n float64) {
	for _, p := range m.Snap.Pools {
		n += float64(Alive(p))
	}
	return n
}

// frame makes a chart without content, and its scales.
func frame(title, yTitle string, height, wide, high, least float64) (c chart, x, y scale) {
	c = chart{
		Title: title, YTitle: yTitle, XTitle: "seconds since the burst", Width: chartWidth, Height: height,
		Left: plotLeft, Right: plotRight, Top: plotTop, Bottom: height - belowPlot,
	}
	x = scale{max(1, wide), plotLeft, plotRight} // the last tick may be before the end
	c.X = ticks(x, roundStep(x.Most/6, 1))
	step := roundStep(high/(c.Bottom-c.Top)*30, least)
	y = scale{max(step, math.Ceil(high/step-1e-9)*step), c.Bottom, c.Top}
	c.Y, c.most = ticks(y, step), y.Most
	return c, x, y
}

// waitFrame makes the chart of waits without content. Above the highest objective there is room for what it is called.
func (r Report) waitFrame(title string, s span) (c chart, x, y scale) {
	const yTitle, height, least = "seconds a job waited", 300, 0.1
	c, x, y = frame(title, yTitle, height, s.seconds, s.wait, least)
	for _, l := range r.With.Policy.Lanes {
		if v := l.StartWithin.D().Seconds(); v <= y.Most && y.at(v) < c.Top+labelHeight {
			return frame(title, yTitle, height, s.seconds, y.Most*1.01, least)
		}
	}
	return c, x, y
}

// labelHeight is what a line's text takes above it.
const labelHeight = 20

// waitChart draws how long each job of a trial waited.
func (r Report) waitChart(t Trial, title string, s span) chart {
	c, x, y := r.waitFrame(title, s)
	c.Says = "how long each job waited for its start, by the time of its start"
	of := r.lanesOf()
	for rank, l := range r.With.Policy.Lanes {
		if v := l.StartWithin.D().Seconds(); v <= y.Most {
			text := fmt.Sprintf("%s objective: %s", l.Name, l.StartWithin)
			c.Limits = append(c.Limits, limitAt(y.at(v), rank, text, c))
		}
	}
	var urgent []dot // over the others
	for _, rec := range t.Records {
		if rec.StartedAt.IsZero() {
			continue
		}
		rank, waited := r.With.Policy.Rank(of[rec.ID]), rec.Wait.D()
		d := dot{
			X: x.at(t.since(rec.StartedAt)), Y: y.at(waited.Seconds()), Rank: rank,
			Says: fmt.Sprintf("%s waited %s", rec.ID, Seconds(waited)),
		}
		if rank > 0 {
			c.Dots = append(c.Dots, d)
			continue
		}
		urgent = append(urgent, d)
		came := max(0, t.since(rec.StartedAt)-waited.Seconds())
		c.Trails = append(c.Trails, trail{x.at(came), y.at(0), d.X, d.Y, rank})
	}
	c.Dots = append(c.Dots, urgent...)
	return c
}

// limitAt says a level at the side where it is in nobody's way: waits grow from the lower left to the upper right.
func limitAt(at float64, rank int, text string, c chart) limit {
	if at > (c.Top+c.Bottom)/2 {
		return limit{at, c.Right, rank, text, "end"}
	}
	return limit{at, c.Left + 6, rank, text, "start"}
}

// value is a figure from a time on.
type value struct{ since, value float64 }

// backlog returns how many of a lane's jobs waited, from each change on.
func (r Report) backlog(t Trial, lane string) []value {
	of := r.lanesOf()
	changes := map[float64]float64{0: 0} // by second
	for _, rec := range t.Records {
		if of[rec.ID] != lane {
			continue
		}
		changes[t.since(rec.EnqueuedAt)]++
		if !rec.StartedAt.IsZero() {
			changes[t.since(rec.StartedAt)]--
		}
	}
	waiting := 0.0
	var values []value
	for _, at := range slices.Sorted(maps.Keys(changes)) {
		waiting += changes[at]
		values = append(values, value{at, waiting})
	}
	return values
}

func (r Report) backlogChart(t Trial, title string, s span) chart {
	c, x, y := frame(title, "waiting jobs", 190, s.seconds, s.backlog, 1)
	c.Says = "how many jobs of each lane waited"
	for rank, l := range r.With.Policy.Lanes {
		c.Steps = append(c.Steps, steps{rank, stepped(r.backlog(t, l.Name), t.end(), x, y)})
	}
	return c
}

func (r Report) workerChart(t Trial, title string, s span) chart {
	c, x, y := frame(title, "workers", 170, s.seconds, s.workers+1, 1)
	c.Says = "how many workers there were"
	budget := float64(t.Policy.Budget)
	c.Limits = append(c.Limits, limit{y.at(budget), c.Right, -1, fmt.Sprintf("budget: %.0f", budget), "end"})
	var line []value
	for _, m := range t.Moments {
		line = append(line, value{t.since(m.At), workers(m)})
	}
	if len(line) > 0 {
		points := stepped(line, t.end(), x, y)
		c.Areas = append(c.Areas, fmt.Sprintf("%.1f,%.1f %s%.1f,%.1f", x.at(line[0].since), c.Bottom, points,
			x.at(t.end()), c.Bottom))
		c.Steps = append(c.Steps, steps{-1, points})
	}
	return c
}

// end returns when the last was seen of a trial.
func (t Trial) end() (end float64) {
	for _, m := range t.Moments {
		end = max(end, t.since(m.At))
	}
	for _, rec := range t.Records {
		end = max(end, t.since(rec.EndedAt))
	}
	return end
}

// stepped draws values as the points of a stepped line, up to an end.
func stepped(values []value, end float64, x, y scale) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			fmt.Fprintf(&b, "%.1f,%.1f ", x.at(v.since), y.at(values[i-1].value))
		}
		fmt.Fprintf(&b, "%.1f,%.1f ", x.at(v.since), y.at(v.value))
	}
	fmt.Fprintf(&b, "%.1f,%.1f ", x.at(end), y.at(values[len(values)-1].value))
	return b.String()
}
