package effort

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// within reports whether a duration is right to a tenth.
func within(got time.Duration, want float64) bool { return math.Abs(got.Seconds()-want) <= want/10 }

func learn(b Book, class string, units, computed float64) {
	s := b.Tamed(Sample{
		Class: class, Units: units, Computed: time.Duration(computed * float64(time.Second)),
		Ran: time.Duration(2 * computed * float64(time.Second)),
	})
	b[class] = b[class].Learn(s)
}

// Jobs take two seconds and a tenth more for each unit, give or take a fifth: that is found out, for small ones and
// for large ones.
func TestLearns(t *testing.T) {
	b, r := Book{}, rand.New(rand.NewPCG(1, 2))
	for range 60 {
		units := 10 + 90*r.Float64()
		learn(b, "c", units, (2+units/10)*(0.8+0.4*r.Float64()))
	}
	for _, units := range []float64{10, 50, 100, 500} {
		if got, want := b["c"].Computing(units), 2+units/10; math.Abs(got.Seconds()-want) > want/4 {
			t.Errorf("%v units: %s, want about %v s", units, got, want)
		}
	}
	if got := b["c"].Cores; math.Abs(got-0.5) > 0.01 {
		t.Errorf("%v cores, want 0.5", got)
	}
	if got := b["c"].Alone(50); !within(got, 2*b["c"].Computing(50).Seconds()) {
		t.Errorf("alone it runs %s", got)
	}
}

// What jobs take changes, say because ffmpeg does: within twenty jobs that is known.
func TestLearnsAnew(t *testing.T) {
	b := Book{}
	for range 100 {
		learn(b, "c", 10, 1)
	}
	for range 40 {
		learn(b, "c", 10, 3)
	}
	if got := b["c"].Computing(10); !within(got, 3) {
		t.Errorf("%s, want about 3 s", got)
	}
}

// One job that takes a thousand times as long hardly moves what is known of the others.
func TestOutlier(t *testing.T) {
	b := Book{}
	for range 30 {
		learn(b, "c", 10, 1)
	}
	learn(b, "c", 10, 1000)
	if got := b["c"].Computing(10); got > 1300*time.Millisecond {
		t.Errorf("%s after an outlier, want about 1 s", got)
	}
}

// Where all jobs were of one size, one that is ten times as large takes ten times as long. A class of which nothing is
// known says nothing.
func TestOneSize(t *testing.T) {
	b := Book{}
	for range 5 {
		learn(b, "c", 10, 1)
	}
	if got := b["c"].Computing(100); !within(got, 10) {
		t.Errorf("%s, want about 10 s", got)
	}
	if got := b["c"].Computing(0); !within(got, 1) {
		t.Errorf("of a job that nobody has looked at: %s, want about 1 s", got)
	}
	if got := b["other"].Computing(10); got != 0 {
		t.Errorf("of an unknown class: %s", got)
	}
}

// Whatever it was told, a model never foresees nonsense.
func TestHostile(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, units := range [][2]float64{{inf, 1}, {nan, 1}, {-5, 1}, {1e300, 1}, {0, 0}, {1, 0}, {1e-300, 1e6}} {
		m := Model{}.Learn(Sample{Units: units[0], Computed: time.Second, Ran: -time.Second})
		m = m.Learn(Sample{Units: units[1], Computed: time.Hour})
		for _, asked := range []float64{0, 1, inf, nan, -1, 1e300} {
			if got := m.Computing(asked); got < time.Millisecond || got > mostSeconds*time.Second {
				t.Errorf("learnt %v, asked for %v: %s", units, asked, got)
			}
		}
	}
	for _, text := range []string{"", "1 2 3", "NaN 1 1 1 1 1", "1 1 1 1 1 -1", "a b c d e f", "+Inf 1 1 1 1 1"} {
		if m := Parse(text); m != (Model{}) {
			t.Errorf("%q is read as %v", text, m)
		}
	}
	m := Model{}.Learn(Sample{Units: 3, Computed: time.Second, Ran: 2 * time.Second})
	if got := Parse(m.String()); got != m {
		t.Errorf("%v is read back as %v", m, got)
	}
}

func TestTotal(t *testing.T) {
	s := time.Second
	for name, c := range map[string]struct {
		foreseen, computed time.Duration
		fraction           float64
		want               time.Duration
	}{
		"nothing known":        {0, 2 * s, 0, 0},
		"as foreseen":          {10 * s, 2 * s, 0, 10 * s},
		"overdue":              {10 * s, 12 * s, 0, 12*s + s/2},
		"by its progress":      {0, 2 * s, 0.25, 8 * s},
		"half way":             {10 * s, 10 * s, 0.5, 12*s + s/2},
		"in the end":           {10 * s, 30 * s, 1, 30 * s},
		"hasn't computed":      {10 * s, 0, 0.5, 10 * s},
		"a beginning is noisy": {10 * s, 3 * s, 0.1, 10*s + s/5},
	} {
		if got := Total(c.foreseen, c.computed, c.fraction).Round(time.Millisecond); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
