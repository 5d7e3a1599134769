package redis

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
)

const (
	onceKeep  = 24 * time.Hour   // an answer is kept
	onceLease = 15 * time.Second // a request has, before another with its key may try
)

// Errors of Once.
var (
	ErrOtherRequest = errors.New("this key came with another request before")
	ErrKeyInUse     = errors.New("a request with this key is being answered at this moment")
)

// Once remembers what requests were answered that are to be carried out once, by the key that each bears. It is safe
// for concurrent use.
type Once struct{ store *redislink.Store }

// NewOnce makes one.
func NewOnce(s *redislink.Store) *Once { return &Once{s} }

// claim is what is kept of a request.
type claim struct {
	Print  string          `json:"print"`            // stands for all that was asked
	Nonce  string          `json:"nonce,omitempty"`  // tells claims apart that are alike
	Answer json.RawMessage `json:"answer,omitempty"` // nil: it is being answered
}

// Attempt is a request that has claimed its key.
type Attempt struct{ key, print, claim string }

// Begin claims a key for a request, of which print is a fingerprint. The answer is that to the same request, if it came
// before; else the attempt is to be ended. The error is ErrOtherRequest, ErrKeyInUse, or Redis'.
func (o *Once) Begin(ctx context.Context, key, print string) (a Attempt, answer []byte, err error) {
	for range 2 {
		text, err := json.Marshal(claim{Print: print, Nonce: rand.Text()})
		if err != nil {
			return a, nil, err
		}
		err = o.store.Client().SetArgs(ctx, keyspace.Once(key), text, goredis.SetArgs{Mode: "NX", TTL: onceLease}).Err()
		if err == nil {
			return Attempt{key, print, string(text)}, nil, nil
		}
		if !errors.Is(err, goredis.Nil) {
			return a, nil, redislink.Failed("look a request's key up", err)
		}
		known, err := o.store.Client().Get(ctx, keyspace.Once(key)).Bytes()
		if errors.Is(err, goredis.Nil) { // it has just been given up
			continue
		}
		var c claim
		if err == nil {
			err = json.Unmarshal(known, &c)
		}
		switch {
		case err != nil:
			return a, nil, redislink.Failed("look a request's key up", err)
		case c.Print != print:
			return a, nil, ErrOtherRequest
		case c.Answer != nil:
			return a, c.Answer, nil
		}
		return a, nil, ErrKeyInUse
	}
	return a, nil, ErrKeyInUse
}

// End keeps the answer (JSON) to a request for a day; nil: it has none, and the next one with its key may try. Where
// the attempt took so long that another request has the key by now, it does nothing.
func (o *Once) End(ctx context.Context, a Attempt, answer []byte) error {
	var kept []byte
	if answer != nil {
		var err error
		if kept, err = json.Marshal(claim{Print: a.print, Answer: answer}); err != nil {
			return err
		}
	}
	err := answerScript.Run(ctx, o.store.Client(), []string{keyspace.Once(a.key)}, a.claim, kept,
		onceKeep.Milliseconds()).Err()
	return redislink.Failed("end a request's claim to its key", err)
}
