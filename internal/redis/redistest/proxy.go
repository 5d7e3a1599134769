package redistest

import (
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy stands between a ledger and the shared Redis and loses answers.
type Proxy struct {
	URL  string
	cut  atomic.Bool
	Cuts atomic.Int32 // answers that were lost
	mu   sync.Mutex
	open []net.Conn
}

// StartProxy puts one before the shared Redis.
func StartProxy(t *testing.T) *Proxy {
	t.Helper()
	u, err := url.Parse(Shared.URL)
	Must(t, err)
	backend := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Must(t, err)
	u.Host = listener.Addr().String()
	p := &Proxy{URL: u.String()}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", backend)
			if err != nil {
				t.Error(err)
				return
			}
			p.mu.Lock()
			p.open = append(p.open, client, server)
			p.mu.Unlock()
			work.Go(func() { p.pass(client, server, nil) })
			work.Go(func() { p.pass(server, client, &p.cut) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for _, c := range p.open {
			_ = c.Close()
		}
		p.mu.Unlock()
		work.Wait()
	})
	return p
}

// CutNextAnswer loses the next thing that the server says, and the connection with it.
func (p *Proxy) CutNextAnswer() { p.cut.Store(true) }

func (p *Proxy) pass(from, to net.Conn, cut *atomic.Bool) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if cut != nil && cut.CompareAndSwap(true, false) {
			p.Cuts.Add(1)
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
