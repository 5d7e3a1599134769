package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/sim/rival"
)

// The best rival is the cheapest of those that met the objectives; where none did, that which came closest.
func TestJudge(t *testing.T) {
	did := func(name string, cost float64, shares ...float64) outcome {
		return outcome{Contender: rival.Contender{Name: name}, cost: cost, shares: shares}
	}
	for _, c := range []struct {
		name    string
		results []outcome // Siren, the bound, rivals
		best    string
		lost    bool
	}{
		{
			"the cheapest that met them wins", []outcome{
				did("Siren", 100, 1, 1), did("bound", 50, 1, 1), did("cheap", 10, 1, 0.5), did("a", 120, 0.95, 1),
				did("b", 110, 1, 0.96),
			}, "b", false,
		},
		{"by cost", []outcome{did("Siren", 100, 1), did("bound", 1, 1), did("a", 90, 0.95)}, "a", true},
		{"by what was met", []outcome{did("Siren", 10, 0.9), did("bound", 1, 1), did("a", 90, 0.95)}, "a", true},
		{
			"where none met them", []outcome{
				did("Siren", 10, 0.9), did("bound", 1, 1), did("a", 1, 0.2), did("b", 9, 0.8),
			}, "b", false,
		},
		{
			"static fleets aside", []outcome{
				did("Siren", 10, 1), did("bound", 1, 1), rivalOf(t, 8, 1), did("b", 11, 1),
			}, "b", false,
		},
	} {
		v := (&cell{results: c.results}).judge(c.name == "static fleets aside")
		if v.best.Name != c.best || v.lost != c.lost {
			t.Errorf("%s: %s, lost: %t; want %s, %t", c.name, v.best.Name, v.lost, c.best, c.lost)
		}
	}
}

// rivalOf is how a static fleet did.
func rivalOf(t *testing.T, cost float64, shares ...float64) outcome {
	t.Helper()
	for _, n := range rival.Grid(10) {
		if n.Static() {
			return outcome{Contender: n, cost: cost, shares: shares}
		}
	}
	t.Fatal("the grid has no static fleet")
	return outcome{}
}

// A change of the law is worse in a cell when it costs more than it may, or loses jobs; that stands first.
func TestSince(t *testing.T) {
	path := filepath.Join(t.TempDir(), "before.json")
	cellOf := func(name string, cost, share float64) *cell {
		siren := outcome{cost: cost, shares: []float64{share}}
		return &cell{load: aLoad{name: name}, cold: time.Second, results: []outcome{siren}}
	}
	before := []*cell{cellOf("dearer", 100, 1), cellOf("later", 100, 1), cellOf("better", 100, 1)}
	if err := save(path, before); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	now := []*cell{cellOf("better", 80, 1), cellOf("later", 100, 0.99), cellOf("dearer", 103, 1), cellOf("new", 1, 1)}
	if err := compare(&b, path, now); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for i, want := range []string{"load", "WORSE  dearer", "WORSE  later", "better", "", "3 cells, 2 worse"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d: %q, want %q in\n%s", i, lines[i], want, b.String())
		}
	}
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := compare(&b, path, now); err == nil || !strings.Contains(err.Error(), "holds no results of -save") {
		t.Error(err)
	}
}

// Every load has a policy and jobs, and one is played with all contenders and printed.
func TestRun(t *testing.T) {
	for _, l := range loads() {
		if _, err := l.policyOf(time.Second); err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
		jobs, err := l.jobs(1)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := jobs().Next(); !ok {
			t.Errorf("%s has no jobs", l.name)
		}
	}
	var b bytes.Buffer
	o := options{seeds: 1, only: "longer", all: true, workers: 1, colds: []time.Duration{2 * time.Second}}
	if err := run(t.Context(), o, &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"with hindsight", "Against those that scale: 1 cells", "best single setting", "Everything\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q isn't in\n%s", want, b.String())
		}
	}
	if o.only = "nothing"; run(t.Context(), o, &b) == nil {
		t.Error("no load, and no error")
	}
}
