package report

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPercentile(t *testing.T) {
	var values []float64
	for i := 200; i > 0; i-- {
		values = append(values, float64(i))
	}
	for p, want := range map[float64]float64{0: 1, 50: 100, 99: 198, 100: 200} {
		if got := Percentile(values, p); got != want {
			t.Errorf("p%v of 1 to 200 is %v, want %v", p, got, want)
		}
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{7: {7}, 1.5: {2, 1}, 3: {9, 3, 1}} {
		if got := Median(values); got != want {
			t.Errorf("median of %v is %v, want %v", values, got, want)
		}
	}
}

func TestVerdict(t *testing.T) {
	ratio := func(a Aim) *Aim { a.OfRatio = true; return &a }
	for _, c := range []struct {
		name string
		f    Figure
		aim  string
		met  string
	}{
		{"no aim", Figure{Siren: []float64{1}}, "", ""},
		{
			"value within",
			Figure{Unit: "ms", Siren: []float64{5, 20, 90}, Aim: &Aim{AtMost: 20}},
			"at most 20 ms",
			"met",
		},
		{"value above", Figure{Unit: "ms", Siren: []float64{21}, Aim: &Aim{AtMost: 20}}, "at most 20 ms", "missed"},
		{"ratio of each run, not of the medians", Figure{
			Siren: []float64{9, 90, 10}, Baseline: []float64{10, 100, 100},
			Aim: ratio(Aim{AtLeast: 0.9}),
		}, "at least 0.9", "met"},
		{
			"ratio below",
			Figure{Siren: []float64{8}, Baseline: []float64{10}, Aim: ratio(Aim{AtLeast: 0.9})},
			"at least 0.9", "missed",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if aim, met := c.f.verdict(); aim != c.aim || met != c.met {
				t.Errorf("got %q %q, want %q %q", aim, met, c.aim, c.met)
			}
		})
	}
}

func TestReport(t *testing.T) {
	r := Report{Runs: 1, Figures: []Figure{{
		Name: "publish", Unit: "jobs/s", Siren: []float64{9000}, Baseline: []float64{10000}, Against: "raw",
		Aim: &Aim{OfRatio: true, AtLeast: 0.9},
	}}}
	var table, text strings.Builder
	if err := r.Print(&table, "table"); err != nil {
		t.Fatal(err)
	}
	if want := "publish  9000 jobs/s  10000 jobs/s (raw)  0.90   at least 0.9  met"; !strings.Contains(table.String(),
		want) {
		t.Errorf("no line %q in\n%s", want, table.String())
	}
	if err := r.Print(&text, "json"); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Figures []struct {
			Name    string
			Siren   []float64
			Median  float64
			Ratio   float64
			Verdict string
		}
	}
	if err := json.Unmarshal([]byte(text.String()), &got); err != nil {
		t.Fatal(err)
	}
	if f := got.Figures[0]; f.Name != "publish" || f.Median != 9000 || f.Ratio != 0.9 || f.Verdict != "met" ||
		len(f.Siren) != 1 {
		t.Errorf("as JSON: %+v", f)
	}
}
