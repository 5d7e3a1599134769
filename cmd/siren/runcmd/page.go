package runcmd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/internal/gateway/auth"
)

// PageAddress is where the web page is unless another address is asked for.
const PageAddress = "127.0.0.1:8080"

// Page is the web page and the HTTP API of a fleet on this machine, for everybody on it.
type Page struct {
	Address string // on loopback; "": there is no page
	AnyPort bool   // take another port where that one is taken
}

// Open starts the gateway, and returns its URL and what stops it; the URL is "" where there is no page.
func (p Page) Open(ctx context.Context, at reach.Endpoints, log *slog.Logger) (url string, stop func(), err error) {
	if p.Address == "" {
		return "", func() {}, nil
	}
	if err := onLoopback(p.Address); err != nil {
		return "", nil, exit.With(exit.Usage, err)
	}
	l, err := net.Listen("tcp", p.Address)
	if err != nil && p.AnyPort {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", nil, exit.With(exit.Usage, fmt.Errorf("the web page can't be there: %w; choose another address "+
			"with --address", err))
	}
	ctx, end := context.WithCancel(ctx)
	var serving sync.WaitGroup
	serving.Go(func() {
		err := serve.Gateway{
			Listener: l, Guard: auth.Anybody{Name: app.Who("")}, Version: app.Version(), At: at, Log: log,
		}.Run(ctx)
		if err != nil {
			log.Error("the web page and the HTTP API have ended", "error", err)
		}
	})
	return "http://" + l.Addr().String(), func() { end(); serving.Wait() }, nil
}
