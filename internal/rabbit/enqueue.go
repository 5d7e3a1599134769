package rabbit

import (
	"context"

	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
)

// Enqueue puts jobs into their lanes, without waiting for each one's confirm before sending the next. It returns one
// error per entry, nil for the confirmed ones. A lane that doesn't exist means the default lane. Errors:
// job.Encode's, ErrNotSent, ErrUnconfirmed, ErrUndeclared.
func Enqueue(ctx context.Context, p *confirms.Publisher, entries []wire.Entry) []error {
	errs := make([]error, len(entries))
	messages := make([]confirms.Message, 0, len(entries))
	at := make([]int, 0, len(entries))
	now := p.Now()
	for i, e := range entries {
		m, err := e.Message(now)
		if err != nil {
			errs[i] = err
			continue
		}
		messages, at = append(messages, m), append(at, i)
	}
	for j, err := range p.Publish(ctx, messages) {
		errs[at[j]] = messages[j].Failed(err)
	}
	return errs
}
