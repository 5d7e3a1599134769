package redislink

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

var (
	// It wraps io.ErrUnexpectedEOF so that go-redis tries again.
	errOutdated = fmt.Errorf("made for the previous Redis or credentials: %w", io.ErrUnexpectedEOF)
	errOver     = errors.New("closed by Redis")
)

// poolConn is a connection in go-redis' pool. Before go-redis hands one out it peeks at its socket, whether Redis has
// closed it meanwhile, and takes another one then. Through TLS it doesn't: after Redis was restarted, it would try one
// dead connection after the other. So it looks itself; and it says when it is outdated, or too old.
type poolConn struct {
	net.Conn
	remote  *remote
	purpose purpose
	epoch   int          // that it belongs to; its remote's mutex guards it
	at      netip.Addr   // the other end
	until   time.Time    // when it is too old
	below   syscall.Conn // of TLS; nil without
}

func newPoolConn(c net.Conn, r *remote, p purpose, epoch int) *poolConn {
	until := time.Now().Add(jittered(r.pace.age))
	l := &poolConn{Conn: c, remote: r, purpose: p, epoch: epoch, at: addressOf(c), until: until}
	if secure, ok := c.(*tls.Conn); ok {
		l.below, _ = secure.NetConn().(syscall.Conn)
	}
	return l
}

// SyscallConn returns what go-redis peeks at; its error makes go-redis drop the connection. Redis says nothing by
// itself on a connection of the pool, so what comes over TLS there is its end.
func (l *poolConn) SyscallConn() (syscall.RawConn, error) {
	if !l.remote.useful(l) || time.Now().After(l.until) {
		return nil, errOutdated
	}
	if plain, ok := l.Conn.(syscall.Conn); ok {
		return plain.SyscallConn()
	}
	if l.below != nil {
		raw, err := l.below.SyscallConn()
		if err != nil {
			return nil, err
		}
		if !silent(raw) {
			return nil, errOver
		}
	}
	return looked{}, nil
}

// Write fails when the connection is outdated: one that listens is never handed out again, but go-redis writes a ping
// to it every few seconds. Its age counts only once nobody can be in the middle of a command.
//
// It tells why the connection has Failed when Redis has said so: a client certificate is refused only after the
// handshake, when the first command may be on its way already.
func (l *poolConn) Write(b []byte) (int, error) {
	if !l.remote.useful(l) || time.Since(l.until) > 2*IOTimeout {
		return 0, errOutdated
	}
	n, err := l.Conn.Write(b)
	if err != nil && l.below != nil {
		_ = l.SetReadDeadline(time.Now().Add(retryBackoff))
		if _, why := l.Read(make([]byte, 1)); isAlert(why) {
			err = why
		}
	}
	return n, err
}

// isAlert reports whether the other end has ended TLS with a reason. The alert's type isn't exported.
func isAlert(err error) bool {
	return err != nil && strings.Contains(err.Error(), "remote error: tls: ")
}

// looked is a socket with nothing to see.
type looked struct{}

func (looked) Control(func(uintptr)) error    { return nil }
func (looked) Read(func(uintptr) bool) error  { return nil }
func (looked) Write(func(uintptr) bool) error { return nil }
