package scaler

import (
	"context"
	"fmt"
	"slices"

	"github.com/polyglot-media/siren/lanes"
)

// Desk is where people ask what would come of other tunings than those in force. Questions takes those that wait, by their id, and takes
// each only once; Answer is for one of them.
type Desk interface {
	Questions(ctx context.Context) (map[string]lanes.WhatIf, error)
	Answer(ctx context.Context, id string, f lanes.Foresight) error
}

// answer tells those who ask what this tick would have decided with other tunings, from what it saw and remembered before it. Nothing waits
// for it but the one who asked, and that one is told by the desk when no answer comes.
func (l *Loop) answer(ctx context.Context, e lanes.Effective, d Decision, o Observation, before History) {
	if l.o.Desk == nil {
		return
	}
	questions, err := l.o.Desk.Questions(ctx)
	if err != nil {
		l.o.Log.Debug("look for questions", "error", err)
		return
	}
	for id, q := range questions {
		f := foresee(e, q, o, before)
		f.Leader, f.Before = l.o.Name, d.Plans
		if err := l.o.Desk.Answer(ctx, id, f); err != nil {
			l.o.Log.Debug("answer a question", "id", id, "error", err)
		}
	}
}

// foresee decides once more, with the tunings that are asked about over the policy as it is written. One that is idle anyway may stay so; any
// other has to fit.
func foresee(e lanes.Effective, q lanes.WhatIf, o Observation, before History) (f lanes.Foresight) {
	tuned, _, idle := e.Written().Tuned(q.Tunings, o.At)
	for _, i := range idle {
		if !slices.ContainsFunc(e.Idle, func(known lanes.IdleTuning) bool { return known.Field == i.Field && known.Spelled() == i.Spelled() }) {
			f.Error = fmt.Sprintf("%s can't be %s: %s", i.Field, i.Spelled(), i.Why)
			return f
		}
	}
	d, _ := Decide(tuned, o, before)
	f.After = d.Plans
	return f
}
