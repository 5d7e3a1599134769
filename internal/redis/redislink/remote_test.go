package redislink_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// secured starts a Redis with TLS. It returns it, the authority of its certificate and its clients', and a client to
// look behind it.
func secured(t *testing.T) (*servers.Server, *servers.Authority, *goredis.Client) {
	t.Helper()
	authority, err := servers.NewAuthority(t.TempDir())
	redistest.Must(t, err)
	s, err := servers.StartRedis(t.Context(), servers.Options{TLS: authority})
	redistest.Must(t, err)
	t.Cleanup(func() { redistest.Must(t, s.Stop(context.Background())) })
	return s, authority, redistest.Raw(t, s.URL)
}

// settings returns the settings of a client that trusts a CA and shows a certificate of an authority; nil: none.
func settings(t *testing.T, ca string, client *servers.Authority) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(ca)
	redistest.Must(t, err)
	c := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	c.RootCAs.AppendCertsFromPEM(pem)
	if client != nil {
		cert, key, err := client.Issue("client")
		redistest.Must(t, err)
		pair, err := tls.LoadX509KeyPair(cert, key)
		redistest.Must(t, err)
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

func always(c *tls.Config) redislink.Option {
	return redislink.WithTLS(func() (*tls.Config, error) { return c, nil })
}

func openWith(t *testing.T, url string, options ...redislink.Option) *redislink.Store {
	t.Helper()
	s, err := redislink.Open(url, redistest.Discard, options...)
	redistest.Must(t, err)
	t.Cleanup(func() { redistest.Must(t, s.Close()) })
	return s
}

func TestTLS(t *testing.T) {
	s, authority, _ := secured(t)
	stranger, err := servers.NewAuthority(t.TempDir())
	redistest.Must(t, err)
	missing := func() (*tls.Config, error) { return nil, fs.ErrNotExist }
	for name, c := range map[string]struct {
		url     string
		options []redislink.Option
		want    string // "": it connects
	}{
		"trusted both ways": {s.TLSURL, []redislink.Option{always(settings(t, authority.CA, authority))}, ""},
		"no client certificate": {
			s.TLSURL,
			[]redislink.Option{always(settings(t, authority.CA, nil))},
			"wants a client certificate",
		},
		"a stranger's certificate": {
			s.TLSURL,
			[]redislink.Option{always(settings(t, authority.CA, stranger))},
			"wants a client certificate",
		},
		"another CA": {
			s.TLSURL,
			[]redislink.Option{always(settings(t, stranger.CA, authority))},
			"give that CA's certificate",
		},
		"the CAs of the system": {s.TLSURL, nil, "give that CA's certificate"},
		"a port without TLS":    {strings.Replace(s.URL, "redis:", "rediss:", 1), nil, "have TLS on that port?"},
		"certificates are missing": {
			s.TLSURL,
			[]redislink.Option{redislink.WithTLS(missing)},
			"prepare TLS for Redis: file does not exist",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := openWith(t, c.url, c.options...).Ping(t.Context())
			switch {
			case c.want == "":
				redistest.Must(t, err)
			case !errors.Is(err, lanes.ErrAway), !strings.Contains(err.Error(), c.want):
				t.Errorf("%v; want ErrAway and %q", err, c.want)
			}
		})
	}
	if _, err := redislink.Open(s.URL, redistest.Discard, always(nil)); err == nil ||
		!strings.Contains(err.Error(), "write rediss://") {
		t.Errorf("certificates for redis://: %v", err)
	}
}

// secretFile is a file with the URL, as a mounted Secret is.
type secretFile struct {
	t    *testing.T
	path string
}

func newSecretFile(t *testing.T) secretFile {
	return secretFile{t, filepath.Join(t.TempDir(), "url")}
}

// write puts the URL into the file with other credentials, and returns it.
func (f secretFile) write(address, user, password string) string {
	f.t.Helper()
	u, err := url.Parse(address)
	redistest.Must(f.t, err)
	u.User = url.UserPassword(user, password)
	redistest.Must(f.t, os.WriteFile(f.path, []byte(u.String()), 0o600))
	return u.String()
}

func (f secretFile) renew() redislink.Option {
	return redislink.WithRenew(func() (string, error) { data, err := os.ReadFile(f.path); return string(data), err })
}

// A password is rotated: what is connected goes on, what Redis kills comes back once the file has the new one.
func TestRotation(t *testing.T) {
	s, authority, raw := secured(t)
	ctx := t.Context()
	acl := func(rules ...any) {
		t.Helper()
		redistest.Must(t, raw.Do(ctx, append([]any{"ACL", "SETUSER", "rotating"}, rules...)...).Err())
	}
	acl("on", ">old-secret", "~*", "&*", "+@all")
	file := newSecretFile(t)
	store := openWith(t, file.write(s.TLSURL, "rotating", "old-secret"), file.renew(),
		always(settings(t, authority.CA, authority)))
	l := redistest.LedgerOn(store)
	c := redistest.Claim(t, l, redistest.Delivery("job", "standard"), "w", work.Granted)
	ended := make(chan job.Record, 1)
	go func() {
		for r, err := range l.Watch(ctx, "job") {
			if err == nil && r.State.Final() {
				ended <- r
			}
		}
	}()

	// A file that is wrong for a while keeps nobody out who is in.
	file.write(s.TLSURL, "rotating", "wrong-secret")
	var held []*goredis.Conn
	for err := error(nil); err == nil && len(held) < 10; {
		held = append(held, store.Client().(*goredis.Client).Conn())
		err = held[len(held)-1].Ping(ctx).Err()
	}
	for _, conn := range held {
		redistest.Must(t, conn.Close())
	}
	redistest.Must(t, store.Ping(ctx))
	if n := len(held); n < 2 || n == 10 {
		t.Errorf("the wrong password was refused after %d connections", n)
	}
	file.write(s.TLSURL, "rotating", "old-secret")
	acl("resetpass", ">new-secret")
	redistest.Must(t, store.Ping(ctx))
	kill := func() {
		t.Helper()
		redistest.Must(t, raw.Do(ctx, "CLIENT", "KILL", "USER", "rotating").Err())
	}
	kill()
	err := store.Ping(ctx)
	if !errors.Is(err, lanes.ErrRefused) || !strings.Contains(err.Error(), "WRONGPASS") ||
		strings.Contains(err.Error(), "secret") {
		t.Errorf("with the old password: %v; want ErrRefused, and why", err)
	}
	file.write(s.TLSURL, "rotating", "new-secret")
	redistest.Eventually(t, "Redis is back", func() bool { return store.Ping(ctx) == nil })
	redistest.Must(t, l.Close(ctx, c, work.Outcome{State: job.Completed}))
	select {
	case r := <-ended:
		if r.State != job.Completed {
			t.Errorf("the watch saw %+v", r)
		}
	case <-time.After(time.Minute):
		t.Error("a watch over the rotation didn't see the job's end")
	}

	redistest.Must(t, os.Remove(file.path))
	kill()
	if err := store.Ping(ctx); !errors.Is(err, lanes.ErrAway) || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("without the file: %v", err)
	}
	redistest.Must(t, os.WriteFile(file.path, []byte("rediss://rotating:new-secret@host:port"), 0o600))
	if err := store.Ping(ctx); !errors.Is(err, lanes.ErrAway) || strings.Contains(err.Error(), "secret") {
		t.Errorf("with a malformed file: %v", err)
	}
	file.write(s.URL, "rotating", "new-secret")
	if err := store.Ping(ctx); !errors.Is(err, lanes.ErrAway) || !strings.Contains(err.Error(), "write rediss://") {
		t.Errorf("with a URL without TLS: %v", err)
	}
	file.write(s.TLSURL, "rotating", "new-secret")
	redistest.Must(t, store.Ping(ctx))
}

// The user is replaced, and the former one loses its rights: connections that are logged in as the former one are not
// used any more, whether the next one has been used before or not.
func TestOtherUser(t *testing.T) {
	s, _, raw := secured(t)
	ctx := t.Context()
	for name, used := range map[string]bool{"at the first refusal": false, "at the first use": true} {
		t.Run(name, func(t *testing.T) {
			for _, user := range []string{"former", "next"} {
				redistest.Must(t, raw.Do(ctx, "ACL", "SETUSER", user, "on", ">secret", "~*", "&*", "+@all").Err())
			}
			file := newSecretFile(t)
			store := openWith(t, file.write(s.URL, "former", "secret"), file.renew())
			crowd(t, store, 8)
			file.write(s.URL, "next", "secret")
			if used {
				crowd(t, store, 9)
			}
			redistest.Must(t, raw.Do(ctx, "ACL", "SETUSER", "former", "-@all").Err())
			for range 10 {
				redistest.Must(t, store.Ping(ctx))
				redistest.Must(t, redis.NewRoster(store, redistest.Discard).Leave(ctx, "nobody"))
			}
			crowd(t, store, 9)
		})
	}
}

// A connection loses its login, here because the client says so.
func TestLoggedOut(t *testing.T) {
	s := openWith(t, redistest.Shared.URL)
	for range 2 {
		redistest.Must(t, s.Client().Do(t.Context(), "RESET").Err())
		redistest.Must(t, s.Ping(t.Context()))
	}
}

// Redis drops all connections: through TLS too the pool notices before it uses one.
func TestPoolNoticesTheEnd(t *testing.T) {
	s, authority, raw := secured(t)
	for name, store := range map[string]*redislink.Store{
		"plain": openWith(t, s.URL), "TLS": openWith(t, s.TLSURL, always(settings(t, authority.CA, authority))),
	} {
		t.Run(name, func(t *testing.T) {
			crowd(t, store, 8)
			before := raw.ClientList(t.Context()).Val()
			redistest.Must(t, raw.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal").Err())
			redistest.Must(t, store.Ping(t.Context()))
			if n := strings.Count(before, "name=siren "); n < 5 {
				t.Errorf("the test made %d connections only:\n%s", n, before)
			}
		})
	}
}

// crowd uses n connections at once, and leaves them idle.
func crowd(t *testing.T, s *redislink.Store, n int) {
	t.Helper()
	c := s.Client().(*goredis.Client)
	var conns []*goredis.Conn
	for range n {
		conn := c.Conn()
		redistest.Must(t, conn.Ping(t.Context()).Err())
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		redistest.Must(t, conn.Close())
	}
}
