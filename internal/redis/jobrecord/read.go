package jobrecord

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/job"
)

// BatchSize is how many records are read in one round trip.
const BatchSize = 500

// Reader reads the records of jobs, and the indexes of them. It is safe for concurrent use.
type Reader struct {
	// Patience is how long Watch goes on with a job that says running while nothing is heard of its worker; 0: two
	// minutes. It is set before the first call.
	Patience time.Duration

	store *redislink.Store
	log   *slog.Logger
}

// NewReader makes a reader.
func NewReader(s *redislink.Store, log *slog.Logger) *Reader { return &Reader{store: s, log: log} }

func (r *Reader) patience() time.Duration { return cmp.Or(r.Patience, vanishedAfter) }

// Get returns a job's record; ErrNotFound when there is none (any more).
func (r *Reader) Get(ctx context.Context, id string) (job.Record, error) {
	records, err := r.read(ctx, []string{id})
	if err != nil {
		return job.Record{}, redislink.Failed("read job "+id, err)
	}
	record, ok := records[id]
	if !ok {
		return job.Record{}, redislink.Failed("job "+id, redislink.ErrNotFound)
	}
	return record, nil
}

// Find returns a job's record; where there is none, that of the latest malformed message that bears the id, which has
// another id and says so in Bears. ErrNotFound is an id that neither has.
func (r *Reader) Find(ctx context.Context, id string) (job.Record, error) {
	record, err := r.Get(ctx, id)
	if !errors.Is(err, redislink.ErrNotFound) {
		return record, err
	}
	other, missing := r.store.Client().Get(ctx, keyspace.Bears(id)).Result()
	switch {
	case errors.Is(missing, goredis.Nil):
		return record, err
	case missing != nil:
		return record, redislink.Failed("look for a message that bears the id "+id, missing)
	}
	if found, gone := r.Get(ctx, other); gone == nil {
		return found, nil
	}
	return record, err
}

// GetAll returns the records of those jobs that have one, by id.
func (r *Reader) GetAll(ctx context.Context, ids []string) (map[string]job.Record, error) {
	records, err := r.read(ctx, ids)
	return records, redislink.Failed("read the jobs' records", err)
}

// read returns those of the jobs that have a record, by id.
func (r *Reader) read(ctx context.Context, ids []string) (map[string]job.Record, error) {
	hashes, err := r.hashes(ctx, ids)
	if err != nil {
		return nil, err
	}
	records := make(map[string]job.Record, len(ids))
	for i, h := range hashes {
		if len(h) > 0 {
			records[ids[i]] = recordOf(ids[i], h)
		}
	}
	return records, nil
}

// hashes returns the hash of each job, an empty one for a job without a record.
func (r *Reader) hashes(ctx context.Context, ids []string) ([]map[string]string, error) {
	all := make([]map[string]string, 0, len(ids))
	for part := range slices.Chunk(ids, BatchSize) {
		cmds := make([]*goredis.MapStringStringCmd, len(part))
		_, err := r.store.Client().Pipelined(ctx, func(p goredis.Pipeliner) error {
			for i, id := range part {
				cmds[i] = p.HGetAll(ctx, keyspace.Job(id))
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
func (r *Reader) field(ctx context.Context, ids []string, name string) ([]string, error) {
	rows, err := r.Fields(ctx, ids, name)
	if err != nil {
		return nil, err
	}
	values := make([]string, len(rows))
	for i, row := range rows {
		values[i] = row[0]
	}
	return values, nil
}

// Fields returns a row of each job's hash: the named fields, "" where there is none.
func (r *Reader) Fields(ctx context.Context, ids []string, names ...string) ([][]string, error) {
	all := make([][]string, 0, len(ids))
	for part := range slices.Chunk(ids, BatchSize) {
		cmds := make([]*goredis.SliceCmd, len(part))
		_, err := r.store.Client().Pipelined(ctx, func(p goredis.Pipeliner) error {
			for i, id := range part {
				cmds[i] = p.HMGet(ctx, keyspace.Job(id), names...) // no error for an absent one, unlike HGET
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

// Log returns what a job's programs said last; ErrNotFound when nothing is kept (any more).
func (r *Reader) Log(ctx context.Context, id string) (string, error) {
	text, err := r.store.Client().Get(ctx, keyspace.Log(id)).Result()
	if errors.Is(err, goredis.Nil) {
		err = redislink.ErrNotFound
	}
	return text, redislink.Failed("read the log of job "+id, err)
}
