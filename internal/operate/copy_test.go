package operate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// both is a broker and a ledger that answer as they are told, by job, and note what they are asked.
type both struct {
	sent, told map[string]error
	away       bool // the ledger
	did        []string
}

func (b *both) EnqueueBatch(_ context.Context, entries []wire.Entry) []error {
	errs := make([]error, len(entries))
	for i, e := range entries {
		if errs[i] = b.sent[e.Job.ID]; errs[i] == nil {
			b.did = append(b.did, "copy "+e.Job.ID)
		}
	}
	return errs
}

func (b *both) SupersedeAll(_ context.Context, all []jobledger.Supersede) ([]jobledger.Overridden, error) {
	if b.away {
		return nil, lanes.ErrAway
	}
	answers := make([]jobledger.Overridden, len(all))
	for i, s := range all {
		answers[i].Err = b.told[s.ID]
		b.did = append(b.did, "tell "+s.ID)
	}
	return answers, nil
}

func (b *both) CreateAll(_ context.Context, all []work.Delivery) ([]bool, error) {
	for _, d := range all {
		b.did = append(b.did, fmt.Sprintf("record %s/%d in %s", d.Job.ID, d.Copy, d.Lane))
	}
	return make([]bool, len(all)), nil
}

// carry lets copies of jobs carry them, and notes which originals are settled.
func (b *both) carry(ctx context.Context, ids ...string) ([]Carried, error) {
	p := &lanes.Policy{Lanes: []lanes.Lane{{Name: "bulk"}}}
	copies := make([]Copy, len(ids))
	for i, id := range ids {
		copies[i] = CopyOf(work.Delivery{
			Job: job.Job{ID: id, Kind: "probe"}, Body: []byte(`{"kind":"probe"}`),
			Copy: 4,
		}, "bulk", p)
		copies[i].Settle = func() error {
			b.did = append(b.did, "settle "+id)
			return nil
		}
	}
	return Carrier{Publisher: b, Ledger: b, Now: time.Now}.Carry(ctx, copies)
}

// A copy is confirmed before the ledger hears of it, and the original is settled after that; whatever fails, a job has
// a message.
func TestCarry(t *testing.T) {
	broken := errors.New("no such record")
	for _, c := range []struct {
		name       string
		sent, told error
		away       bool
		did        string
		is         error // nil: it carries the job
	}{
		{name: "all well", did: "copy a, tell a, settle a"},
		{name: "not confirmed", sent: confirms.ErrUnconfirmed, did: "", is: confirms.ErrUnconfirmed},
		{name: "no record", told: redislink.ErrNotFound, did: "copy a, tell a, record a/5 in bulk, settle a"},
		{
			name: "a worker was faster", told: &jobledger.StateError{State: job.Running, Copy: 5},
			did: "copy a, tell a, settle a",
		},
		{
			name: "somebody else was faster", told: &jobledger.StateError{State: job.Queued, Copy: 6},
			did: "copy a, tell a, settle a", is: Conflict,
		},
		{
			name: "it was called off", told: &jobledger.StateError{State: job.Cancelled, Copy: 5},
			did: "copy a, tell a, settle a", is: Conflict,
		},
		{name: "the record is broken", told: broken, did: "copy a, tell a, settle a", is: NotPossible},
		{name: "the ledger is away", away: true, did: "copy a, settle a", is: ErrUntold},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &both{sent: map[string]error{"a": c.sent}, told: map[string]error{"a": c.told}, away: c.away}
			carried, err := b.carry(t.Context(), "a")
			if err != nil || carried[0].Sent != (c.sent == nil) || !errors.Is(carried[0].Err, c.is) ||
				(carried[0].Err == nil) != (c.is == nil) {
				t.Errorf("it came to %+v, %v", carried, err)
			}
			if got := strings.Join(b.did, ", "); got != c.did {
				t.Errorf("it did %s; want %s", got, c.did)
			}
		})
	}
}

// What becomes of one job has nothing to do with the others; and what is begun is brought to its end.
func TestCarryMany(t *testing.T) {
	b := &both{
		sent: map[string]error{"b": confirms.ErrNotSent},
		told: map[string]error{"c": redislink.ErrNotFound, "d": &jobledger.StateError{State: job.Completed, Copy: 7}},
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	carried, err := b.carry(ctx, "a", "b", "c", "d")
	if err != nil || carried[0].Err != nil || !errors.Is(carried[1].Err, confirms.ErrNotSent) ||
		carried[2].Err != nil || !errors.Is(carried[3].Err, Conflict) {
		t.Errorf("it came to %+v, %v", carried, err)
	}
	want := []string{
		"copy a", "copy c", "copy d", "tell a", "tell c", "tell d", "record c/5 in bulk", "settle a",
		"settle c", "settle d",
	}
	if !reflect.DeepEqual(b.did, want) {
		t.Errorf("it did %q", b.did)
	}
}

func TestKinds(t *testing.T) {
	refused := fmt.Errorf("no: %w", lanes.ErrRefused)
	for _, c := range []struct {
		err  error
		kind Kind
	}{
		{nil, ""},
		{context.Canceled, ""},
		{errors.New("wrong"), ""},
		{lanes.Away(errors.New("gone")), Unreachable},
		{refused, Refused},
		{NotFound.Errorf("no job"), NotFound},
		{fmt.Errorf("so: %w", Conflict.With(refused)), Conflict},
		{errors.Join(errors.New("one"), Invalid.Errorf("two")), Invalid},
	} {
		if k := KindOf(c.err); k != c.kind {
			t.Errorf("%v is %q, want %q", c.err, k, c.kind)
		}
	}
	if NotFound.With(nil) != nil {
		t.Error("no error is of no kind")
	}
}
