package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

const withYAML = `
lanes:
  - {name: express, match: [urgent=true], startWithin: 2s}
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: [batch=true], startWithin: 30m}
pools:
  - {name: general, lanes: [express, standard], guests: [bulk], slots: 1, shoulder: {express: 1}, min: 1, max: 3}
  - {name: batch, lanes: [bulk], slots: 1, max: 2}
budget: 4
`

const withoutYAML = `
lanes:
  - {name: all, startWithin: 2s}
pools:
  - {name: general, lanes: [all], slots: 2, min: 1, max: 4}
budget: 4
`

var began = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// after is a time after the burst.
func after(seconds float64) time.Time {
	return began.Add(time.Duration(seconds * float64(time.Second)))
}

// waited is a job that came and started then, and ran for a second.
func waited(lane string, i int, came, started float64) job.Record {
	return job.Record{
		ID: fmt.Sprintf("%s-%d", lane, i), Lane: lane, State: job.Completed, EnqueuedAt: after(came),
		StartedAt: after(started), EndedAt: after(started + 1),
		Wait: lanes.Duration(after(started).Sub(after(came))),
	}
}

// known is a report of jobs whose waits are known: the third express job comes when no lower job waits any more.
func known(t *testing.T) Report {
	t.Helper()
	parse := func(yaml string) *lanes.Policy {
		p, err := lanes.Parse([]byte(yaml))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	r := Report{
		With:    Trial{Policy: parse(withYAML), Began: began},
		Without: Trial{Policy: parse(withoutYAML), Began: began},
	}
	r.With.Records = []job.Record{
		waited("standard", 0, 0, 5), waited("standard", 1, 0, 20), waited("bulk", 0, 0, 40),
		waited("express", 0, 4, 4.25), waited("express", 1, 8, 8.4), waited("express", 2, 42, 42.7),
	}
	for i, started := range []float64{5, 10, 20, 30, 32, 70} {
		rec := r.With.Records[i]
		came := rec.EnqueuedAt.Sub(began).Seconds()
		again := waited("all", i, came, started)
		again.ID = rec.ID
		r.Without.Records = append(r.Without.Records, again)
	}
	pool := func(name string, ready int) fleet.PoolStatus { return fleet.PoolStatus{Name: name, Ready: ready} }
	for _, m := range []struct {
		at             float64
		general, batch int
	}{{0, 1, 0}, {2, 3, 1}, {60, 1, 0}} {
		r.With.Moments = append(r.With.Moments, Moment{
			after(m.at), fleet.Snapshot{Pools: []fleet.PoolStatus{pool("general", m.general), pool("batch", m.batch)}},
		})
		r.Without.Moments = append(r.Without.Moments, Moment{
			after(m.at), fleet.Snapshot{Pools: []fleet.PoolStatus{pool("general", m.general+m.batch)}},
		})
	}
	return r
}

// The headline is of the jobs that came while every slot was busy, and of the same ones without lanes.
func TestHeadline(t *testing.T) {
	r := known(t)
	h := r.Headline()
	want := Headline{Lane: "express", Jobs: 2, Of: 3, With: 400 * time.Millisecond, Without: 26 * time.Second}
	if h != want {
		t.Errorf("%+v, not %+v", h, want)
	}
	if got := h.WithLanes() + " " + h.WithoutLanes(); got !=
		"Express jobs waited 0.4 s at most while every slot was busy. Without lanes: 26 s." {
		t.Error(got)
	}
	// no bulk job waits: the pool batch has a free slot
	r.With.Records[2] = waited("bulk", 0, 0, 1)
	if h := r.Headline(); h.Jobs != 0 || h.With != 700*time.Millisecond || h.Without != 28*time.Second ||
		h.WithLanes() != "Express jobs waited 0.7 s at most." {
		t.Errorf("with a free slot: %+v: %s", h, h.WithLanes())
	}
}

// A guest lane's waiting job is enough for a pool to be busy.
func TestFullByGuests(t *testing.T) {
	r := known(t)
	for second, want := range map[float64]bool{10: true, 30: true, 41: false} { // from 20 s on, only bulk waits
		if got := r.With.full(after(second)); got != want {
			t.Errorf("full after %.0f s: %v", second, got)
		}
	}
}

func TestResults(t *testing.T) {
	r := known(t)
	r.With.Records, r.Without.Records = nil, nil
	for i := range 20 {
		with := waited("express", i, 0, float64(i+1))
		without := waited("all", i, 0, float64(2*i)/20)
		without.ID = with.ID
		r.With.Records, r.Without.Records = append(r.With.Records, with), append(r.Without.Records, without)
	}
	r.With.Records = append(r.With.Records, job.Record{ID: "never", Lane: "standard"}) // it didn't start
	results := r.Results()
	want := Result{
		Lane: "express", Objective: lanes.Duration(2 * time.Second),
		With:    Waits{20, 10 * time.Second, 19 * time.Second, 20 * time.Second, false},
		Without: Waits{20, 900 * time.Millisecond, 1800 * time.Millisecond, 1900 * time.Millisecond, true},
	}
	if len(results) != 1 || results[0] != want {
		t.Errorf("%+v, not %+v alone", results, want)
	}
}

func TestPeak(t *testing.T) {
	r := known(t)
	if w, s, alone := r.With.Peak(); w != 4 || s != 7 || alone != 3 {
		t.Errorf("with lanes: %d workers, %d slots, %d shoulders", w, s, alone)
	}
	if w, s, alone := r.Without.Peak(); w != 4 || s != 8 || alone != 0 {
		t.Errorf("without lanes: %d workers, %d slots, %d shoulders", w, s, alone)
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.01 s", 9 * time.Millisecond: "0.01 s", 39 * time.Millisecond: "0.04 s", 99 * time.Millisecond: "0.10 s",
		99800 * time.Microsecond: "0.1 s", 3240 * time.Millisecond: "3.2 s", 9960 * time.Millisecond: "10 s",
		83 * time.Second: "83 s",
	} {
		if got := Seconds(d); got != want {
			t.Errorf("%s: %q, not %q", d, got, want)
		}
	}
}

// Both trials' charts have the same axes.
func TestChartsCompare(t *testing.T) {
	r := known(t)
	s := r.span()
	if want := (span{seconds: 71, wait: 40, backlog: 2, workers: 4}); s != want {
		t.Errorf("%+v, not %+v", s, want)
	}
	with, without := r.waitChart(r.With, "", s), r.waitChart(r.Without, "", s)
	texts := func(marks []tick) (all string) {
		for _, m := range marks {
			all += m.Text + " "
		}
		return all
	}
	for _, c := range []chart{with, without} {
		if x, y := texts(c.X), texts(c.Y); x != "0 20 40 60 " || y != "0 10 20 30 40 " {
			t.Errorf("ticks %q and %q", x, y)
		}
		if len(c.Limits) != 2 || c.Limits[0].Text != "express objective: 2s" ||
			c.Limits[1].Text != "standard objective: 30s" {
			t.Errorf("objectives: %+v", c.Limits)
		}
		if got, want := c.Limits[1].At, c.Bottom-(c.Bottom-c.Top)*30/40; got != want {
			t.Errorf("30 s of 40 are at %.1f, not %.1f", got, want)
		}
	}
	if len(with.Dots) != 6 || len(with.Trails) != 3 {
		t.Fatalf("%d jobs, %d waits of express", len(with.Dots), len(with.Trails))
	}
	last := without.Dots[5] // express is drawn over the others
	x := plotLeft + (plotRight-plotLeft)*70/71
	if last.X != x || last.Rank != 0 || last.Says != "express-2 waited 28 s" {
		t.Errorf("%+v, not at %.1f", last, x)
	}
	if got := r.backlog(r.With, "standard"); len(got) != 3 || got[0] != (value{0, 2}) || got[2] != (value{20, 0}) {
		t.Errorf("backlog of standard: %+v", got)
	}
}

// The page has all of it in one file, and what others have named can't act in it.
func TestPage(t *testing.T) {
	r := known(t)
	r.Facts = []Fact{{"Machine", "2 <b>cores</b>"}}
	r.With.Records[0].ID = `"><script>alert(1)</script>`
	r.With.Plans = []fleet.Plan{{At: after(0.9), Pool: "general", Reason: fleet.Ceiling, Why: "1 → 3: 12 & more wait"}}
	text, err := r.Page("lanes: <one>\n", "lanes: two\n")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, want := range []string{
		"<h1>Express jobs waited 0.4 s at most while every slot was busy. <span>Without lanes: 26 s.</span></h1>",
		"express objective: 2s", "standard objective: 30s", "(objective 30m, above the axis)", "budget: 4",
		"seconds a job waited", "seconds since the burst", "waiting jobs", "prefers-color-scheme: dark",
		"2 &lt;b&gt;cores&lt;/b&gt;", "lanes: &lt;one&gt;", "0.9 s", "12 &amp; more wait", "2 of them while every slot",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page doesn't say %q", want)
		}
	}
	if n := strings.Count(page, `class="chart"`); n != 6 {
		t.Errorf("%d charts", n)
	}
	for _, bad := range []string{
		"<script", "<b>cores", "http-equiv", "src=", "@import", "url(", "ZgotmplZ", "NaN", "Inf",
	} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// The picture is well-formed by itself, and has nothing that a lane could break.
func TestPicture(t *testing.T) {
	r := known(t)
	r.With.Records[0].ID = "a<b&c"
	text, err := r.Picture()
	if err != nil {
		t.Fatal(err)
	}
	marks := 0
	for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if e, ok := token.(xml.StartElement); ok {
			for _, a := range e.Attr {
				if a.Name.Local == "class" && strings.HasPrefix(a.Value, "mark ") {
					marks++
				}
			}
		}
	}
	if marks != 2*6+3 {
		t.Errorf("%d marks, not one for each job and each lane of the legend", marks)
	}
	if !strings.Contains(string(text), "Without lanes: 26 s.") {
		t.Error("the picture has no headline")
	}
	for _, over := range regexp.MustCompile(`(?s)<text class="limit.*?</svg>`).FindAllString(string(text), -1) {
		if strings.Contains(over, `class="mark `) {
			t.Errorf("a mark may hide what an objective is: %s", over)
		}
	}
}

// A trial in which nothing ran can be drawn.
func TestEmpty(t *testing.T) {
	r := known(t)
	for _, trial := range []*Trial{&r.With, &r.Without} {
		trial.Records, trial.Moments = nil, nil
	}
	page, err := r.Page("", "")
	if err != nil || strings.Contains(string(page), "NaN") {
		t.Errorf("%v\n%s", err, page)
	}
}

// An objective at the end of the axis leaves room for what it is called, below the axis' title.
func TestRoomAboveTheHighestObjective(t *testing.T) {
	for _, most := range []float64{24.9, 27, 29.9, 30, 31} {
		c := known(t).waitChart(Trial{}, "", span{seconds: 60, wait: most})
		l := c.Limits[len(c.Limits)-1]
		if l.Text != "standard objective: 30s" && most > 27 || l.At < c.Top+labelHeight {
			t.Errorf("waits up to %g s: %q at %g, the axis ends at %g", most, l.Text, l.At, c.Top)
		}
	}
}
