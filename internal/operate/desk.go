package operate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/plain"
)

// Desk is what a person's hand reaches of a running system.
type Desk struct {
	Ledger  *jobledger.Ledger
	Board   Board
	Audit   Audit
	Connect func(ctx context.Context, name string) (*rabbitlink.Conn, error) // to the broker; the name says what for
	Now     func() time.Time                                                 // Redis' clock
	Warn    func(format string, args ...any)                                 // is told what isn't an error
}

// Board says which policy is in force: redislink.ErrNotFound when none is yet.
type Board interface {
	Policy(ctx context.Context) (lanes.Effective, error)
}

// Audit is the audit log, for one person: Note says who it was.
type Audit interface {
	MayNote(ctx context.Context) error
	Note(ctx context.Context, e audit.Entry) error
}

// Policy returns the policy in force; NotFound when none is yet.
func (d *Desk) Policy(ctx context.Context) (lanes.Effective, error) { return InForce(ctx, d.Board) }

// InForce returns the policy in force; NotFound when none is yet.
func InForce(ctx context.Context, b Board) (lanes.Effective, error) {
	e, err := b.Policy(ctx)
	if errors.Is(err, redislink.ErrNotFound) {
		return e, NotFound.With(ErrNoPolicy)
	}
	return e, err
}

// ErrNoPolicy is that nobody has put a policy into force yet.
var ErrNoPolicy = errors.New("no policy is in force yet: is `siren scaler` (or `siren up`) running?")

// MayNote returns the error that this login may not add to the audit log: then nothing that is noted there may be done.
func (d *Desk) MayNote(ctx context.Context) error { return d.Audit.MayNote(ctx) }

// Note writes what was done into the audit log. That it can't be written is told, and undoes nothing.
func (d *Desk) Note(ctx context.Context, e audit.Entry) {
	if err := d.Audit.Note(context.WithoutCancel(ctx), e); err != nil {
		d.Warn("the audit log has no entry of this: %v", err)
	}
}

// Carrier makes the copies that p publishes carry their jobs.
func (d *Desk) Carrier(p *confirms.Publisher) Carrier {
	return Carrier{Publisher: enqueuer{p}, Ledger: d.Ledger, Now: d.Now}
}

// enqueuer puts messages into lanes by a publisher.
type enqueuer struct{ *confirms.Publisher }

func (e enqueuer) EnqueueBatch(ctx context.Context, entries []wire.Entry) []error {
	return rabbit.Enqueue(ctx, e.Publisher, entries)
}

// NoJob returns the error that a job has no record.
func NoJob(id string) error {
	return NotFound.Errorf("no job %q: its record is kept for a while after its end; one that was sent by plain AMQP, "+
		"or before Redis lost its data, has none before it starts", id)
}

// Instead says what else can be done about a job in that state.
func Instead(r job.Record) string {
	switch r.State {
	case job.Retrying, job.Dead, job.Cancelled, job.Missing:
		return "; `siren jobs retry " + r.ID + "` retries it at once"
	case job.Running:
		return "; `siren jobs cancel " + r.ID + "` stops it"
	default:
		return ""
	}
}

// RequireLane returns the error that there is no such lane. former: one that left the policy, and may still have jobs,
// will do.
func RequireLane(e lanes.Effective, lane string, former bool) error {
	if _, ok := e.Policy.Lane(lane); ok {
		return nil
	}
	names := e.Policy.LaneNames()
	if former {
		if slices.Contains(e.FormerLanes(), lane) {
			return nil
		}
		names = append(names, e.FormerLanes()...)
	}
	return NotFound.Errorf("no lane %q%s", lane, plain.ThereAre(lane, names))
}

// LaneFor returns where a job of a lane goes: to the given lane, "" for its own, or to the default one when its own has
// left the policy.
func LaneFor(p lanes.Policy, to, own string) string {
	if to != "" {
		return to
	}
	if _, ok := p.Lane(own); ok {
		return own
	}
	return p.DefaultLane()
}

// afterwards is how long what is under way may go on after it was called off.
const afterwards = 5 * time.Second

// Finishing returns ctx, but ending five seconds later: what is begun is brought to its end.
func Finishing(ctx context.Context) (late context.Context, end func()) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(afterwards, cancel) })
	return late, func() {
		stop()
		cancel()
	}
}

// Signed is the audit log for one person: what they did is noted under their name.
type Signed struct {
	Audit
	By string
}

// Note adds an entry of what they did.
func (s Signed) Note(ctx context.Context, e audit.Entry) error {
	e.By = s.By
	return s.Audit.Note(ctx, e)
}
