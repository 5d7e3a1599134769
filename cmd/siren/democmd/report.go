package democmd

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

//go:embed report.html.tmpl
var reportTemplate string

// laneResult is one lane's line of the summary.
type laneResult struct {
	Name          string
	Jobs          int
	P50, P95, Max time.Duration
	Objective     lanes.Duration
	Met           bool
}

// prove sums the run up, checks every output, writes the report, and fails when anything is wrong.
func (d *demo) prove(
	ctx context.Context, a *app.App, board *redis.Board, ledger *jobledger.Ledger, began time.Time,
) error {
	var records []job.Record
	var bad []string
	for _, id := range d.ids {
		r, err := ledger.Get(ctx, id)
		if err != nil {
			return fmt.Errorf("read job %s: %w", id, err)
		}
		records = append(records, r)
		if why := Verify(ctx, r); why != "" {
			bad = append(bad, id+": "+why)
		}
	}
	plans, err := board.Plans(ctx, "", began.Add(-time.Minute), 1000)
	if err != nil {
		return fmt.Errorf("read the plans: %w", err)
	}
	slices.Reverse(plans)
	d.plans = slices.DeleteFunc(plans, func(p fleet.Plan) bool { return p.From == p.To })

	results := Summarise(d.policy, records)
	fmt.Fprintln(a.Out)
	col, num := show.Col, show.Num
	t := show.NewTable(col("LANE"), num("JOBS"), num("P50 WAIT"), num("P95 WAIT"), num("MAX WAIT"), num("OBJECTIVE"),
		col("STATUS"))
	for _, r := range results {
		met, style := "met", show.Green
		if !r.Met {
			met, style = "missed", show.Red
		}
		t.Add(r.Name, strconv.Itoa(r.Jobs), say.Short(r.P50), say.Short(r.P95), say.Short(r.Max), r.Objective.String(),
			met)
		t.Paint("STATUS", style)
	}
	if err := t.Print(a.Out); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, "\nWhat the scaler did, and why:")
	for _, p := range d.plans {
		fmt.Fprintf(a.Out, "  %5.1f s  %-8s %-9s %s\n", p.At.Sub(began).Seconds(), p.Pool, p.Reason, p.Why)
	}
	if err := d.writeReport(results, records, began); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if len(bad) > 0 {
		return fmt.Errorf("%d of %d outputs are not right:\n  %s", len(bad), len(records), strings.Join(bad, "\n  "))
	}
	fmt.Fprintf(a.Out, "\n%d jobs completed, every output verified with ffprobe. Report: %s\n", len(records), d.report)
	return nil
}

func Summarise(p *lanes.Policy, records []job.Record) []laneResult {
	var results []laneResult
	for _, l := range p.Lanes {
		var waits []time.Duration
		for _, r := range records {
			if r.Lane == l.Name && !r.StartedAt.IsZero() {
				waits = append(waits, r.Wait.D())
			}
		}
		if len(waits) == 0 {
			continue
		}
		slices.Sort(waits)
		at := func(q float64) time.Duration { return waits[int(math.Ceil(q*float64(len(waits))))-1] }
		results = append(results, laneResult{
			Name: l.Name, Jobs: len(waits), P50: at(0.5), P95: at(0.95), Max: waits[len(waits)-1],
			Objective: l.StartWithin, Met: at(0.95) <= l.StartWithin.D(),
		})
	}
	return results
}

// Verify looks into a job's output with ffprobe; it says what is wrong, or nothing.
func Verify(ctx context.Context, r job.Record) string {
	if r.State != job.Completed {
		return fmt.Sprintf("%s: %s %s", r.State, r.Reason, r.Error)
	}
	u, err := url.Parse(r.Output)
	if err != nil {
		return err.Error()
	}
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-show_entries",
		"stream=codec_name,codec_type,width,height:format=duration", "-of", "json", u.Path).Output()
	if err != nil {
		return "ffprobe can't read it: " + err.Error()
	}
	var probe struct {
		Streams []struct {
			Codec  string `json:"codec_name"`
			Type   string `json:"codec_type"`
			Width  int    `json:"width"`
			Height int    `json:"height"`
		} `json:"streams"`
		Format struct {
			Duration string `json:"duration"`
		} `json:"format"`
	}
	if err := json.Unmarshal(out, &probe); err != nil {
		return "ffprobe's answer: " + err.Error()
	}
	if len(probe.Streams) == 0 || probe.Streams[0].Width == 0 {
		return "it has no picture"
	}
	video := probe.Streams[0]
	switch r.Kind {
	case "thumbnail":
		if video.Codec != "mjpeg" || video.Width != 320 {
			return fmt.Sprintf("a %s of width %d, not a jpg of width 320", video.Codec, video.Width)
		}
	case "transcode":
		seconds, _ := strconv.ParseFloat(probe.Format.Duration, 64)
		if video.Codec != "h264" || video.Height != 240 || seconds < 1 {
			return fmt.Sprintf("%s, %d lines, %.1f s, not h264 with 240 lines", video.Codec, video.Height, seconds)
		}
	}
	return ""
}

// chart is what the report draws: dots (a job's wait at its start) and steps (workers, busy slots, backlog over time).
type chart struct {
	Seconds float64 // width of both pictures in seconds
	MaxWait float64
	MaxY    float64
	Dots    []dot
	Curves  []curve
	Lanes   []legend
}

type dot struct {
	X, Y  float64
	Color string
	Title string
}

type curve struct {
	Name, Color, Points string
}

type legend struct{ Name, Color string }

var laneColors = []string{"#d6336c", "#1c7ed6", "#868e96", "#2b8a3e", "#e67700"}

const chartWidth, chartHeight = 860.0, 220.0

func (d *demo) writeReport(results []laneResult, records []job.Record, began time.Time) error {
	c := d.chart(records, began)
	t, err := template.New("report").Funcs(template.FuncMap{
		"short":   say.Short,
		"since":   func(t time.Time) string { return fmt.Sprintf("%.1f s", t.Sub(began).Seconds()) },
		"seconds": func(x float64) string { return fmt.Sprintf("%.0f s", x) },
	}).Parse(reportTemplate)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{
		"Results": results, "Plans": d.plans, "Chart": c, "Version": app.Version(),
		"Began": began.Format(time.DateTime), "Policy": show.YAML(d.policy),
		"Width": chartWidth, "Height": chartHeight,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(d.report, b.Bytes(), 0o644)
}

func (d *demo) chart(records []job.Record, began time.Time) chart {
	c := chart{Seconds: 1, MaxWait: 1, MaxY: 1}
	for _, m := range d.history {
		c.Seconds = max(c.Seconds, m.at.Sub(began).Seconds())
		for _, l := range m.snap.Lanes {
			c.MaxY = max(c.MaxY, float64(l.Ready))
		}
	}
	for _, r := range records {
		c.MaxWait = max(c.MaxWait, r.Wait.D().Seconds())
	}
	x := func(t time.Time) float64 { return chartWidth * t.Sub(began).Seconds() / c.Seconds }
	for _, r := range records {
		color := laneColors[min(d.policy.Rank(r.Lane), len(laneColors)-1)]
		c.Dots = append(c.Dots, dot{
			X: x(r.StartedAt), Y: chartHeight * (1 - r.Wait.D().Seconds()/c.MaxWait), Color: color,
			Title: fmt.Sprintf("%s waited %s", r.ID, say.Short(r.Wait.D())),
		})
	}
	for i, l := range d.policy.Lanes {
		color := laneColors[min(i, len(laneColors)-1)]
		c.Lanes = append(c.Lanes, legend{l.Name, color})
		c.Curves = append(c.Curves, d.curve("backlog "+l.Name, color, c.MaxY, x, func(s fleet.Snapshot) float64 {
			for _, status := range s.Lanes {
				if status.Name == l.Name {
					return float64(status.Ready)
				}
			}
			return 0
		}))
	}
	c.Curves = append(c.Curves, d.curve("workers", "#000", c.MaxY, x, func(s fleet.Snapshot) (n float64) {
		for _, p := range s.Pools {
			n += float64(p.Replicas)
		}
		return n
	}))
	return c
}

// curve draws one figure over time as the points of a stepped line.
func (d *demo) curve(name, color string, top float64, x func(time.Time) float64, y func(fleet.Snapshot) float64) curve {
	var b strings.Builder
	last := 0.0
	for _, m := range d.history {
		now := chartHeight * (1 - y(m.snap)/top)
		if b.Len() > 0 {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(m.at), last)
		}
		fmt.Fprintf(&b, "%.1f,%.1f ", x(m.at), now)
		last = now
	}
	return curve{name, color, b.String()}
}
