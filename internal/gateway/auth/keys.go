package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// keys is a provider's keys. A key that isn't known has them fetched again, and so does time: one that the provider has
// taken back would stay in force otherwise.
type keys struct {
	fresh func() *oidc.RemoteKeySet
	now   func() time.Time

	mu     sync.Mutex
	is     *oidc.RemoteKeySet
	before *oidc.RemoteKeySet // counts while is can't be fetched
	since  time.Time
}

// keysFor is how long keys are kept.
const keysFor = 10 * time.Minute

// unfetchedKey is the name under which the context of a check has where to put why keys couldn't be fetched.
type unfetchedKey struct{}

func newKeys(ctx context.Context, url string, now func() time.Time) *keys {
	ctx = context.WithoutCancel(ctx)
	fresh := func() *oidc.RemoteKeySet { return oidc.NewRemoteKeySet(ctx, url) }
	return &keys{fresh: fresh, now: now, is: fresh(), since: now()}
}

// VerifySignature returns what a token says if one of the keys has signed it.
func (k *keys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	is, before := k.current()
	payload, err := is.VerifySignature(ctx, jwt)
	if err == nil {
		k.settled(is)
		return payload, nil
	}
	if !unfetched(err) {
		return nil, err
	}
	if before != nil {
		if payload, err := before.VerifySignature(ctx, jwt); err == nil {
			return payload, nil
		}
	}
	if why, ok := ctx.Value(unfetchedKey{}).(*error); ok {
		*why = err
	}
	return nil, err
}

// unfetched reports whether keys couldn't be fetched: the library says so in words alone.
func unfetched(err error) bool { return strings.HasPrefix(err.Error(), "fetching keys ") }

// current returns the keys that count, and those that count while these can't be fetched.
func (k *keys) current() (is, before *oidc.RemoteKeySet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now().Sub(k.since) > keysFor {
		if k.before == nil {
			k.before = k.is
		}
		k.is, k.since = k.fresh(), k.now()
	}
	return k.is, k.before
}

// settled forgets the keys before: these were fetched.
func (k *keys) settled(is *oidc.RemoteKeySet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.is == is {
		k.before = nil
	}
}

// gentle asks a provider a few times at once and then once a second, whatever tokens are shown, and nobody whom others
// could pretend to be.
type gentle struct {
	now  func() time.Time
	next http.RoundTripper

	mu    sync.Mutex
	spent time.Time // up to when what may be asked is spent
}

const (
	askOnce  = time.Second // is what each request to the provider costs
	askBurst = 5
)

var errTooOften = errors.New("its keys were asked for a moment ago")

// RoundTrip asks.
func (g *gentle) RoundTrip(r *http.Request) (*http.Response, error) {
	if !confidential(r.URL) {
		return nil, fmt.Errorf("%s isn't https", r.URL.Redacted())
	}
	g.mu.Lock()
	now := g.now()
	if g.spent.Before(now) {
		g.spent = now
	}
	often := g.spent.Sub(now) > (askBurst-1)*askOnce
	if !often {
		g.spent = g.spent.Add(askOnce)
	}
	g.mu.Unlock()
	if often {
		return nil, errTooOften
	}
	answer, err := g.next.RoundTrip(r)
	if err == nil {
		answer.Body = http.MaxBytesReader(nil, answer.Body, maxAnswer)
	}
	return answer, err
}

// maxAnswer is how many bytes of a provider's answer are read.
const maxAnswer = 1 << 20
