package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/lanes/location/guard"
	"github.com/polyglot-media/siren/lanes/work"
)

const (
	maxRedirects = 5
	stallTimeout = 30 * time.Second // without a byte
)

// webSource fetches inputs over http and https. The allowlist is asked for every URL, redirects too, and every address
// is checked at the moment it is dialled, after the name was resolved: no name can be re-bound in between.
type webSource struct {
	rules Rules
	allow func(netip.AddrPort) bool // lets a test fetch from its own server on loopback; nil outside tests
}

func openWeb(Options) (func(Rules) Source, error) {
	return func(r Rules) Source { return webSource{rules: r} }, nil
}

func (w webSource) Open(ctx context.Context, at Place) (io.ReadCloser, int64, error) {
	p, err := w.Range(ctx, at, "", 0, -1)
	return p.ReadCloser, p.Size, err
}

// Range opens a part of an input (see Ranger). The version is what If-Range takes. A server that doesn't give parts, or
// whose input is another one now, sends all of it.
func (w webSource) Range(ctx context.Context, at Place, version string, offset, length int64) (Piece, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	u := at.URL()
	u.RawPath, u.RawQuery = at.RawPath, at.Query
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel(nil)
		return Piece{}, work.Fail(work.BadInput, fmt.Errorf("input %s: not a URL to fetch", at))
	}
	req.Header.Set("User-Agent", "siren")
	askPart(req.Header, version, offset, length)
	client := w.client()
	response, err := client.Do(req)
	if err != nil {
		cancel(nil)
		return Piece{}, webError(at, err)
	}
	body := &webBody{ReadCloser: response.Body, cancel: cancel, close: client.CloseIdleConnections}
	body.timer = time.AfterFunc(stallTimeout, func() { cancel(errStalled) })
	body.ctx = ctx
	piece := Piece{ReadCloser: body, Size: response.ContentLength, Version: webVersion(response.Header)}
	switch {
	case response.StatusCode == http.StatusPartialContent && req.Header.Get("Range") != "":
		err = piece.part(response.Header, version, offset)
	case response.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		err = errChanged // it is shorter now, or empty
	default:
		piece.All, err = true, statusError(at, response)
	}
	if err != nil {
		_ = body.Close()
		return Piece{}, err
	}
	return piece, nil
}

// client returns a client for one fetch. It knows no proxy (it would hide the address from the guard), no cookies, no
// credentials.
func (w webSource) client() *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, ControlContext: w.guard}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 nil,
			DialContext:           dialer.DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: stallTimeout,
			DisableCompression:    true, // what is announced is what comes: no bombs
			ForceAttemptHTTP2:     true,
		},
		CheckRedirect: w.redirect,
	}
}

func (w webSource) guard(_ context.Context, _, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return work.Fail(work.NotAllowed, fmt.Errorf("%q is not an address", address))
	}
	if w.allow != nil && w.allow(addr) {
		return nil
	}
	if what := guard.Internal(addr.Addr()); what != "" {
		return work.Fail(work.NotAllowed, fmt.Errorf("%s is %s, and inputs are fetched from public addresses only; "+
			"use s3:// or file:// for internal storage", addr.Addr(), what))
	}
	return nil
}

func (w webSource) redirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return work.Fail(work.BadInput, fmt.Errorf("more than %d redirects", maxRedirects))
	}
	req.Header.Del("Referer") // may hold a signed query
	req.Header.Del("Authorization")
	_, err := w.rules.Locate("it redirects: input", req.URL.String(), Read)
	return err
}

var errStalled = fmt.Errorf("no data for %s", stallTimeout)

// webError describes a failed request without the URL that net/http puts in front: its query may be a secret.
func webError(at Place, err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	kind := work.Transient
	if known := (*work.JobError)(nil); errors.As(err, &known) {
		kind, err = known.Kind, known
	} else if dns := (*net.DNSError)(nil); errors.As(err, &dns) && dns.IsNotFound {
		err = fmt.Errorf("no host %q is known", dns.Name)
	}
	return work.Fail(kind, fmt.Errorf("fetch input %s: %w", at, err))
}

func statusError(at Place, r *http.Response) error {
	status := fmt.Sprintf("%d %s", r.StatusCode, http.StatusText(r.StatusCode))
	switch {
	case r.StatusCode == http.StatusOK:
		return nil
	case r.StatusCode == http.StatusNotFound, r.StatusCode == http.StatusGone:
		return missing(at)
	case r.StatusCode == http.StatusUnauthorized, r.StatusCode == http.StatusForbidden:
		return work.Fail(work.BadInput, fmt.Errorf("input %s: its server answers %s; has a signed URL expired?", at,
			status))
	case r.StatusCode >= 500, r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("fetch input %s: its server answers %s", at, status)
	default:
		return work.Fail(work.BadInput, fmt.Errorf("input %s: its server answers %s", at, status))
	}
}

// webBody ends a download that stalls, and closes the connection with the body.
type webBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	close  func()
}

func (b *webBody) Read(p []byte) (int, error) {
	b.timer.Reset(stallTimeout)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop() // what we do with it takes its own time
	if err != nil && errors.Is(context.Cause(b.ctx), errStalled) {
		err = errStalled
	}
	return n, err
}

func (b *webBody) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	b.close()
	return err
}
