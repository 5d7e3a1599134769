package page

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/internal/sim"
)

// A chart's size, in the units of its picture.
const (
	width  = 640.0
	height = 240.0
	left   = 48.0
	right  = width - 12
	top    = 40.0
	bottom = height - 28
)

// chart is one picture. Its coordinates are those of the picture.
type chart struct {
	Title, Y string
	YTicks   []tick
	XTicks   []tick
	Areas    []shape
	Lines    []shape
	Limits   []limit
	Dots     []dot
}

// tick is a mark of an axis.
type tick struct {
	At   float64
	Text string
}

// shape is a line, or an area, by its points.
type shape struct {
	Class, Points, Says string
}

// limit is a level that is to be kept.
type limit struct {
	Class, Says string
	At          float64
}

// dot is one scaler in the picture of all.
type dot struct {
	Class, Mark, Says string
	X, Y              float64
}

// Charts returns a run's pictures.
func (p Page) Charts(r Run) []chart {
	if len(r.Series) == 0 {
		return nil
	}
	return []chart{p.waits(r), p.fleet(r), p.backlog(r)}
}

// waits is the longest wait of each stretch, and the objectives. A wait that is far above them all would flatten the
// rest: the axis is logarithmic above a second.
func (p Page) waits(r Run) chart {
	c := frame(r, "Longest waits, and the objectives (dashed)", "wait, on a logarithmic axis above a second")
	most := 10.0
	for _, pt := range r.Series {
		for _, l := range pt.Lanes {
			most = max(most, l.Worst)
		}
	}
	for _, l := range r.Lanes {
		most = max(most, l.StartWithin.D().Seconds())
	}
	y := func(seconds float64) float64 { return up(bend(seconds), bend(most)) }
	for _, t := range []time.Duration{
		0, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 10 * time.Hour, 100 * time.Hour,
	} {
		if t.Seconds() <= most {
			c.YTicks = append(c.YTicks, tick{y(t.Seconds()), say.Short(t)})
		}
	}
	for i, l := range r.Lanes { // of the run's own policy
		worst := func(pt sim.Point) float64 { return y(pt.Lanes[i].Worst) }
		c.Lines = append(c.Lines, shape{p.class(l.Name), line(r, worst), l.Name})
		c.Limits = append(c.Limits, limit{
			p.class(l.Name), l.Name + " within " + l.StartWithin.String(),
			y(l.StartWithin.D().Seconds()),
		})
	}
	return c
}

// bend is a second at most as it is, and then the decades.
func bend(seconds float64) float64 {
	if seconds <= 1 {
		return seconds
	}
	return 1 + math.Log10(seconds)
}

// fleet is what the workers of all pools did, one above the other, and how many were asked for.
func (p Page) fleet(r Run) chart {
	c := frame(r, "The fleet: busy, idle, parked, starting (from below), and replicas", "workers")
	layers := []struct {
		class, says string
		of          func(sim.PoolPoint) int
	}{
		{"busy", "busy", func(q sim.PoolPoint) int { return q.Busy }},
		{"idle", "idle", func(q sim.PoolPoint) int { return q.Idle }},
		{"parked", "parked", func(q sim.PoolPoint) int { return q.Parked }},
		{"starting", "starting", func(q sim.PoolPoint) int { return q.Starting }},
	}
	total := func(pt sim.Point, of func(sim.PoolPoint) int) (n int) {
		for _, q := range pt.Pools {
			n += of(q)
		}
		return n
	}
	replicas := func(q sim.PoolPoint) int { return q.Replicas }
	below, most := make([]int, len(r.Series)), 1
	for i, pt := range r.Series {
		most = max(most, total(pt, replicas))
		for _, l := range layers {
			below[i] += total(pt, l.of)
		}
		most, below[i] = max(most, below[i]), 0
	}
	y := func(v float64) float64 { return up(v, float64(most)) }
	c.YTicks = ticks(float64(most))
	for _, l := range layers {
		var upper, lower []string
		for i, pt := range r.Series {
			x := across(pt, r)
			lower = append(lower, fmt.Sprintf("%.1f,%.1f", x, y(float64(below[i]))))
			below[i] += total(pt, l.of)
			upper = append(upper, fmt.Sprintf("%.1f,%.1f", x, y(float64(below[i]))))
		}
		for i := range lower {
			upper = append(upper, lower[len(lower)-1-i])
		}
		c.Areas = append(c.Areas, shape{l.class, strings.Join(upper, " "), l.says})
	}
	asked := func(pt sim.Point) float64 { return y(float64(total(pt, replicas))) }
	c.Lines = []shape{{"ink", line(r, asked), "replicas"}}
	return c
}

// backlog is how many jobs of each lane wait.
func (p Page) backlog(r Run) chart {
	c := frame(r, "Jobs that wait", "jobs")
	most := 1
	for _, pt := range r.Series {
		for _, l := range pt.Lanes {
			most = max(most, l.Waiting)
		}
	}
	c.YTicks = ticks(float64(most))
	for i := range r.Series[0].Lanes {
		c.Lines = append(c.Lines, shape{p.class(r.Lanes[i].Name), line(r, func(pt sim.Point) float64 {
			return up(float64(pt.Lanes[i].Waiting), float64(most))
		}), r.Lanes[i].Name})
	}
	return c
}

// All is what each scaler cost, beside what its worst lane reached. Nobody is above and to the left of those on the
// line.
func (p Page) All() chart {
	c := chart{Title: "What it costs, and what it reaches", Y: "jobs in time in the lane that fared worst, in %"}
	most := 0.01 // of an hour
	for _, r := range p.Runs {
		most = max(most, r.Total.WorkerSeconds()/3600)
	}
	for share := 0.0; share <= 100; share += 20 {
		c.YTicks = append(c.YTicks, tick{up(share, 100), fmt.Sprintf("%.0f", share)})
	}
	step := roundStep(most / 6)
	for at := 0.0; at <= most; at += step {
		c.XTicks = append(c.XTicks, tick{left + (right-left)*at/most, fmt.Sprintf("%g h", at)})
	}
	for i, r := range p.Runs {
		name := "other"
		if i == 0 {
			name = "siren"
		}
		worst := 1.0
		for _, l := range r.Lanes {
			worst = min(worst, l.Share())
		}
		x := left + (right-left)*r.Total.WorkerSeconds()/3600/most
		c.Dots = append(c.Dots, dot{name, mark(i), r.Name, x, up(100*worst, 100)})
	}
	c.Limits = []limit{{"ink", "95 %", up(95, 100)}}
	if points := front(c.Dots); points != "" {
		c.Lines = []shape{{"ink", points, "nobody is cheaper and better"}}
	}
	return c
}

// front is the dots of which none is both further left and higher.
func front(dots []dot) string {
	var best []dot
	for _, d := range dots {
		beaten := false
		for _, e := range dots {
			beaten = beaten || e.X <= d.X && e.Y <= d.Y && (e.X < d.X || e.Y < d.Y)
		}
		if !beaten {
			best = append(best, d)
		}
	}
	var points []string
	for x := 0.0; len(best) > 0; {
		next := 0
		for i, d := range best {
			if d.X < best[next].X {
				next = i
			}
		}
		x = best[next].X
		points = append(points, fmt.Sprintf("%.1f,%.1f", x, best[next].Y))
		best = append(best[:next], best[next+1:]...)
	}
	return strings.Join(points, " ")
}

// frame is a chart of a run over time, without content.
func frame(r Run, title, y string) chart {
	c := chart{Title: title, Y: y}
	all := r.For.D()
	for _, step := range []time.Duration{
		time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, time.Hour, 4 * time.Hour,
		24 * time.Hour, 7 * 24 * time.Hour, 28 * 24 * time.Hour,
	} {
		if all/step > 8 {
			continue
		}
		for at := time.Duration(0); at <= all; at += step {
			c.XTicks = append(c.XTicks, tick{left + (right-left)*at.Seconds()/all.Seconds(), say.Short(at)})
		}
		break
	}
	return c
}

// across is where a moment is on the level axis.
func across(pt sim.Point, r Run) float64 {
	return left + (right-left)*pt.At.D().Seconds()/r.For.D().Seconds()
}

// up is where a figure is on the upright axis.
func up(v, most float64) float64 { return bottom - (bottom-top)*v/most }

func line(r Run, y func(sim.Point) float64) string {
	points := make([]string, len(r.Series))
	for i, pt := range r.Series {
		points[i] = fmt.Sprintf("%.1f,%.1f", across(pt, r), y(pt))
	}
	return strings.Join(points, " ")
}

func ticks(most float64) (marks []tick) {
	step := max(1, roundStep(most/4))
	for at := 0.0; at <= most; at += step {
		marks = append(marks, tick{up(at, most), fmt.Sprintf("%.0f", at)})
	}
	return marks
}

// roundStep returns the least of 1, 2 and 5 times a power of ten that isn't below step.
func roundStep(step float64) float64 {
	if step <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(step)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= step {
			return n * power
		}
	}
	return 10 * power
}
