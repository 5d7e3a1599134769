package main

import (
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/test/real/replay"
)

func TestTraceFitsPolicy(t *testing.T) {
	p, err := lanes.Parse([]byte(strings.ReplaceAll(policyYAML, "@DIR@", t.TempDir())))
	if err != nil {
		t.Fatal(err)
	}
	trace, err := load.NewTrace(strings.NewReader(traceCSV), p)
	if err != nil {
		t.Fatal(err)
	}
	if jobs := load.List(trace); trace.Err() != nil || len(jobs) < 200 {
		t.Errorf("%d jobs, %v", len(jobs), trace.Err())
	}
}

func TestTableAndPicture(t *testing.T) {
	of := func(wait time.Duration, cost float64) replay.Outcome {
		return replay.Outcome{
			Lanes:         []replay.Waits{{Lane: "standard", Jobs: 9, P50: wait, P95: 10 * wait}},
			WorkerSeconds: cost, Starts: 2, Fleet: []int{1, 3, 2},
		}
	}
	p := pair{real: of(time.Second, 100), simulated: []replay.Outcome{of(1200*time.Millisecond, 111)}}
	var b strings.Builder
	if err := table(&b, "a run", []pair{p}); err != nil {
		t.Fatal(err)
	}
	for figure, verdict := range map[string]string{"p50": "met", "p95": "missed", "worker-seconds": "missed"} {
		for line := range strings.Lines(b.String()) {
			if strings.Contains(line, figure) && !strings.Contains(line, verdict) {
				t.Errorf("want %s: %s", verdict, line)
			}
		}
	}
	text := draw([]pair{p})
	lines := strings.Count(text, `class="real"`) // one of the run, one of the legend
	if !strings.HasSuffix(text, "</svg>\n") || strings.Contains(text, "NaN") || lines != 2 {
		t.Error(text)
	}
}
