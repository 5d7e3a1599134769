package load

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
)

// Pattern is how jobs arrive.
type Pattern string

// The patterns there are.
const (
	Poisson   Pattern = "poisson"    // at random, at the rate
	Step      Pattern = "step"       // none in the first sixth of the time, then as poisson
	Flash     Pattern = "flash"      // ten times the rate for a tenth of each period
	Square    Pattern = "square"     // as poisson in the first half of each period, none in the second
	Diurnal   Pattern = "diurnal"    // a sine of the period, between none and twice the rate
	Batch     Pattern = "batch"      // all of a period's jobs at once, at its end
	HeavyTail Pattern = "heavy-tail" // as poisson, with service times of a long tail (lognormal, three times as wide)
	Sparse    Pattern = "sparse"     // at regular distances, each by up to half of one off
)

// Patterns returns all of them.
func Patterns() []string {
	all := []Pattern{Poisson, Step, Flash, Square, Diurnal, Batch, HeavyTail, Sparse}
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = string(p)
	}
	return names
}

// Spread is how service times are spread around their mean.
type Spread string

// The spreads there are.
const (
	Exponential Spread = "exp"
	Fixed       Spread = "fixed"
	Lognormal   Spread = "lognormal" // with a standard deviation of three times the mean
)

// Made is a load that is made by a pattern.
type Made struct {
	Pattern Pattern
	Rate    float64       // jobs a second; of square, while it is on; of flash, between its bursts
	Period  time.Duration // of the patterns that have one
	Service time.Duration // mean
	Spread  Spread
	Shares  []float64 // of the jobs, by the lanes' places in the policy
	For     time.Duration
	Seed    uint64
	Parts   int // each job is split into so many
}

// Check says what is wrong with it.
func (m Made) Check() error {
	total := 0.0
	for _, s := range m.Shares {
		total += s
	}
	switch {
	case m.Rate <= 0 || math.IsInf(m.Rate, 0) || math.IsNaN(m.Rate):
		return fmt.Errorf("a rate of %g jobs a second is none: give one above 0", m.Rate)
	case m.Service <= 0:
		return fmt.Errorf("a service time of %s is none: give one above 0", m.Service)
	case m.Period <= 0:
		return fmt.Errorf("a period of %s is none: give one above 0", m.Period)
	case math.Abs(total-1) > 1e-6:
		return fmt.Errorf("the lanes' shares are %.3g in all: they must be 1", total)
	}
	return nil
}

// Jobs returns its jobs, the earliest first. Each call begins anew.
func (m Made) Jobs() sim.Source {
	s := &stream{Made: m, rand: rand.New(rand.NewPCG(m.Seed, 2))}
	if m.Pattern == HeavyTail {
		s.Spread = Lognormal
	}
	return s
}

// stream is where a load has got to.
type stream struct {
	Made
	rand *rand.Rand
	at   float64 // seconds
	left int     // of a batch
	n    int
}

// Next implements sim.Source.
func (s *stream) Next() (sim.Job, bool) {
	switch s.Pattern {
	case Batch:
		for s.left == 0 {
			s.at += s.Period.Seconds()
			s.left = int(math.Round(s.Rate * s.Period.Seconds()))
			if s.at >= s.For.Seconds() || s.left == 0 {
				return sim.Job{}, false
			}
		}
		s.left--
	case Sparse:
		s.at = (float64(s.n) + 0.5 + s.rand.Float64() - 0.5) / s.Rate
		s.n++
	default:
		s.thin()
	}
	if s.at >= s.For.Seconds() {
		return sim.Job{}, false
	}
	return sim.Job{
		At: time.Duration(s.at * float64(time.Second)), Lane: s.lane(), Service: s.service(), Parts: s.Parts,
	}, true
}

// thin goes to the next arrival of a Poisson process whose rate changes: of one at the highest rate, each arrival
// counts with the part that the rate has of it then.
func (s *stream) thin() {
	most := s.most()
	for s.at < s.For.Seconds() {
		s.at += s.rand.ExpFloat64() / most
		if now := s.now(); now >= most || s.rand.Float64()*most < now {
			return
		}
	}
}

// flashes is how many times the usual rate a flash has.
const flashes = 10

func (s *stream) most() float64 {
	switch s.Pattern {
	case Flash:
		return flashes * s.Rate
	case Diurnal:
		return 2 * s.Rate
	default:
		return s.Rate
	}
}

// now returns the rate at this moment.
func (s *stream) now() float64 {
	phase := math.Mod(s.at/s.Period.Seconds(), 1)
	switch s.Pattern {
	case Step:
		if s.at < s.For.Seconds()/6 {
			return 0
		}
	case Flash:
		if phase >= 0.9 {
			return flashes * s.Rate
		}
	case Square:
		if phase >= 0.5 {
			return 0
		}
	case Diurnal:
		return s.Rate * (1 - math.Cos(2*math.Pi*phase))
	}
	return s.Rate
}

func (s *stream) lane() int {
	x := s.rand.Float64()
	for i, share := range s.Shares {
		if x < share {
			return i
		}
		x -= share
	}
	return len(s.Shares) - 1
}

// service draws how long a job runs, at least a millisecond.
func (s *stream) service() time.Duration {
	mean := s.Service.Seconds()
	switch s.Spread {
	case Exponential:
		mean *= s.rand.ExpFloat64()
	case Lognormal:
		const cv = 3
		sigma2 := math.Log(1 + cv*cv)
		mean *= math.Exp(math.Sqrt(sigma2)*s.rand.NormFloat64() - sigma2/2)
	}
	return max(time.Millisecond, time.Duration(mean*float64(time.Second)))
}

// ParseShares reads the lanes' shares of the jobs: express=0.1,standard=0.9. A lane that isn't named has what is left,
// if it is the default lane, else nothing.
func ParseShares(text string, names []string, defaultLane string) ([]float64, error) {
	shares := make([]float64, len(names))
	given, rest := map[string]bool{}, 1.0
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		name, number, ok := strings.Cut(item, "=")
		var share float64
		if _, err := fmt.Sscanf(number, "%g", &share); !ok || err != nil || share < 0 || share > 1 {
			return nil, fmt.Errorf("%q is no share: write it as %s=0.1", item, names[0])
		}
		i := index(names, name)
		if i < 0 {
			return nil, fmt.Errorf("the policy has no lane %q: it has %s", name, strings.Join(names, ", "))
		}
		shares[i] += share
		rest -= share
		given[name] = true
	}
	if i := index(names, defaultLane); !given[defaultLane] && i >= 0 {
		if rest < -1e-9 {
			return nil, fmt.Errorf("the lanes' shares are %.3g in all: they must be 1 at most", 1-rest)
		}
		shares[i] = max(0, rest)
	}
	return shares, nil
}

func index(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}
