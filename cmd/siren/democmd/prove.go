package democmd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/democmd/report"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
)

// sumUp says how long the jobs waited, and what the scaler did.
func (d *Demo) sumUp(a *app.App, r report.Report) error {
	fmt.Fprintln(a.Out)
	col, num := show.Col, show.Num
	t := show.NewTable(col("LANE"), num("JOBS"), num("P50 WAIT"), num("P95 WAIT"), num("MAX WAIT"), num("OBJECTIVE"),
		col("STATUS"), num("MAX WITHOUT LANES"))
	for _, lane := range r.Results() {
		met, style := "met", show.Green
		if !lane.With.Met {
			met, style = "missed", show.Red
		}
		t.Add(lane.Lane, strconv.Itoa(lane.With.Jobs), say.Short(lane.With.P50), say.Short(lane.With.P95),
			say.Short(lane.With.Max), lane.Objective.String(), met, say.Short(lane.Without.Max))
		t.Paint("STATUS", style)
	}
	if err := t.Print(a.Out); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, "\nWhat the scaler did with lanes, and why:")
	for _, p := range r.With.Plans {
		fmt.Fprintf(a.Out, "  %5.1f s  %-8s %-9s %s\n", p.At.Sub(r.With.Began).Seconds(), p.Pool, p.Reason, p.Why)
	}
	return nil
}

// write writes the report, and its picture if one is wanted.
func (d *Demo) write(r report.Report, withYAML, withoutYAML string) error {
	page, err := r.Page(withYAML, withoutYAML)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.Report, page, 0o644); err != nil || d.Picture == "" {
		return err
	}
	picture, err := r.Picture()
	if err != nil {
		return err
	}
	return os.WriteFile(d.Picture, picture, 0o644)
}

// facts says what the report's figures were measured on.
func (d *Demo) facts(ctx context.Context, r report.Report) []report.Fact {
	source := "generated clips"
	if d.Input != "" {
		source = "a video of your own"
	}
	facts := []report.Fact{
		{Name: "Load", Value: fmt.Sprintf("%d standard and %d bulk transcodes at once, then an express thumbnail "+
			"every %s, %d in all", d.Load.Standard, d.Load.Bulk, d.Load.Every, d.Load.Express)},
		{Name: "Source", Value: source},
		{Name: "Fleet with lanes", Value: fleetOf(r.With)},
		{Name: "Fleet without lanes", Value: fleetOf(r.Without)},
		{Name: "Machine", Value: fmt.Sprintf("%s, %s/%s", say.Plural(runtime.GOMAXPROCS(0), "core"), runtime.GOOS,
			runtime.GOARCH)},
		{Name: "When", Value: r.With.Began.Format(time.DateTime)},
		{Name: "Siren", Value: app.Version()},
	}
	if out, err := exec.CommandContext(ctx, "ffmpeg", "-version").Output(); err == nil {
		words := strings.Fields(string(out)) // ffmpeg version 5.1.6-0+deb12u1 Copyright …
		facts = append(facts, report.Fact{Name: "ffmpeg", Value: words[min(2, len(words)-1)]})
	}
	return facts
}

// fleetOf says how large a trial's fleet was.
func fleetOf(t report.Trial) string {
	workers, slots, shoulder := t.Peak()
	said := fmt.Sprintf("up to %s with %s", say.Plural(workers, "worker"), say.Plural(slots, "slot"))
	if shoulder > 0 {
		return fmt.Sprintf("%s, %d of them for %s jobs alone", said, shoulder, t.Policy.Lanes[0].Name)
	}
	return said + ", for any job"
}

// prove says what has come of all outputs, and the headline.
func (d *Demo) prove(a *app.App, r report.Report, bad []string) error {
	all := len(r.With.Records) + len(r.Without.Records)
	if len(bad) > 0 {
		return fmt.Errorf("%d of %d outputs are not right:\n  %s", len(bad), all, strings.Join(bad, "\n  "))
	}
	fmt.Fprintf(a.Out, "\n%d jobs completed, every output verified with ffprobe. Report: %s\n", all, d.Report)
	h := r.Headline()
	fmt.Fprintf(a.Out, "\n%s %s\n", h.WithLanes(), h.WithoutLanes())
	return nil
}

// verifyAll looks into the outputs of jobs, one for each core at a time, and returns what is wrong with them.
func verifyAll(ctx context.Context, records []job.Record) (bad []string) {
	wrong := make([]string, len(records))
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	var verifying sync.WaitGroup
	for i, r := range records {
		free <- struct{}{}
		verifying.Go(func() {
			defer func() { <-free }()
			wrong[i] = verify(ctx, r)
		})
	}
	verifying.Wait()
	for i, why := range wrong {
		if why != "" {
			bad = append(bad, fmt.Sprintf("%s in lane %s: %s", records[i].ID, records[i].Lane, why))
		}
	}
	return bad
}

// verify looks into a job's output with ffprobe; it says what is wrong, or nothing.
func verify(ctx context.Context, r job.Record) string {
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
