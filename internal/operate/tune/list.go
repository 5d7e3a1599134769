package tune

import (
	"context"
	"slices"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/calendar"
)

// List is all tunings that there are.
type List struct {
	Revision int64     `json:"revision"`
	Tunings  []Row     `json:"tunings"`
	At       time.Time `json:"-"` // by Redis' clock
}

// Row is a tuning beside the policy file, and what the leading scaler makes of it. The file's schedules are such too.
type Row struct {
	lanes.Tuning
	File    string `json:"file"`            // the value in the policy file
	InForce bool   `json:"inForce"`         // the leading scaler follows it
	Early   bool   `json:"early,omitempty"` // it isn't in force yet, but the workers of its floor start
	Idle    string `json:"idle,omitempty"`  // why the scaler doesn't follow it
	// Of what is scheduled: when it is in force now, or will be next.
	Next *calendar.Occurrence `json:"next,omitempty"`
}

// List returns the tunings, with the values that the file has, and then the file's own schedules.
func (d *Desk) List(ctx context.Context) (List, error) {
	t, at, err := d.Tunings.Now(ctx)
	if err != nil {
		return List{}, err
	}
	e, err := operate.InForce(ctx, d.Board)
	if err != nil {
		return List{}, err
	}
	l := List{Revision: t.Revision, Tunings: []Row{}, At: at}
	for _, tuning := range slices.Concat(t.All, e.Written().ScheduledTunings()) {
		l.Tunings = append(l.Tunings, rowOf(e, tuning, at))
	}
	return l, nil
}

func rowOf(e lanes.Effective, t lanes.Tuning, at time.Time) Row {
	row := Row{Tuning: t, InForce: InForce(e, t)}
	_, row.Early = lanes.FindTuning(e.Early, t.ID())
	if file, err := e.Written().Field(t.Field); err == nil {
		row.File = lanes.Spell(file)
	}
	if !row.InForce {
		row.Idle = e.Idles(t, at)
	}
	if t.When == nil {
		return row
	}
	o, comes := t.When.Next(at)
	switch {
	case !comes && row.Idle == "":
		row.Idle = "it is over"
	case comes:
		row.Next = &o
	}
	return row
}
