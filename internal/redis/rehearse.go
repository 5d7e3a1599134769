package redis

import (
	"context"

	goredis "github.com/redis/go-redis/v9"
)

// Rehearse finds out which of the commands Redis would take from this login, and has none of them done: in a
// transaction Redis checks each command when it comes, and does it at the end, which never comes here. The answers are
// in the order of the commands; err says that nothing could be tried, or not all. The connection is one of its own,
// since it mustn't be left in a transaction.
func (s *Store) Rehearse(ctx context.Context, commands [][]any) (answers []error, err error) {
	client := s.remote.client()
	defer func() { _ = client.Close() }()
	conn := client.Conn()
	defer func() { _ = conn.Close() }()
	if err := conn.Do(ctx, "MULTI").Err(); err != nil {
		return nil, err
	}
	cmds, _ := conn.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, c := range commands {
			p.Do(ctx, c...)
		}
		return nil
	})
	answers = make([]error, len(cmds))
	for i, cmd := range cmds {
		answers[i] = explain(cmd.Err())
	}
	return answers, conn.Do(ctx, "DISCARD").Err()
}
