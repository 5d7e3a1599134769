package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
)

// Tokens knows the tokens of a file as it is now.
type Tokens struct {
	path  string
	log   *slog.Logger
	now   func() time.Time
	known atomic.Pointer[map[[sha256.Size]byte]Token]
	text  []byte                // that known is of; the goroutine of follow owns it, as it does said
	said  map[slog.Level]string // what was last logged of the file
}

// readEvery is how often the file is read again: so long a token that was revoked still lets somebody in.
const readEvery = 2 * time.Second

// OpenTokens reads a file of tokens, and reads it again whenever it changes, until ctx ends. A file that is broken by
// then changes nothing, and that is logged.
func OpenTokens(ctx context.Context, path string, now func() time.Time, log *slog.Logger) (*Tokens, error) {
	t := &Tokens{path: path, log: log, now: now, said: map[slog.Level]string{}}
	if err := t.read(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w; `siren tokens create NAME --role producer --file %s` makes it", err, path)
		}
		return nil, err
	}
	go t.follow(ctx)
	return t, nil
}

func (t *Tokens) follow(ctx context.Context) {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := t.read(); err != nil {
			t.say(slog.LevelError, "the file of tokens can't be read; the tokens known before still count", err.Error())
		}
	}
}

// read reads the file, and takes its tokens if it isn't as it was. It is compared as a whole: a time of change may stay
// the same.
func (t *Tokens) read() error {
	text, odd, err := readFile(t.path)
	if err != nil {
		return err
	}
	t.say(slog.LevelWarn, "the file of tokens isn't safe", odd)
	if t.known.Load() == nil || !bytes.Equal(text, t.text) {
		if err := t.take(text); err != nil {
			return err
		}
	}
	t.say(slog.LevelError, "", "")
	return nil
}

// take puts the tokens of a text into force.
func (t *Tokens) take(text []byte) error {
	all, err := parseTokens(text)
	if err == nil && len(bytes.TrimSpace(text)) == 0 { // as it is while a careless program writes it
		err = errors.New("it is empty; a file without tokens says tokens: []")
	}
	if err != nil {
		return fmt.Errorf("file of tokens %s: %w", t.path, err)
	}
	known := make(map[[sha256.Size]byte]Token, len(all))
	for _, token := range all {
		var sum [sha256.Size]byte
		_, _ = hex.Decode(sum[:], []byte(token.SHA256)) // it was checked
		known[sum] = token
	}
	if t.known.Swap(&known) != nil {
		t.log.Info("the file of tokens has changed", "file", t.path, "tokens", len(all))
	}
	t.text = text
	return nil
}

// say logs what is wrong with the file, once as long as it stays the same; "" is nothing.
func (t *Tokens) say(level slog.Level, message, why string) {
	if why != t.said[level] && why != "" {
		t.log.Log(context.Background(), level, message, "file", t.path, "why", why)
	}
	t.said[level] = why
}

// Identify returns who has the token. It is looked up by its hash: how long that takes tells nothing of other tokens.
func (t *Tokens) Identify(_ context.Context, token string) (Identity, error) {
	if !strings.HasPrefix(token, tokenPrefix) {
		return Identity{}, ErrUnknown
	}
	known, ok := (*t.known.Load())[sha256.Sum256([]byte(token))]
	switch {
	case !ok:
		return Identity{}, fmt.Errorf("%w: it isn't in the file of tokens", ErrUnknown)
	case known.Expired(t.now()):
		return Identity{}, fmt.Errorf("%w: %s expired at %s", ErrUnknown, known.Name, known.Expires.Format(time.RFC3339))
	}
	return Identity{Subject: known.Name, Tenant: known.Tenant, Roles: known.Roles}, nil
}
