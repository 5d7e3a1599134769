package redis

import (
	"context"
	"time"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/effort"
)

// effortKeep is how long the book is kept while no job completes.
const effortKeep = 90 * 24 * time.Hour

// Efforts keeps what is known of how much jobs compute. It is safe for concurrent use.
type Efforts struct{ store *redislink.Store }

// NewEfforts makes one.
func NewEfforts(s *redislink.Store) *Efforts { return &Efforts{s} }

// Book returns what is known; an empty one when nothing is.
func (e *Efforts) Book(ctx context.Context) (effort.Book, error) {
	texts, err := e.store.Client().HGetAll(ctx, keyspace.Effort).Result()
	book := effort.Book{}
	for class, text := range texts {
		book[class] = effort.Parse(text)
	}
	return book, redislink.Failed("read how much jobs compute", err)
}

// Learn takes in what a completed job tells of its class, and returns what is known of that now.
func (e *Efforts) Learn(ctx context.Context, s effort.Sample) (effort.Model, error) {
	text, err := learnScript.Run(ctx, e.store.Client(), []string{keyspace.Effort}, s.Class, s.Units,
		s.Computed.Seconds(), s.Cores(), effort.Keep, effort.KeepCores, effortKeep.Milliseconds()).Text()
	return effort.Parse(text), redislink.Failed("learn how much a job computes", err)
}
