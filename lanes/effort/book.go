package effort

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Keep is the share of what is known of a class that stays with each further job: the last twenty or so count.
const Keep = 0.95

// KeepCores is the same for the cores that a job uses alone, of which only the most counts: it has to last through a
// time in which none runs alone.
const KeepCores = 0.99

// Book is what is known of each class.
type Book map[string]Model

// Model is what is known of a class: moments of its latest jobs, each weighted by how late it was.
type Model struct {
	Jobs              float64 // the sum of the weights
	Units, Computed   float64 // the weighted sums, computed in seconds
	Squares, Products float64 // of units², and of units·computed
	Cores             float64 // that a job uses where nothing keeps it from them
}

// Sample is what one completed job tells of its class.
type Sample struct {
	Class    string
	Units    float64       // 0: its input wasn't looked at
	Computed time.Duration // how long its programs computed, on all cores together
	Ran      time.Duration // how long it ran
}

// Cores returns how many cores the job used, on average.
func (s Sample) Cores() float64 { return s.Computed.Seconds() / max(s.Ran.Seconds(), 0.001) }

const (
	settled = 5 // jobs after which a class is known well enough for outliers to be seen
	outlier = 4 // so many times what was foreseen, or less than such a part of it
)

// Tamed returns the sample as it is learnt: one that is far off what was foreseen counts as less far. Once is chance;
// what goes on so is learnt all the same, within a few jobs.
func (b Book) Tamed(s Sample) Sample {
	m := b[s.Class]
	if foreseen := m.Computing(s.Units); m.Jobs >= settled && foreseen > 0 {
		s.Computed = min(max(s.Computed, foreseen/outlier), foreseen*outlier)
	}
	return s
}

// Learn takes in a job. What keeps the book does the same (learn.lua).
func (m Model) Learn(s Sample) Model {
	x, y, cores := bounded(s.Units), s.Computed.Seconds(), s.Cores()
	return Model{
		Jobs: m.Jobs*Keep + 1, Units: m.Units*Keep + x, Computed: m.Computed*Keep + y,
		Squares: m.Squares*Keep + x*x, Products: m.Products*Keep + x*y,
		Cores: max(cores, m.Cores*KeepCores+cores*(1-KeepCores)),
	}
}

// Computing returns how long the programs of a job with so many units compute, on all cores together; of one whose
// input nobody has looked at (0 units) the mean of its class. It is 0 when nothing is known of the class.
func (m Model) Computing(units float64) time.Duration {
	if m.Jobs <= 0 {
		return 0
	}
	x, y := m.Units/m.Jobs, m.Computed/m.Jobs
	seconds := y
	if units > 0 && x > 0 {
		base, each := m.line(x, y)
		seconds = base + each*units
	}
	if math.IsNaN(seconds) {
		seconds = y
	}
	return time.Duration(min(max(seconds, 0.001), mostSeconds) * float64(time.Second))
}

const mostSeconds = 30 * 24 * 3600

// line returns what each job of the class takes, and each unit: the straight line through what is known. Where all jobs
// had the same size, or it would fall, it goes through nothing at all.
func (m Model) line(x, y float64) (base, each float64) {
	spread := m.Squares/m.Jobs - x*x
	each = (m.Products/m.Jobs - x*y) / spread
	if base = y - each*x; spread < x*x/1000 || each <= 0 || base < 0 {
		return 0, y / x
	}
	return base, each
}

// Alone returns how long a job runs that has the cores that it can use to itself.
func (m Model) Alone(units float64) time.Duration {
	return time.Duration(float64(m.Computing(units)) / max(m.Cores, 0.001))
}

// String is how a book keeps it.
func (m Model) String() string {
	return fmt.Sprint(m.Jobs, m.Units, m.Computed, m.Squares, m.Products, m.Cores)
}

// Parse reads that; the zero Model for what can't be.
func Parse(text string) (m Model) {
	fields := strings.Fields(text)
	into := []*float64{&m.Jobs, &m.Units, &m.Computed, &m.Squares, &m.Products, &m.Cores}
	if len(fields) != len(into) {
		return Model{}
	}
	for i, f := range fields {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			return Model{}
		}
		*into[i] = v
	}
	return m
}

// Total returns how long the programs of a running job will have computed in the end: what was foreseen and, the
// further it is (fraction, 0 to 1), the more what it has computed so far tells. It is 0 while nobody knows.
func Total(foreseen, computed time.Duration, fraction float64) time.Duration {
	if trust := fraction * fraction; trust > 0 && computed > 0 {
		told := float64(computed) / fraction
		if foreseen <= 0 {
			return time.Duration(told)
		}
		return time.Duration(trust*told + (1-trust)*float64(foreseen))
	}
	if foreseen <= 0 {
		return 0
	}
	return max(foreseen, computed+foreseen/20) // one that is overdue takes a little longer still
}
