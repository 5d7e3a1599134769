package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"time"

	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/fleet"
)

//go:embed page.html.tmpl picture.svg.tmpl chart.svg.tmpl
var templates embed.FS

//go:embed style.css
var style string

// legend is a lane's entry.
type legend struct {
	Rank int
	Lane string
	Note string // an objective that is beyond the axis
	X    int    // in the picture
}

// content is what the templates show.
type content struct {
	Report
	Headline Headline
	Style    template.CSS
	Legend   []legend
	Charts   []chart // in pairs: with lanes, and without
	Policies []policy
}

// policy is the file of a trial.
type policy struct{ Name, YAML string }

// Page writes the report as one HTML file that needs nothing else. The policies are shown as they are written.
func (r Report) Page(withYAML, withoutYAML string) ([]byte, error) {
	c := r.content()
	s := r.span()
	c.Charts = []chart{
		r.waitChart(r.With, "With lanes", s), r.waitChart(r.Without, "Without lanes", s),
		r.backlogChart(r.With, "Backlog with lanes", s), r.backlogChart(r.Without, "Backlog without lanes", s),
		r.workerChart(r.With, "Workers with lanes", s), r.workerChart(r.Without, "Workers without lanes", s),
	}
	c.Policies = []policy{{"The policy with lanes", withYAML}, {"The policy without lanes", withoutYAML}}
	return c.render("page.html.tmpl")
}

// Picture writes the headline and the waits as an SVG, of the shape that is posted.
func (r Report) Picture() ([]byte, error) {
	c := r.content()
	s := r.span()
	c.Charts = []chart{r.waitChart(r.With, "With lanes", s), r.waitChart(r.Without, "Without lanes", s)}
	for i := range c.Charts {
		c.Charts[i].Place = &place{X: 40 + 576*float64(i), Y: 150, Width: 544, Height: 408}
	}
	return c.render("picture.svg.tmpl")
}

func (r Report) content() content {
	c := content{Report: r, Headline: r.Headline(), Style: template.CSS(style)}
	top := r.waitChart(r.With, "", r.span()).most
	for rank, l := range r.With.Policy.Lanes {
		e := legend{Rank: rank, Lane: l.Name, X: 46 + 110*rank}
		if l.StartWithin.D().Seconds() > top {
			e.Note = fmt.Sprintf("objective %s, above the axis", l.StartWithin)
		}
		c.Legend = append(c.Legend, e)
	}
	return c
}

// Lead says what was done for the headline.
func (c content) Lead() string {
	h := c.Headline
	came := fmt.Sprintf("%d of them", h.Jobs)
	if h.Jobs == h.Of {
		came = "all of them"
	}
	return fmt.Sprintf("%s of lower lanes filled the fleet, and %s came on top, %s while every slot that lower lanes "+
		"may take was busy. Then the same jobs came again at the same times, without lanes: one queue, first come, "+
		"first served. Both times there were up to %s.", say.Plural(len(c.With.Records)-h.Of, "job"),
		say.Plural(h.Of, h.Lane+" job"), came, c.workers())
}

// Foot says in few words what the picture shows.
func (c content) Foot() string {
	return fmt.Sprintf("siren demo: the same %d jobs on the same machine, on up to %s. A mark is the start of a job.",
		len(c.With.Records), c.workers())
}

// workers says how many there were at most in either trial.
func (c content) workers() string {
	with, _, _ := c.With.Peak()
	without, _, _ := c.Without.Peak()
	return say.Plural(max(with, without), "worker")
}

func (c content) render(name string) ([]byte, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"short": say.Short,
		"since": func(p fleet.Plan) string {
			return fmt.Sprintf("%.1f s", p.At.Sub(c.With.Began).Seconds())
		},
		"date":  func(t time.Time) string { return t.Format("2 January 2006") },
		"place": func(rank int, x, y float64) dot { return dot{X: x, Y: y, Rank: rank} },
	}).ParseFS(templates, "*.tmpl")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.ExecuteTemplate(&b, name, c)
	return b.Bytes(), err
}
