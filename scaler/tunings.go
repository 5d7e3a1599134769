package scaler

import (
	"context"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/scaler/facts"
)

// layTunings returns the policy with the tunings and schedules applied that are in force at that time.
func (l *Loop) layTunings(ctx context.Context, file *lanes.Policy, at time.Time) (lanes.Effective, error) {
	if err := l.readTunings(ctx); err != nil {
		return lanes.Effective{}, err
	}
	var all []lanes.Tuning
	if l.tunings != nil {
		all = l.tunings.All
	}
	if len(all) == 0 && len(file.Schedules) == 0 {
		return lanes.Effective{Policy: *file}, nil
	}
	laid := file.Lay(all, at, lead(file, l.history))
	return lanes.Effective{
		Policy: *laid.Policy, File: file, Tunings: laid.InForce, Early: laid.Early, Idle: laid.Idle,
	}, nil
}

// lead returns how long before a schedule each pool's floor is asked for, by what is remembered.
func lead(p *lanes.Policy, h facts.History) func(pool string) time.Duration {
	return func(pool string) time.Duration { return h.Pools[pool].Lead(p.Timing.ColdStart.D()) }
}

// readTunings looks the tunings up. While they can't be read, those last read stand. A new leader that hasn't read them
// yet doesn't act: it would take back pauses and limits that it merely doesn't know of.
func (l *Loop) readTunings(ctx context.Context) error {
	if l.o.Tunings == nil {
		return nil
	}
	look, cancel := context.WithTimeout(ctx, 2*l.o.Tick) // the rest of the tick needs its time
	defer cancel()
	t, err := l.o.Tunings(look)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && l.tunings == nil:
		return fmt.Errorf("look up the tunings for the first time: %w", err)
	case err != nil && !l.blind:
		l.o.Log.Warn("the tunings can't be looked up; those last seen stay in force until they expire", "error",
			err)
	case err == nil:
		l.tunings = &t
		if l.blind {
			l.o.Log.Info("the tunings can be looked up again")
		}
	}
	l.blind = err != nil
	return nil
}
