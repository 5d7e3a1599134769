package topology

import (
	"context"
	"errors"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/lanes"
)

// There returns those of the queues that the broker has, also where their leader is away, or their node down.
func There(ctx context.Context, conn *rabbitlink.Conn, queues []lanes.Queue) (there []lanes.Queue, err error) {
	var ch *rabbitlink.Channel
	defer func() {
		if ch != nil {
			ch.Close()
		}
	}()
	for _, q := range queues {
		if ch == nil || ch.IsClosed() { // as after each queue that isn't there
			if ch, err = conn.Channel(ctx); err != nil {
				return there, err
			}
			ch.Patience = patience
		}
		switch _, _, err := ch.Depth(QueueName(q)); {
		case err == nil, errors.Is(err, rabbitlink.ErrSilent), errors.Is(err, rabbitlink.ErrDown),
			errors.Is(err, lanes.ErrRefused):
			there = append(there, q)
		case !rabbitlink.Absent(err):
			return there, err
		}
	}
	return there, nil
}
