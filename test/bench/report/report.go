// Package report is what is measured: figures with their baselines and aims, and how they are shown.
package report

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

// Report is everything measured, and on what.
type Report struct {
	Machine machine  `json:"machine"`
	Runs    int      `json:"runs"`
	Figures []Figure `json:"figures"`
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

// ThisMachine looks at this machine, and at what is installed here.
func ThisMachine() machine {
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

// Figure is one line of the report: a value of each run, beside that of a baseline in the same run.
type Figure struct {
	Name     string    `json:"name"`
	Unit     string    `json:"unit"`
	Siren    []float64 `json:"siren"`
	Baseline []float64 `json:"baseline,omitempty"`
	Against  string    `json:"against,omitempty"` // what the baseline is
	Aim      *Aim      `json:"aim,omitempty"`
}

// Aim is a bound for the median, of the ratio to the baseline or of the value itself. Only one of the two is set.
type Aim struct {
	OfRatio bool    `json:"ofRatio"`
	AtLeast float64 `json:"atLeast,omitempty"`
	AtMost  float64 `json:"atMost,omitempty"`
}

func (f Figure) ratio() float64 { return Median(Pairwise(f.Siren, f.Baseline, over)) }

// verdict returns the aim and whether it is met, for people.
func (f Figure) verdict() (aim, met string) {
	if f.Aim == nil {
		return "", ""
	}
	value, unit := Median(f.Siren), " "+f.Unit
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
func (f Figure) MarshalJSON() ([]byte, error) {
	type values Figure
	out := struct {
		values
		Median         float64  `json:"median"`
		BaselineMedian *float64 `json:"baselineMedian,omitempty"`
		Ratio          *float64 `json:"ratio,omitempty"`
		Verdict        string   `json:"verdict,omitempty"`
	}{values: values(f), Median: Median(f.Siren)}
	if len(f.Baseline) > 0 {
		base, ratio := Median(f.Baseline), f.ratio()
		out.BaselineMedian, out.Ratio = &base, &ratio
	}
	_, out.Verdict = f.verdict()
	return json.Marshal(out)
}

// Print writes it as a table or as JSON.
func (r Report) Print(w io.Writer, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.table(w)
}

func (r Report) table(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "%d cores, load %s before; RabbitMQ %s, Redis %s, ffmpeg %s, %s; medians of %d\n\n",
		m.Cores, m.Load, m.RabbitMQ, m.Redis, m.FFmpeg, m.Go, r.Runs)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\tSiren\tbaseline\tratio\taim\t")
	for _, f := range r.Figures {
		base, ratio := "", ""
		if len(f.Baseline) > 0 {
			base = fmt.Sprintf("%s (%s)", amount(Median(f.Baseline), f.Unit), f.Against)
			ratio = fmt.Sprintf("%.2f", f.ratio())
		}
		aim, met := f.verdict()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, amount(Median(f.Siren), f.Unit), base, ratio, aim, met)
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
