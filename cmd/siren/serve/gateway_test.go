package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/lanes/role"
)

// A gateway is ready once it could send jobs, though it hasn't been sent any: that comes after. When it is told to stop
// it isn't ready from then on, and answers until the delay is over, each time as the last on the connection: whoever
// sends requests to those that are ready alone has none fail.
func TestGatewayIsReadyAndStopsLater(t *testing.T) {
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := StartServers(t.Context(), Servers{}, t.TempDir(), io.Discard, log)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	probes := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	requests, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + requests.Addr().String()
	const delay = 4 * time.Second // far more than two requests take
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Gateway{
			Listener: requests, Listen: probes, StopDelay: delay, Guard: auth.Anybody{Name: "me"},
			At: reach.Plain(s.AMQPURL, s.RedisFor(role.Gateway)), Log: log,
		}.Run(ctx)
	}()
	if a, text := get(t, url+"/openapi.json"); a.StatusCode != http.StatusOK || a.Close {
		t.Fatalf("a request: %s, closes the connection: %v, %s", a.Status, a.Close, text)
	}
	if a, text := get(t, "http://"+probes+"/readyz?wait=25s"); a.StatusCode != http.StatusOK {
		t.Errorf("ready: %s %s", a.Status, text)
	}
	stop()
	told := time.Now()
	if a, text := get(t, "http://"+probes+"/readyz"); a.StatusCode != http.StatusServiceUnavailable ||
		!strings.Contains(text, "told to stop") {
		t.Errorf("ready: %s %s", a.Status, text)
	}
	if a, text := get(t, url+"/openapi.json"); a.StatusCode != http.StatusOK || !a.Close {
		t.Errorf("a request after it was told to stop: %s, closes the connection: %v, %s", a.Status, a.Close, text)
	}
	if err := <-ended; err != nil || time.Since(told) < delay {
		t.Errorf("it ended after %s: %v", time.Since(told), err)
	}
}

func TestReadyUntil(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	notYet := errors.New("not yet")
	err := notYet
	p := readyUntil(ctx, func() error { return err })
	if got := p(); !errors.Is(got, notYet) {
		t.Error(got)
	}
	err = nil
	if got := p(); got != nil {
		t.Error(got)
	}
	stop()
	if p() == nil {
		t.Error("it is ready though it ends")
	}
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return answer, string(text)
}
