package worker

import (
	"context"
	"sync"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/effort"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// Efforts keeps what is known of how much jobs compute, for all workers together. Learn returns what is known of the
// sample's class with it.
type Efforts interface {
	Book(ctx context.Context) (effort.Book, error)
	Learn(ctx context.Context, s effort.Sample) (effort.Model, error)
}

const (
	bookEvery   = 10 * time.Second // how often a worker reads what the others have learnt
	learnTime   = time.Second      // bounds that, and telling what a job taught
	shareWeight = 0.2              // α of the moving average of what a lane's jobs get of the cores that they can use
)

// foresight is what a worker foresees of its jobs. It is safe for concurrent use.
type foresight struct {
	efforts Efforts // nil: nothing is foreseen

	mu     sync.Mutex
	book   effort.Book
	read   time.Time
	shares map[string]float64 // by lane: how fast its jobs ran here, 1 as fast as alone
}

func newForesight(e Efforts) *foresight {
	return &foresight{efforts: e, book: effort.Book{}, shares: map[string]float64{}}
}

// refresh reads the book when that is due. Without it, what was known goes on being used.
func (f *foresight) refresh(ctx context.Context) {
	f.mu.Lock()
	due := f.efforts != nil && time.Since(f.read) >= bookEvery
	f.mu.Unlock()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, learnTime)
	defer cancel()
	book, err := f.efforts.Book(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.read = time.Now(); err == nil {
		f.book = book
	}
}

// of returns how long a job's programs will compute in all, and how long it will run from its start; 0 when nothing is
// known of its class.
func (f *foresight) of(class, lane string, units float64) (computing, running time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, share := f.book[class], 1.0
	if known, ok := f.shares[lane]; ok {
		share = known
	}
	return m.Computing(units), time.Duration(float64(m.Alone(units)) / share)
}

// learn takes in a completed job.
func (f *foresight) learn(ctx context.Context, lane string, s effort.Sample) error {
	if f.efforts == nil || s.Class == "" || s.Computed <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, learnTime)
	defer cancel()
	f.mu.Lock()
	tamed := f.book.Tamed(s)
	f.mu.Unlock()
	m, err := f.efforts.Learn(ctx, tamed)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.book[s.Class] = m
	share := min(1, s.Cores()/max(m.Cores, 0.001))
	if before, ok := f.shares[lane]; ok {
		share = before + shareWeight*(share-before)
	}
	f.shares[lane] = max(share, 0.001)
	return nil
}

// watched is a run as the worker sees it, for the job's record. It is safe for concurrent use.
type watched struct {
	foresight *foresight
	job       job.Job
	lane      string
	class     string
	predict   func(job string, running time.Duration) // told of each prediction

	mu       sync.Mutex
	now      job.Progress // as the handler reported
	units    float64      // 0: the input wasn't looked at yet
	foreseen time.Duration
}

// watch begins to watch a run: until its input has been looked at it is taken for one like the others of its class.
func (w *Worker) watch(d work.Delivery) *watched {
	r := &watched{
		foresight: w.foresight, job: d.Job, lane: d.Lane, class: effort.Class(d.Job), predict: w.tally.Predict,
	}
	r.foresee()
	return r
}

// found takes in what the input is.
func (r *watched) found(in work.Facts) {
	r.mu.Lock()
	r.units = effort.Units(r.job, in)
	r.mu.Unlock()
	r.foresee()
}

func (r *watched) foresee() {
	r.mu.Lock()
	defer r.mu.Unlock()
	computing, running := r.foresight.of(r.class, r.lane, r.units)
	running = running.Round(time.Millisecond)
	r.foreseen, r.now.Predicted = computing, lanes.Duration(running)
	r.predict(r.job.ID, running)
}

// set takes in how far the job is.
func (r *watched) set(p job.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.Fraction, r.now.Note = p.Fraction, p.Note
}

// computed takes in how long its programs have computed by now, and returns how much that is since the last time.
func (r *watched) computed(total time.Duration) (more time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	more = max(0, total-r.now.Computed.D())
	r.now.Computed += lanes.Duration(more)
	return more
}

// get returns what the record says of it.
func (r *watched) get() job.Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.now
	p.Work = lanes.Duration(effort.Total(r.foreseen, p.Computed.D(), p.Fraction).Round(time.Millisecond))
	return p
}

// trusted is from which fraction on a job's own progress is believed to say when it ends.
const trusted = 0.1

// left returns how much longer a run that has taken so long is foreseen to go on; false while nobody knows. It is told
// by what its programs still have to compute and, as fetching and storing compute little, by the clock: the shorter
// of the two.
func (r *watched) left(ran time.Duration) (time.Duration, bool) {
	p := r.get()
	r.mu.Lock()
	foreseen := r.foreseen
	r.mu.Unlock()
	clock, known := p.Predicted.D()-ran, p.Predicted > 0
	if p.Fraction >= trusted {
		clock, known = time.Duration(float64(ran)*(1-p.Fraction)/p.Fraction), true
	}
	if p.Predicted > 0 && foreseen > 0 {
		computing := float64(p.Work-p.Computed) / float64(foreseen) * float64(p.Predicted)
		clock = min(clock, time.Duration(computing))
	}
	return clock, known
}

// sample returns what the run tells of its class.
func (r *watched) sample(ran time.Duration) effort.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	return effort.Sample{Class: r.class, Units: r.units, Computed: r.now.Computed.D(), Ran: ran}
}
