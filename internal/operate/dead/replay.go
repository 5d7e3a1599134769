package dead

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/paramset"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/job"
)

const (
	// longestHold is how long letters that aren't to be replayed are out of the queue at a time. A broker closes the
	// channel of who holds messages for longer than its consumer timeout.
	longestHold = 10 * time.Minute
	copyBatch   = 250 // copies that are published at once: a publisher's window of unconfirmed ones
)

// Replay goes through siren.dead and puts jobs back into their lanes.
type Replay struct {
	To       string       // the lane they are put into; "": their own
	Set      paramset.Set // params that they get
	Reason   string       // why, for the audit log
	Limit    int          // jobs; 0: all
	Rate     float64      // jobs a second; 0: as fast as it goes
	DryRun   bool         // counts what would be replayed, and changes nothing
	Progress func()       // is called whenever some have been replayed; nil: nobody listens

	// What has become of them.
	Done    audit.Entry       // its Jobs and Sample: what was replayed
	By      map[[2]string]int // replayed, by lane and reason
	Refused map[string]error  // by job: why it can't be replayed; errors with kinds
	Removed int               // letters whose job had been carried on before
	Left    Left

	choice
	desk   *operate.Desk
	policy lanes.Policy
	order  []string // the ids as they were given
	pace   pace
	hold   time.Duration

	letters *rabbit.DeadLetters
	publish *confirms.Publisher

	pending []*revival          // chosen, and not yet published
	hand    map[string]*revival // the same, by job
	carried map[string]int      // by job: the number of the copy that this command made
	aside   []wire.DeadLetter   // of jobs that a newer letter is about
}

// Left counts letters that were chosen and yet left where they are.
type Left struct {
	NoJob     int // that nothing can run
	Elsewhere int // whose job goes on, or has ended, under the same number
	OtherKind int // of kinds that don't take the params
	Stale     int // whose job's newest letter hasn't turned up
}

// revival is a job that is about to be replayed.
type revival struct {
	operate.Copy
	made    int // the number of the letter that it was made from
	reason  string
	letters []wire.DeadLetter // all of the job's that are in hand; none for one that is taken from its record
}

// NewReplay prepares a replay of what a filter chooses, or of the jobs with these ids.
func NewReplay(desk *operate.Desk, policy lanes.Policy, f Filter, ids []string) *Replay {
	return &Replay{
		By: map[[2]string]int{}, Refused: map[string]error{}, choice: choiceOf(f, ids, desk.Now()), desk: desk,
		policy: policy, order: ids, hand: map[string]*revival{}, carried: map[string]int{},
		hold: min(longestHold, policy.Broker.ConsumerTimeout.D()/2),
	}
}

// Run replays, and makes an entry of it in the audit log.
func (r *Replay) Run(ctx context.Context) error {
	if err := r.desk.MayNote(ctx); err != nil {
		return err
	}
	err := r.Carry(ctx)
	if r.Done.Jobs > 0 && !r.DryRun {
		r.desk.Note(ctx, audit.Entry{
			Verb: "replay", On: r.on, Before: string(job.Dead), After: strings.TrimSpace(r.To + " " + r.Set.String()),
			Jobs: r.Done.Jobs, Sample: r.Done.Sample, Reason: r.Reason,
		})
	}
	return err
}

// Carry replays, and leaves the audit log to the caller. It goes through the letters once, and again when holding those
// that stay has taken long.
func (r *Replay) Carry(ctx context.Context) error {
	letters, end, err := Open(ctx, r.desk, "dead replay")
	if err != nil {
		return err
	}
	defer end()
	conn, err := r.desk.Connect(ctx, "dead replay (publish)")
	if err != nil {
		return err
	}
	defer conn.Close()
	r.letters, r.publish = letters, confirms.NewPublisher(conn, 0)
	r.pace = pace{rate: r.Rate}
	began := time.Now() //nolint:forbidigo // how long this process holds letters
	err = each(ctx, letters, r.pace.batch(), r.desk.Ledger.GetAll, func(batch []Letter) (bool, error) {
		if done, err := r.batch(ctx, batch); done || err != nil {
			return true, err
		}
		if time.Since(began) < r.hold { //nolint:forbidigo // as above
			return false, nil
		}
		if err := r.flush(ctx); err != nil {
			return true, err
		}
		began, r.Left, r.aside = time.Now(), Left{}, nil //nolint:forbidigo // as above
		return false, letters.GiveBack()
	})
	if err == nil {
		err = r.flush(ctx)
	}
	if err == nil && r.ids != nil && !r.done() {
		err = r.fromRecords(ctx)
	}
	return errors.Join(err, r.tidy())
}

// done reports whether nothing is left to be found.
func (r *Replay) done() bool {
	n := len(r.pending)
	return r.Limit > 0 && r.Done.Jobs+n >= r.Limit || r.ids != nil && len(r.carried)+len(r.Refused)+n >= len(r.ids)
}

// batch sees to a batch of letters: what is to be replayed of it goes with what was pending, once that is worth a round
// trip.
func (r *Replay) batch(ctx context.Context, batch []Letter) (done bool, err error) {
	var obsolete []wire.DeadLetter
	for _, l := range batch {
		if v := r.hand[l.ID]; v != nil {
			r.join(v, l)
			continue
		}
		switch r.fate(l) {
		case obsoleteLetter:
			obsolete = append(obsolete, l.DeadLetter)
		case asideLetter:
			r.aside = append(r.aside, l.DeadLetter)
		case reviveLetter:
			if r.Limit > 0 && r.Done.Jobs+len(r.pending) >= r.Limit {
				continue
			}
			v, err := r.revive(l)
			if err != nil {
				r.Refused[l.ID] = err
				continue
			}
			r.pending, r.hand[l.ID] = append(r.pending, v), v
		}
	}
	r.Removed += len(obsolete)
	if !r.DryRun {
		if err := r.letters.Remove(obsolete...); err != nil {
			return true, err
		}
	}
	if len(r.pending) >= copyBatch || r.Rate > 0 || r.DryRun { // a classic queue confirms many as fast as one
		err = r.flush(ctx)
	}
	return r.done(), err
}

// flush replays what is pending.
func (r *Replay) flush(ctx context.Context) error {
	all := r.pending
	r.pending, r.hand = nil, map[string]*revival{}
	if r.DryRun {
		r.count(all)
		return nil
	}
	return r.carryOn(ctx, all)
}

// letterFate is what becomes of a letter.
type letterFate int

const (
	leaveLetter    letterFate = iota
	reviveLetter              // its job is replayed
	obsoleteLetter            // it is removed: a newer copy has carried its job on
	asideLetter               // it goes with the newest letter of its job
)

// fate decides what becomes of a letter.
func (r *Replay) fate(l Letter) letterFate {
	number, ours := r.carried[l.ID]
	switch {
	case ours && l.Copy < number:
		return obsoleteLetter
	case ours: // it has died again meanwhile: once is enough
		return leaveLetter
	case !r.has(l):
		return leaveLetter
	case l.Err != nil, r.ids == nil && l.Facts.Reason == job.ErrNoID.Error():
		r.Left.NoJob++
		if r.ids != nil {
			r.Refused[l.ID] = operate.NotPossible.Errorf("job %s can't be replayed: its message is no job (%w); "+
				"`siren dead show %s` has it", l.ID, l.Err, l.ID)
		}
		return leaveLetter
	case l.Standing == Superseded:
		return obsoleteLetter
	case l.Standing == Elsewhere:
		r.Left.Elsewhere++
		return leaveLetter
	case l.Standing == Stale:
		return asideLetter
	case !r.Set.Fits(l.Job.Kind):
		r.Left.OtherKind++
		if r.ids != nil {
			r.Refused[l.ID] = operate.NotPossible.Errorf("job %s is a %s, which doesn't take %s", l.ID, l.Job.Kind,
				r.Set)
		}
		return leaveLetter
	default:
		return reviveLetter
	}
}

// Carried reports whether a fresh copy made by this replay carries the job.
func (r *Replay) Carried(id string) bool {
	_, ok := r.carried[id]
	return ok
}

// count notes what was replayed, or in a dry run would have been.
func (r *Replay) count(all []*revival) {
	for _, v := range all {
		r.Done.Did(v.Job.ID)
		r.carried[v.Job.ID] = v.Entry.Copy
		r.By[[2]string{v.Lane, v.reason}]++
	}
}
