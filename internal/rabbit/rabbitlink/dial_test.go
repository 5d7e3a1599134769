package rabbitlink_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

// settings returns the settings of a client that trusts a CA and shows a certificate of an authority; nil: none.
func settings(t testing.TB, ca string, client *servers.Authority) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	c.RootCAs.AppendCertsFromPEM(pem)
	if client != nil {
		cert, key, err := client.Issue("client")
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

// refusal returns the error of a connection that never comes.
func refusal(t testing.TB, c *rabbitlink.Conn, want string) error {
	t.Helper()
	var err error
	rabbittest.Until(t, "the error says "+want, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err = c.Wait(ctx) // nil also while it hasn't heard yet that it was closed
		return err != nil && strings.Contains(err.Error(), want)
	})
	return err
}

func TestTLS(t *testing.T) {
	rabbittest.Declared(t)
	s := rabbittest.Server(t)
	stranger, err := servers.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		url  string
		tls  func() (*tls.Config, error)
		want string // "": it connects
	}{
		"trusted both ways": {s.TLSURL, always(settings(t, rabbittest.Authority.CA, rabbittest.Authority)), ""},
		"no client certificate": {
			s.TLSURL, always(settings(t, rabbittest.Authority.CA, nil)),
			"wants a client certificate",
		},
		"a stranger's certificate": {
			s.TLSURL, always(settings(t, rabbittest.Authority.CA, stranger)),
			"wants a client certificate",
		},
		"another CA": {
			s.TLSURL, always(settings(t, stranger.CA, rabbittest.Authority)),
			"give that CA's certificate",
		},
		"the CAs of the system":     {s.TLSURL, nil, "give that CA's certificate"},
		"nothing to go by, nothing": {s.TLSURL, always(nil), "give that CA's certificate"},
		"another name, but said": {
			s.TLSURL + "?server_name_indication=localhost",
			always(settings(t, rabbittest.Authority.CA, rabbittest.Authority)), "",
		},
		"a wrong name, said": {
			s.TLSURL + "?server_name_indication=siren.example",
			always(settings(t, rabbittest.Authority.CA, rabbittest.Authority)), "is for other names",
		},
		"a port without TLS": {
			strings.Replace(s.URL, "amqp:", "amqps:", 1),
			always(settings(t, rabbittest.Authority.CA, rabbittest.Authority)), "no TLS on that port",
		},
		"certificates are missing": {s.TLSURL, func() (*tls.Config, error) {
			return nil, fs.ErrNotExist
		}, "prepare TLS for RabbitMQ: file does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := rabbitlink.Open(rabbitlink.Options{URL: c.url, Name: "test", TLS: c.tls})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if c.want != "" {
				refusal(t, conn, c.want)
				return
			}
			if err := conn.Wait(rabbittest.Soon(t)); err != nil {
				t.Fatal(err)
			}
			rabbittest.Enqueue(t, confirms.NewPublisher(conn, 0), "standard", "over-tls")
			k := rabbittest.Taker(t, s.URL).Shared()
			rabbittest.Settle(t, k, rabbittest.Next(t, k), rabbittest.Ack)
		})
	}
	if _, err := rabbitlink.Open(rabbitlink.Options{
		URL: s.URL,
		TLS: always(settings(t, rabbittest.Authority.CA, nil)),
	}); err == nil ||
		!strings.Contains(err.Error(), "write amqps://") {
		t.Errorf("certificates for amqp://: %v", err)
	}
}

func always(c *tls.Config) func() (*tls.Config, error) {
	return func() (*tls.Config, error) { return c, nil }
}

// A password is rotated while a worker runs: the broker drops the connection, and it comes back with the new one as
// soon as the file has it; so do certificates, and the host.
func TestRotation(t *testing.T) {
	rabbittest.Declared(t)
	s := rabbittest.Server(t)
	rabbittest.Ctl(t, "add_user", "rotating", "old-secret")
	t.Cleanup(func() { rabbittest.Ctl(t, "delete_user", "rotating") })
	rabbittest.Ctl(t, "set_permissions", "rotating", ".*", ".*", ".*")
	file := filepath.Join(t.TempDir(), "url")
	way := rabbittest.NewProxy(t, s.TLSURL)
	write := func(address, password string) {
		t.Helper()
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal("parse a URL of the test's broker")
		}
		u.User = url.UserPassword("rotating", password)
		if err := os.WriteFile(file, []byte(u.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(s.TLSURL, "old-secret")
	var log rabbittest.LockedBuffer
	var config atomic.Pointer[tls.Config]
	config.Store(settings(t, rabbittest.Authority.CA, rabbittest.Authority))
	open := func(name string) *rabbitlink.Conn {
		c, err := rabbitlink.Open(rabbitlink.Options{
			Name: name, Log: slog.New(slog.NewTextHandler(&log, nil)),
			Renew: func() (string, error) { data, err := os.ReadFile(file); return string(data), err },
			TLS:   func() (*tls.Config, error) { return config.Load(), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	consume, publish := open("worker"), open("worker (publish)")
	k := take.NewTaker(consume, confirms.NewPublisher(publish, 0), "general")
	k.Follow(rabbittest.Effective(t))
	slot := k.Shared()
	p := confirms.NewPublisher(publish, 0)
	pass := func(id string) {
		t.Helper()
		rabbittest.Enqueue(t, p, "standard", id)
		d := rabbittest.Next(t, slot)
		if d.Job.ID != id {
			t.Errorf("took %s, want %s", d.Job.ID, id)
		}
		rabbittest.Settle(t, slot, d, rabbittest.Ack)
	}
	pass("before")

	// The password changes in the middle of a job: nothing happens until the connection is cut, and then it is refused.
	rabbittest.Enqueue(t, p, "standard", "during")
	d := rabbittest.Next(t, slot)
	rabbittest.Ctl(t, "change_password", "rotating", "new-secret")
	rabbittest.Enqueue(t, rabbittest.Publisher(t, s.URL), "standard", "waiting") // by somebody whom it doesn't concern
	rabbittest.Ctl(t, "close_all_user_connections", "rotating", "the password was rotated")
	err := refusal(t, consume, `refused by RabbitMQ: user "rotating"`)
	if !errors.Is(err, lanes.ErrRefused) || !strings.Contains(err.Error(), "password") ||
		strings.Contains(err.Error(), "secret") {
		t.Errorf("refused: %v", err)
	}
	if err := slot.Settle(rabbittest.Soon(t), d, rabbittest.Ack); !errors.Is(err, rabbitlink.ErrStale) {
		t.Errorf("settle what came before: %v, want ErrStale", err)
	}
	write(s.TLSURL, "new-secret")
	seen := map[string]int{}
	for range 2 {
		d := rabbittest.Next(t, slot)
		seen[d.Job.ID]++
		rabbittest.Settle(t, slot, d, rabbittest.Ack)
	}
	if seen["during"] != 1 || seen["waiting"] != 1 {
		t.Errorf("after the rotation came %v, want each job once", seen)
	}
	pass("after")

	// The file is gone for a while, and is something else for a while.
	for content, want := range map[string]string{"": "no such file", "amqp://rotating:new-secret@%zz/": "malformed"} {
		_ = os.Remove(file)
		if content != "" {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		rabbittest.Ctl(t, "close_all_user_connections", "rotating", "to see what comes")
		refusal(t, consume, want)
	}
	// The host changes, and the certificates with it.
	stranger, err := servers.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	config.Store(settings(t, stranger.CA, rabbittest.Authority))
	write(way.URL, "new-secret")
	at, _ := url.Parse(way.URL)
	if err := refusal(t, consume, "give that CA's certificate"); !strings.Contains(err.Error(), at.Host) {
		t.Errorf("%v; want it to name %s", err, at.Host)
	}
	config.Store(settings(t, rabbittest.Authority.CA, rabbittest.Authority))
	pass("elsewhere")
	if s := log.String(); strings.Contains(s, "secret") ||
		!strings.Contains(s, `msg="connected to RabbitMQ" connection=worker broker=`+at.Host) {
		t.Errorf("the log has a password, or lacks the connection to %s:\n%s", at.Host, s)
	}
}

// What the broker doesn't let a user do is refused: it isn't away, nor is anything lost.
func TestRefused(t *testing.T) {
	rabbittest.Declared(t)
	rabbittest.User(t, "weak", `^$`, `^$`, `^$`)
	u, err := url.Parse(rabbittest.Server(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("weak", "secret")
	weak := rabbittest.Open(t, u.String(), "weak")
	letters, err := rabbit.OpenDead(rabbittest.Soon(t), weak)
	if err != nil {
		t.Fatal(err)
	}
	_, read := letters.Take(rabbittest.Soon(t), 1)
	for what, err := range map[string]error{
		"publish": rabbittest.EnqueueOne(rabbittest.Soon(t), confirms.NewPublisher(weak, 0), "bulk",
			job.Job{ID: "1", Kind: "probe"}, time.Now()),
		"read":    read,
		"declare": topology.Declare(rabbittest.Soon(t), weak, rabbittest.Policy(t), nil),
	} {
		if !errors.Is(err, lanes.ErrRefused) {
			t.Errorf("%s: %v, not refused", what, err)
		}
	}
}
