package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

// says returns a job that logs its lines, one every so often, and then does something else.
func says(every time.Duration, then handling, lines ...string) handling {
	return func(ctx context.Context, t work.Task) (work.Result, error) {
		for _, line := range lines {
			if _, err := lasts(every)(ctx, t); err != nil {
				return work.Result{}, err
			}
			fmt.Fprintln(t.Log, line)
		}
		return then(ctx, t)
	}
}

// logging returns a rig whose worker keeps logs.
func logging(t *testing.T, test func(t *testing.T, r *rig, l *logs)) {
	t.Helper()
	bubble(t, func(t *testing.T, r *rig) {
		l := &logs{journal: r.journal}
		r.o.Logs = l
		test(t, r, l)
	})
}

const firstHead = "attempt 1 on general-1, 2000-01-01T00:00:00Z\n" // when every bubble begins

// Whatever ends a run, what its programs said is kept before its record is closed.
func TestLogOfARun(t *testing.T) {
	panics := func(context.Context, work.Task) (work.Result, error) { panic("oops") }
	for _, c := range []struct {
		name string
		then handling
		want []string
	}{
		{"done", lasts(0), []string{"claim a granted", "handle a", "log a", "close a completed", "settle a ack"}},
		{"can't succeed", fails(0, work.BadInput), []string{
			"claim a granted", "handle a", "log a", "close a dead",
			"settle a dead letter: bad input",
		}},
		{"panics", panics, []string{"claim a granted", "handle a", "log a", "close a retrying"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			logging(t, func(t *testing.T, r *rig, l *logs) {
				r.handler.will("a", says(0, c.then, "ffmpeg -i in out", "exit status 0"))
				r.broker.put("standard", "a")
				r.start()
				if got := r.of("a"); len(got) < len(c.want) || !slices.Equal(got[:len(c.want)], c.want) {
					t.Errorf("\n got %q\nwant %q", got, c.want)
				}
				if got := l.kept()[0]; got.job != "a" || got.text != firstHead+"ffmpeg -i in out\nexit status 0\n" {
					t.Errorf("kept %+v", got)
				}
			})
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		logging(t, func(t *testing.T, r *rig, l *logs) {
			r.handler.will("a", says(0, lasts(time.Hour), "ffmpeg"))
			r.broker.put("standard", "a")
			r.start()
			r.ledger.cancel("a")
			r.at(time.Second)
			r.expect("a", "claim a granted", "handle a", "log a", "close a cancelled", "settle a ack")
		})
	})
	t.Run("taken over", func(t *testing.T) { // the log is the other's by now
		logging(t, func(t *testing.T, r *rig, l *logs) {
			r.handler.will("a", says(0, lasts(time.Hour), "ffmpeg"))
			r.broker.put("standard", "a")
			r.start()
			r.ledger.takeOver("a")
			r.at(time.Second)
			if n := len(l.kept()); n != 0 {
				t.Errorf("kept %d times", n)
			}
		})
	})
	t.Run("each attempt has its own", func(t *testing.T) {
		logging(t, func(t *testing.T, r *rig, l *logs) {
			r.handler.will("a", says(0, fails(0, work.Transient), "no luck"))
			r.broker.put("standard", "a")
			r.start()
			r.at(time.Minute)
			for i, k := range l.kept() {
				if !strings.HasPrefix(k.text, fmt.Sprintf("attempt %d on general-1, ", i+1)) ||
					strings.Count(k.text, "no luck") != 1 {
					t.Errorf("attempt %d: %q", i+1, k.text)
				}
			}
			if n := len(l.kept()); n != 3 {
				t.Errorf("kept %d times", n)
			}
		})
	})
	t.Run("nobody listens", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.broker.put("standard", "a")
			r.start()
			if r.handler.task(0).Log != nil {
				t.Error("the handler got a log that goes nowhere")
			}
		})
	})
}

// While a job runs its log is kept with the renewals, but only when there is more of it.
func TestLogOfARunningJob(t *testing.T) {
	logging(t, func(t *testing.T, r *rig, l *logs) {
		r.handler.will("a", says(2400*time.Millisecond, lasts(5*time.Second), "one", "two"))
		r.broker.put("standard", "a")
		r.start()
		r.at(time.Minute)
		want := []keptLog{
			{"a", firstHead, r.began.Add(time.Second)},
			{"a", firstHead + "one\n", r.began.Add(3 * time.Second)},
			{"a", firstHead + "one\ntwo\n", r.began.Add(5 * time.Second)},
		}
		if got := l.kept(); !slices.Equal(got, want) {
			t.Errorf("\n got %v\nwant %v", got, want)
		}
	})
}

// A store of logs that fails or hangs costs a job at most a second, and never its claim.
func TestLogsAreAway(t *testing.T) {
	for _, c := range []struct {
		name       string
		away, hang bool
		ends       time.Duration
	}{{"refuses", true, false, 20 * time.Second}, {"hangs", false, true, 21 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			logging(t, func(t *testing.T, r *rig, l *logs) {
				policy := *r.o.Policy
				policy.Policy.Timing.Lease = lanes.Duration(3 * time.Second)
				r.o.Policy, r.ledger.lease = &policy, 3*time.Second
				l.fail(c.away, c.hang)
				r.handler.will("a", says(time.Second, lasts(10*time.Second), "1", "2", "3", "4", "5", "6", "7", "8",
					"9", "10"))
				r.broker.put("standard", "a")
				r.start()
				for s := range 20 {
					r.at(time.Duration(s) * time.Second)
					if got := r.ledger.record("a"); !got.until.After(time.Now()) {
						t.Fatalf("after %d s the lease has run out", s)
					}
				}
				r.at(c.ends)
				if s := r.settledOnce("a"); s.disp.Action != work.Ack || s.at.Sub(r.began) > c.ends {
					t.Errorf("after %s: %+v", s.at.Sub(r.began), s.disp)
				}
			})
		})
	}
	t.Run("back in time", func(t *testing.T) {
		logging(t, func(t *testing.T, r *rig, l *logs) {
			l.fail(true, false)
			r.handler.will("a", says(0, lasts(5500*time.Millisecond), "one"))
			r.broker.put("standard", "a")
			r.start()
			r.at(3500 * time.Millisecond)
			l.fail(false, false)
			r.at(10 * time.Second)
			if got := l.kept(); len(got) != 1 || got[0].text != firstHead+"one\n" ||
				got[0].at.Sub(r.began) != 4*time.Second {
				t.Errorf("kept %v", got)
			}
		})
	})
}

func TestRunLogIsBounded(t *testing.T) {
	for _, c := range []struct{ name, write string }{
		{"lines", strings.Repeat("line\n", 40)},
		{"one endless line", strings.Repeat("line", 50)},
		{"one line longer than a log", strings.Repeat("line", 4000) + "\n"},
		{"broken characters", strings.Repeat("äöü", 40)[1:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := beginLog("a", firstHead)
			for i := range 500 {
				n, err := l.Write([]byte(c.write))
				if n != len(c.write) || err != nil {
					t.Fatalf("wrote %d: %v", n, err)
				}
				text, _ := l.take()
				if len(text) > work.MaxLog || !utf8.ValidString(text) || !strings.HasPrefix(text, firstHead) {
					t.Fatalf("after %d writes: %d bytes, %q…", i+1, len(text), text[:80])
				}
			}
			text, _ := l.take()
			if len(text) < work.MaxLog-len(c.write) || !strings.HasPrefix(text, firstHead+"…\n") {
				t.Errorf("%d bytes: %q…", len(text), text[:80])
			}
		})
	}
	l := beginLog("a", firstHead)
	_, _ = l.Write([]byte(strings.Repeat("first line\n", 1000) + "last line\n"))
	text, _ := l.take()
	if lines := strings.Split(text, "\n"); lines[2] != "first line" || lines[len(lines)-2] != "last line" {
		t.Errorf("from %q to %q", lines[2], lines[len(lines)-2])
	}
}
