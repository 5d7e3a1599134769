package redis

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
)

// Get returns a job's record; ErrNotFound when there is none (any more).
func (l *Ledger) Get(ctx context.Context, id string) (lanes.Record, error) {
	records, err := l.read(ctx, []string{id})
	if err != nil {
		return lanes.Record{}, failed("read job "+id, err)
	}
	r, ok := records[id]
	if !ok {
		return lanes.Record{}, failed("job "+id, ErrNotFound)
	}
	return r, nil
}

// Find returns a job's record; where there is none, that of the latest malformed message that bears the id, which has another id and says so in Bears.
// ErrNotFound is an id that neither has.
func (l *Ledger) Find(ctx context.Context, id string) (lanes.Record, error) {
	r, err := l.Get(ctx, id)
	if !errors.Is(err, ErrNotFound) {
		return r, err
	}
	other, missing := l.store.client.Get(ctx, bearsKey(id)).Result()
	switch {
	case errors.Is(missing, goredis.Nil):
		return r, err
	case missing != nil:
		return r, failed("look for a message that bears the id "+id, missing)
	}
	if found, gone := l.Get(ctx, other); gone == nil {
		return found, nil
	}
	return r, err
}

// note has a malformed message found by the id that it bears, as long as its record is kept.
func (l *Ledger) note(ctx context.Context, d lanes.Delivery) {
	if d.Bears == "" {
		return
	}
	if err := l.store.client.Set(ctx, bearsKey(d.Bears), d.Job.ID, l.timing.Load().Keep.D()).Err(); err != nil {
		l.log.Debug("a malformed message isn't found by the id that it bears", slog.String("job", d.Job.ID), slog.Any("error", err))
	}
}

// GetAll returns the records of those jobs that have one, by id.
func (l *Ledger) GetAll(ctx context.Context, ids []string) (map[string]lanes.Record, error) {
	records, err := l.read(ctx, ids)
	return records, failed("read the jobs' records", err)
}

// CountDead is how many dead jobs have a record. Some of them may have expired within the last minute.
func (l *Ledger) CountDead(ctx context.Context) (int, error) {
	n, err := l.store.client.ZCard(ctx, deadKey).Result()
	return int(n), failed("count the dead jobs", err)
}

// read returns those of the jobs that have a record, by id.
func (l *Ledger) read(ctx context.Context, ids []string) (map[string]lanes.Record, error) {
	hashes, err := l.hashes(ctx, ids)
	if err != nil {
		return nil, err
	}
	records := make(map[string]lanes.Record, len(ids))
	for i, h := range hashes {
		if len(h) > 0 {
			records[ids[i]] = recordOf(ids[i], h)
		}
	}
	return records, nil
}

// hashes returns the hash of each job, an empty one for a job without a record.
func (l *Ledger) hashes(ctx context.Context, ids []string) ([]map[string]string, error) {
	all := make([]map[string]string, 0, len(ids))
	for part := range slices.Chunk(ids, scanSize) {
		cmds := make([]*goredis.MapStringStringCmd, len(part))
		_, err := l.store.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for i, id := range part {
				cmds[i] = p.HGetAll(ctx, jobKey(id))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, c := range cmds {
			all = append(all, c.Val())
		}
	}
	return all, nil
}

// field returns one field of each job's hash, "" where there is none.
func (l *Ledger) field(ctx context.Context, ids []string, name string) ([]string, error) {
	rows, err := l.fields(ctx, ids, name)
	if err != nil {
		return nil, err
	}
	values := make([]string, len(rows))
	for i, row := range rows {
		values[i] = row[0]
	}
	return values, nil
}

// fields returns a row of each job's hash: the named fields, "" where there is none.
func (l *Ledger) fields(ctx context.Context, ids []string, names ...string) ([][]string, error) {
	all := make([][]string, 0, len(ids))
	for part := range slices.Chunk(ids, scanSize) {
		cmds := make([]*goredis.SliceCmd, len(part))
		_, err := l.store.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for i, id := range part {
				cmds[i] = p.HMGet(ctx, jobKey(id), names...) // no error for an absent one, unlike HGET
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, c := range cmds {
			row := make([]string, len(names))
			for i, value := range c.Val() {
				row[i], _ = value.(string)
			}
			all = append(all, row)
		}
	}
	return all, nil
}
