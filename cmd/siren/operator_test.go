package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/rabbit/probe"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// TestOperatorScripts runs testdata/operator/*.txtar: what changes the lanes, the pools or the fleet for all. So each
// fleet runs those that it gets one after the other; each begins without tunings.
func TestOperatorScripts(t *testing.T) {
	t.Parallel()
	const fleets = 3
	files, err := filepath.Glob("testdata/operator/*.txtar")
	must(t, err)
	media := t.TempDir()
	slow := makeSlow(t, media)
	for first := range fleets {
		var share []string
		for i := first; i < len(files); i += fleets {
			share = append(share, files[i])
		}
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			t.Parallel()
			runOperators(t, media, slow, share)
		})
	}
}

// runOperators runs scripts on a fleet of their own.
func runOperators(t *testing.T, media, slow string, files []string) {
	p := scripts(t, "", media)
	p.Files = files
	setup := p.Setup
	p.Setup = func(e *testscript.Env) error {
		e.Setenv("SLOW", slow)
		e.Setenv("SIREN_USER", "ann@desk")
		if err := setup(e); err != nil {
			return err
		}
		said := &strings.Builder{}
		if run("siren", []string{
			"tunings", "remove", "--all", "--amqp-url", e.Getenv("SIREN_AMQP_URL"), "--redis-url",
			e.Getenv("SIREN_REDIS_URL"),
		}, app.Streams{Out: said, Err: said}) != exit.OK {
			return errors.New(said.String())
		}
		return nil
	}
	if deadline, ok := t.Deadline(); ok {
		p.Deadline = deadline
	}
	testscript.RunT(inTurn{t}, p)
}

// inTurn runs scripts one after the other.
type inTurn struct{ *testing.T }

func (inTurn) Parallel() {}

func (t inTurn) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(inTurn{t}) })
}

func (inTurn) Verbose() bool { return testing.Verbose() }

// makeSlow makes a video that takes a worker a minute or so to transcode: long enough to see it run.
func makeSlow(t *testing.T, dir string) string {
	t.Helper()
	loop, slow := filepath.Join(dir, "loop.mp4"), filepath.Join(dir, "slow.mp4")
	for _, args := range []string{
		"-f lavfi -i testsrc2=size=1280x720:rate=25:duration=2 -pix_fmt yuv420p -c:v mpeg4 " + loop,
		"-stream_loop 119 -i " + loop + " -c copy " + slow,
	} {
		if out, err := exec.Command("ffmpeg", append([]string{"-v", "error"},
			strings.Fields(args)...)...).CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg %s: %v %s", args, err, out)
		}
	}
	return slow
}

// patience is how much longer than a script says a command may take: no test needs a quick machine.
const patience = 3

// await runs the scripts' command await: `await 10s 'pattern' siren …` repeats the program until it succeeds and its
// output matches; `! await` until it doesn't match.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: await DURATION PATTERN program args…")
	}
	within, err := time.ParseDuration(args[0])
	ts.Check(err)
	within *= patience
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		err := ts.Exec(args[2], args[3:]...)
		if err == nil && pattern.MatchString(ts.ReadFile("stdout")) != neg {
			return
		}
		if time.Since(began) > within {
			ts.Fatalf("%q didn't come to it within %s; %v", args[2:], within, err)
		}
	}
}

// followed runs the scripts' command follow: `follow 1m 'pattern' siren …` starts a program that goes on until it is
// interrupted, interrupts it once its output matches, and wants it to end well.
func followed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: follow DURATION PATTERN program args…")
	}
	within, err := time.ParseDuration(args[0])
	ts.Check(err)
	within *= patience
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	c := exec.CommandContext(ctx, args[2], args[3:]...)
	c.Env = ts.Value(envKey{}).(*testscript.Env).Vars
	out, err := c.StdoutPipe()
	ts.Check(err)
	ts.Check(c.Start())
	var printed []byte
	for buffer := make([]byte, 4096); !pattern.Match(printed); {
		n, err := out.Read(buffer)
		if printed = append(printed, buffer[:n]...); err != nil {
			ts.Fatalf("%q printed, until %v:\n%s", args[2:], errors.Join(err, c.Wait()), printed)
		}
	}
	ts.Check(c.Process.Signal(os.Interrupt))
	_, _ = io.Copy(io.Discard, out)
	ts.Check(c.Wait())
}

// envKey is where a script's environment is among its values.
type envKey struct{}

// publish runs the scripts' command publish: `publish LANE ID BODY` does what a producer of plain AMQP does, and makes
// no record.
func publish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: publish LANE ID BODY")
	}
	send(ts, "siren.jobs", args[0], amqp.Publishing{MessageId: args[1]}, args[2])
}

// send publishes a message and waits for its confirm.
func send(ts *testscript.TestScript, exchange, key string, m amqp.Publishing, body string) {
	conn, err := amqp.Dial(ts.Getenv("SIREN_AMQP_URL"))
	ts.Check(err)
	defer conn.Close()
	ch, err := conn.Channel()
	ts.Check(err)
	ts.Check(ch.Confirm(false))
	m.DeliveryMode, m.Body = amqp.Persistent, []byte(strings.ReplaceAll(body, "MEDIA", ts.Getenv("MEDIA")))
	sent, err := ch.PublishWithDeferredConfirm(exchange, key, true, false, m)
	ts.Check(err)
	if !sent.Wait() {
		ts.Fatalf("the broker didn't confirm")
	}
}

// lose runs the scripts' command lose: `lose LANE ID …` makes records of probes that are never published, so that they
// are found missing.
func lose(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: lose LANE ID …")
	}
	store, err := redislink.Open(ts.Getenv("SIREN_REDIS_URL"), slog.New(slog.DiscardHandler))
	ts.Check(err)
	defer store.Close()
	ledger, now := jobledger.New(store, slog.New(slog.DiscardHandler)), time.Now()
	var jobs []work.Delivery
	for _, id := range args[1:] {
		media := "file://" + ts.Getenv("MEDIA")
		j := job.Job{ID: id, Kind: "probe", Input: media + "/a.mp4", Output: media + "/" + id + ".json"}
		jobs = append(jobs, work.Delivery{Job: j, Lane: args[0], EnqueuedAt: now, ReadyAt: now})
	}
	_, err = ledger.CreateAll(context.Background(), jobs)
	ts.Check(err)
	scaler, err := redislink.Open(ts.Getenv("REDIS_OF_SCALER"), slog.New(slog.DiscardHandler))
	ts.Check(err)
	defer scaler.Close()
	missing, err := jobledger.New(scaler, slog.New(slog.DiscardHandler)).Compare(context.Background(), args[0],
		now.Add(time.Minute), nil)
	ts.Check(err)
	if missing != len(jobs) {
		ts.Fatalf("%d jobs are missing, not %d", missing, len(jobs))
	}
}

// bury runs the scripts' command bury: `bury ID LANE REASON REPLAY BODY` puts a letter without a record into
// siren.dead, like one whose record has expired. Without a reason it is a stranger's.
func bury(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: bury ID LANE REASON REPLAY BODY")
	}
	headers := amqp.Table{}
	if args[2] != "" {
		headers = amqp.Table{
			"lane": args[1], "reason": args[2], "error": "so it is", "replay": args[3],
			"deadAt": time.Now().Add(-time.Hour).UnixMilli(),
		}
	}
	send(ts, "", "siren.dead", amqp.Publishing{MessageId: args[0], Headers: headers}, args[4])
}

// resumeKey is where a script's way to resume a queue is among its environment's values.
type resumeKey struct{}

// suspend runs the scripts' command suspend: `suspend QUEUE` stops the queue's process, as a node that hangs does,
// until `resume`, or the end of the script.
func suspend(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: suspend QUEUE")
	}
	_, vhost, err := probe.Login(ts.Getenv("SIREN_AMQP_URL"))
	ts.Check(err)
	goOn, err := rabbittest.SuspendIn(rabbitmq.server, vhost, args[0])
	ts.Check(err)
	goOn = sync.OnceValue(goOn)
	ts.Value(envKey{}).(*testscript.Env).Values[resumeKey{}] = goOn
	ts.Defer(func() { ts.Check(goOn()) })
}

// resume runs the scripts' command resume: it undoes the last suspend.
func resume(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: resume")
	}
	ts.Check(ts.Value(resumeKey{}).(func() error)())
}
