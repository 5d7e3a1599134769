package tune

import (
	"context"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/lanes"
)

// List is all tunings that there are.
type List struct {
	Revision int64     `json:"revision"`
	Tunings  []Row     `json:"tunings"`
	At       time.Time `json:"-"` // by Redis' clock
}

// Row is a tuning beside the policy file, and what the leading scaler makes of it.
type Row struct {
	lanes.Tuning
	File    string `json:"file"`           // the value in the policy file
	InForce bool   `json:"inForce"`        // the leading scaler follows it
	Idle    string `json:"idle,omitempty"` // why it doesn't
}

// List returns the tunings, with the values that the file has.
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
	for _, tuning := range t.All {
		row := Row{Tuning: tuning, InForce: InForce(e, tuning)}
		if file, err := e.Written().Field(tuning.Field); err == nil {
			row.File = lanes.Spell(file)
		}
		for _, idle := range e.Idle {
			if idle.Field == tuning.Field {
				row.Idle = idle.Why
			}
		}
		l.Tunings = append(l.Tunings, row)
	}
	return l, nil
}
