package sim

import "github.com/polyglot-media/siren/lanes/effort"

// kinds is how long jobs of each kind ran lately, by the kind's number: the weighted mean, as production keeps what it
// learns.
type kinds []kindMean

type kindMean struct {
	jobs, ran float64 // sums of weights; ran in ns
}

// learn takes in a run. Number 0 is no kind.
func (k *kinds) learn(kind int16, ran int64) {
	if kind == 0 {
		return
	}
	for int(kind) >= len(*k) {
		*k = append(*k, kindMean{})
	}
	m := &(*k)[kind]
	m.jobs = m.jobs*effort.Keep + 1
	m.ran = m.ran*effort.Keep + float64(ran)
}

// predicted returns how long a job of the kind runs; 0 while nothing is known.
func (k kinds) predicted(kind int16) int64 {
	if int(kind) >= len(k) || k[kind].jobs == 0 {
		return 0
	}
	return int64(k[kind].ran / k[kind].jobs)
}

// predict returns what a worker knows beforehand of a job.
func (p *Plant) predict(job *waiting) int64 {
	if p.c.Predicted.ByKind {
		return p.kinds.predicted(job.kind)
	}
	return p.c.Predicted.draw(p.rand, job.work)
}
