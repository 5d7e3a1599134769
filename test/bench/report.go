package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"text/tabwriter"
)

// report is everything measured, and on what.
type report struct {
	Machine machine  `json:"machine"`
	Runs    int      `json:"runs"`
	Figures []figure `json:"figures"`
}

// machine is what the figures depend on.
type machine struct {
	Cores    int    `json:"cores"`
	Load     string `json:"load"` // 1, 5 and 15 minutes, before the start
	Go       string `json:"go"`
	RabbitMQ string `json:"rabbitmq"`
	Redis    string `json:"redis"`
	FFmpeg   string `json:"ffmpeg"`
}

func thisMachine() machine {
	load, _ := os.ReadFile("/proc/loadavg")
	return machine{
		Cores: runtime.NumCPU(), Load: strings.Join(strings.Fields(string(load) + " ? ? ?")[:3], " "),
		Go:       runtime.Version(),
		RabbitMQ: version("dpkg-query", "--show", "--showformat=${Version}", "rabbitmq-server"),
		Redis:    version("redis-server", "--version"), FFmpeg: version("ffmpeg", "-version"),
	}
}

var versionForm = regexp.MustCompile(`\d+\.\d+(\.\d+)?`)

// version returns the first version number that the command prints.
func version(name string, args ...string) string {
	out, _ := exec.Command(name, args...).Output()
	return versionForm.FindString(string(out))
}

// figure is one line of the report: a value of each run, beside that of a baseline in the same run.
type figure struct {
	Name     string    `json:"name"`
	Unit     string    `json:"unit"`
	Siren    []float64 `json:"siren"`
	Baseline []float64 `json:"baseline,omitempty"`
	Against  string    `json:"against,omitempty"` // what the baseline is
	Aim      *aim      `json:"aim,omitempty"`
}

// aim is a bound for the median, of the ratio to the baseline or of the value itself. Only one of the two is set.
type aim struct {
	OfRatio bool    `json:"ofRatio"`
	AtLeast float64 `json:"atLeast,omitempty"`
	AtMost  float64 `json:"atMost,omitempty"`
}

func (f figure) ratio() float64 { return median(pairwise(f.Siren, f.Baseline, over)) }

// verdict returns the aim and whether it is met, for people.
func (f figure) verdict() (aim, met string) {
	if f.Aim == nil {
		return "", ""
	}
	value, unit := median(f.Siren), " "+f.Unit
	if f.Aim.OfRatio {
		value, unit = f.ratio(), ""
	}
	met = "missed"
	if f.Aim.AtLeast > 0 {
		aim = fmt.Sprintf("at least %v%s", f.Aim.AtLeast, unit)
		if value >= f.Aim.AtLeast {
			met = "met"
		}
		return aim, met
	}
	aim = fmt.Sprintf("at most %v%s", f.Aim.AtMost, unit)
	if value <= f.Aim.AtMost {
		met = "met"
	}
	return aim, met
}

// MarshalJSON adds the medians, the ratio and the verdict to the values.
func (f figure) MarshalJSON() ([]byte, error) {
	type values figure
	out := struct {
		values
		Median         float64  `json:"median"`
		BaselineMedian *float64 `json:"baselineMedian,omitempty"`
		Ratio          *float64 `json:"ratio,omitempty"`
		Verdict        string   `json:"verdict,omitempty"`
	}{values: values(f), Median: median(f.Siren)}
	if len(f.Baseline) > 0 {
		base, ratio := median(f.Baseline), f.ratio()
		out.BaselineMedian, out.Ratio = &base, &ratio
	}
	_, out.Verdict = f.verdict()
	return json.Marshal(out)
}

func (r report) print(w io.Writer, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.table(w)
}

func (r report) table(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "%d cores, load %s before; RabbitMQ %s, Redis %s, ffmpeg %s, %s; medians of %d\n\n",
		m.Cores, m.Load, m.RabbitMQ, m.Redis, m.FFmpeg, m.Go, r.Runs)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\tSiren\tbaseline\tratio\taim\t")
	for _, f := range r.Figures {
		base, ratio := "", ""
		if len(f.Baseline) > 0 {
			base = fmt.Sprintf("%s (%s)", amount(median(f.Baseline), f.Unit), f.Against)
			ratio = fmt.Sprintf("%.2f", f.ratio())
		}
		aim, met := f.verdict()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, amount(median(f.Siren), f.Unit), base, ratio, aim, met)
	}
	return t.Flush()
}

// amount formats a value with its unit, with about three significant digits.
func amount(v float64, unit string) string {
	digits := 2
	switch {
	case v >= 100:
		digits = 0
	case v >= 10:
		digits = 1
	}
	return fmt.Sprintf("%.*f %s", digits, v, unit)
}
