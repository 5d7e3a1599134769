package tune

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/scaler"
)

// Foresee decides as the leading scaler would after the change, by what it has seen since.
func (d *Desk) Foresee(ctx context.Context, c Change) (Outlook, error) {
	sight, err := d.sight(ctx, c.At)
	if err != nil {
		return Outlook{}, err
	}
	then, err := sight.Foresee(c.Next)
	if err != nil {
		return Outlook{}, operate.NotPossible.Errorf("the scaler %s can't tell what it leads to: %w", sight.Leader, err)
	}
	return Outlook{sight.Plans, then}, nil
}

// sight waits for what the leading scaler sees after a moment, for answerTime at most.
func (d *Desk) sight(ctx context.Context, after time.Time) (s scaler.Sight, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for {
		text, err := d.Board.Sight(ctx)
		if err == nil {
			if s, err = scaler.ReadSight(text, d.Version); err != nil || s.Seen.At.After(after) {
				return s, err
			}
		}
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return s, fmt.Errorf("no scaler has said within %s what it would lead to: is `siren scaler` (or `siren "+
				"up`) "+
				"running? Nothing was changed", answerTime)
		case err != nil && !errors.Is(err, redislink.ErrNotFound):
			return s, err
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
		}
	}
}
