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

// A gateway that is told to stop isn't ready from then on, and answers until the delay is over: whoever sends requests
// to those that are ready alone has none fail.
func TestGatewayStopsLater(t *testing.T) {
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := StartServers(t.Context(), Servers{AMQPURL: "amqp://127.0.0.1:1"}, t.TempDir(), io.Discard, log)
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
	const delay = 8 * time.Second // far more than two requests take
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Gateway{
			Listener: requests, Listen: probes, StopDelay: delay, Guard: auth.Anybody{Name: "me"},
			At: reach.Plain(s.AMQPURL, s.RedisFor(role.Gateway)), Log: log,
		}.Run(ctx)
	}()
	if status, text := get(t, url+"/openapi.json"); status != http.StatusOK {
		t.Fatalf("a request: %d %s", status, text)
	}
	stop()
	told := time.Now()
	if status, text := get(t, "http://"+probes+"/readyz"); status != http.StatusServiceUnavailable ||
		!strings.Contains(text, "told to stop") {
		t.Errorf("ready: %d %s", status, text)
	}
	if status, text := get(t, url+"/openapi.json"); status != http.StatusOK {
		t.Errorf("a request after it was told to stop: %d %s", status, text)
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

func get(t *testing.T, url string) (int, string) {
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
	return answer.StatusCode, string(text)
}
