package enqueuecmd

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

// Whoever waits for a job whose worker isn't heard of any more is told so, with the exit code of a job that failed.
func TestVanished(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	l.Patience = time.Millisecond
	redistest.Claim(t, l, redistest.Delivery("job", "bulk"), "w1", work.Granted)
	var out, said bytes.Buffer
	a := &app.App{Streams: app.Streams{Out: &out, Err: &said}}
	err := waitFor(t.Context(), a, l, []string{"job"})
	if exit.Code(err) != exit.JobFailed {
		t.Errorf("%v, exit code %d", err, exit.Code(err))
	}
	if text := said.String(); !strings.Contains(text, "vanished") || !strings.Contains(text, "job") {
		t.Errorf("it said %q, and %q", text, out.String())
	}
}

// Of several jobs that are waited for Redis has lost one's record: the others are waited for all the same, and the exit
// code is that of a job that isn't found.
func TestLostRecord(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	c := redistest.Claim(t, l, redistest.Delivery("job", "bulk"), "w1", work.Granted)
	var out, said bytes.Buffer
	a := &app.App{Streams: app.Streams{Out: &out, Err: &said}}
	ended := make(chan error, 1)
	go func() { ended <- waitFor(t.Context(), a, l, []string{"lost", "job"}) }()
	select {
	case err := <-ended:
		t.Fatalf("the other job wasn't waited for: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Completed}))
	err := <-ended
	if exit.Code(err) != exit.NotFound || !strings.Contains(err.Error(), `no job "lost"`) {
		t.Errorf("%v, exit code %d", err, exit.Code(err))
	}
}
