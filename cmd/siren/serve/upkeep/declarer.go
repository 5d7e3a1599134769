package upkeep

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/plain"
)

const (
	// reconcileEvery is how often the leader sees to it that the queues are there: a broker may come back without its
	// data.
	reconcileEvery = 5 * time.Second
	// declareWithin bounds one look, so that a broker that doesn't answer holds nothing up.
	declareWithin = 10 * time.Second
	// waitsFor is how long the one who declares is held up by it.
	waitsFor = time.Second
)

// Declarer keeps the broker's queues and exchanges as the policy in force says.
type Declarer struct {
	Conn  *rabbitlink.Conn
	Known func(ctx context.Context, current []lanes.Queue) ([]lanes.Queue, error)
	Log   *slog.Logger

	mu     sync.Mutex
	said   string // what was last complained about
	looked bool   // for queues that nobody remembers
}

// Declare makes the queues and exchanges that the policy asks for, and returns when they are there, or after a second:
// a queue that doesn't answer holds no tick up. Keep tries again.
func (d *Declarer) Declare(ctx context.Context, p *lanes.Policy) {
	tried := make(chan struct{})
	go func() {
		defer close(tried)
		_ = d.try(ctx, p)
	}()
	select {
	case <-tried:
	case <-time.After(waitsFor):
	}
}

// try makes one attempt. A queue with other arguments than those asked for is complained about, and used as it is.
func (d *Declarer) try(ctx context.Context, p *lanes.Policy) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	look, cancel := context.WithTimeout(ctx, declareWithin)
	defer cancel()
	known, err := d.Known(look, append(d.forgotten(look, p), p.Queues()...))
	if err != nil {
		d.Log.Debug("can't tell which queues there were before; those used no more stay as they are until this is "+
			"known", "error", err)
	}
	err = topology.Declare(look, d.Conn, p, p.Unused(known))
	var odd *topology.OddError
	isOdd := errors.As(err, &odd)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && d.said != "":
		d.Log.Info("the broker's queues and exchanges are as the policy says")
		d.said = ""
	case err == nil:
	case plain.Trouble(err) == d.said:
	case isOdd:
		d.said = plain.Trouble(err)
		d.Log.Warn("some queues aren't as the policy says, or don't answer; they are used as they are", "error", err)
	default:
		d.said = plain.Trouble(err)
		d.Log.Warn("declare the queues; retrying", "error", err)
	}
	if isOdd {
		return nil
	}
	return err
}

// forgotten returns the queues that lanes of the policy had before their type was changed, as far as the broker has
// them: once in this process's life, since Redis may have lost its data while no scaler ran.
func (d *Declarer) forgotten(ctx context.Context, p *lanes.Policy) []lanes.Queue {
	if d.looked {
		return nil
	}
	there, err := topology.There(ctx, d.Conn, p.OtherQueues())
	if err != nil {
		d.Log.Debug("look for queues that nobody remembers; trying again", "error", err)
		return there
	}
	d.looked = true
	return there
}

// Await declares, and tries again until the broker answers. The error is ctx's, or that an exchange is of the wrong
// type.
func (d *Declarer) Await(ctx context.Context, p *lanes.Policy) error {
	for {
		err := d.try(ctx, p)
		var mismatch *topology.MismatchError
		if err == nil || ctx.Err() != nil || errors.As(err, &mismatch) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// Keep makes queues and exchanges anew that somebody, or a broker that lost its data, has removed.
func (d *Declarer) Keep(
	ctx context.Context, leading func(context.Context) (bool, error), inForce func() *lanes.Policy,
) error {
	ticker := time.NewTicker(reconcileEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if leads, err := leading(ctx); err != nil || !leads || !d.Conn.Up() {
			continue
		}
		if p := inForce(); p != nil { // else the first tick is yet to come
			_ = d.try(ctx, p)
		}
	}
}
