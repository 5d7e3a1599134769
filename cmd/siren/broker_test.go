package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/polyglot-media/siren/internal/procs/servers"
)

// TestMain puts this test binary on the PATH as siren: so it is the siren of the scripts, of the workers that a fleet
// starts, and of the run-limited that starts ffmpeg.
func TestMain(m *testing.M) {
	testscript.Main(sharing{m}, map[string]func(){"siren": main, completesFor: main})
}

// rabbitmq is the RabbitMQ of all tests but those that break theirs. The first that needs it starts it.
var rabbitmq struct {
	sync.Once
	server *servers.Server
	err    error
}

// vhost returns the URL of a virtual host of the test's own.
func vhost(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	rabbitmq.Do(func() { rabbitmq.server, rabbitmq.err = servers.StartRabbitMQ(ctx, servers.Options{}) })
	must(t, rabbitmq.err)
	url, err := rabbitmq.server.Vhost(ctx)
	must(t, err)
	return url
}

// sharing runs the tests, and stops what they have shared.
type sharing struct{ *testing.M }

func (s sharing) Run() int {
	code := s.M.Run()
	if rabbitmq.server != nil {
		if err := rabbitmq.server.Stop(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}
