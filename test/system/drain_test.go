package system_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// A worker that is told to stop finishes what fits into its drain time and returns the rest, at no cost to the job. A
// second signal returns everything at once.
func TestDrain(t *testing.T) {
	s := newSite(t, `  - {name: general, lanes: [express, standard, bulk], slots: 2, min: 0, max: 1}`)
	scaler := s.scaler() // makes the queues and puts the policy in force
	scaler.stop(10 * time.Second)
	outputs := s.watchOutputs()
	clip := s.put("clip.mp4")
	running := func(id, worker string) {
		s.record(id, "running on "+worker, 20*time.Second, func(r lanes.Record) bool { return r.State == lanes.Running && r.Worker == worker })
	}
	returned := func(id string) {
		t.Helper()
		r, err := s.client.Get(t.Context(), id)
		if err != nil || r.State != lanes.Queued || r.Attempts != 0 || r.Crashes != 0 {
			t.Errorf("%+v, %v; want it queued, with no attempt counted", r, err)
		}
	}

	const drain = 5 * time.Second
	first := s.worker("first", "general", drain.String())
	long := s.enqueue("transcode", "--id", "long", "--input", clip, "--output", s.output("long.mp4"))
	s.freeze(long)
	short := s.enqueue("thumbnail", "--id", "short", "--input", s.put("film.mp4"), "--output", s.output("short.jpg"))
	thaw := s.freeze(short)
	running(long, "first")
	running(short, "first")
	told := time.Now()
	first.signal(syscall.SIGTERM)
	time.Sleep(300 * time.Millisecond) // so that short ends while the worker drains
	thaw()
	first.ends(drain + 10*time.Second)
	if took := time.Since(told); took < drain {
		t.Errorf("the worker was gone after %s, before its drain time was over", took)
	}
	if r, err := s.client.Get(t.Context(), short); err != nil || r.State != lanes.Completed || r.EndedAt.Before(told) || r.Attempts != 1 {
		t.Errorf("%+v, %v; want it completed while its worker drained", r, err)
	}
	returned(long)

	second := s.worker("second", "general", "1m")
	s.freeze(long)
	running(long, "second")
	second.signal(syscall.SIGTERM)
	time.Sleep(time.Second)
	running(long, "second") // its drain time is long
	second.signal(syscall.SIGTERM)
	second.ends(10 * time.Second)
	returned(long)

	third := s.worker("third", "general", "1m")
	if r := s.completed(long, 30*time.Second); r.Attempts != 1 || r.Crashes != 0 || r.Worker != "third" {
		t.Errorf("%+v, want it completed by the third worker at its first attempt", r)
	}
	third.stop(10 * time.Second) // idle: at once
	outputs.saw(s.output("long.mp4"), s.output("short.jpg"))
}

// Ctrl-C ends `siren up`, and everything with it.
func TestUpUntilCtrlC(t *testing.T) {
	s := newSite(t, oneWorker)
	// No servers are given: it has its own, and other commands find them.
	s.env = slices.DeleteFunc(s.env, func(v string) bool { return strings.HasPrefix(v, "SIREN_") })
	clip := s.put("clip.mp4")
	up := s.start("up", "up", "--policy", s.policy, "--drain-timeout", "2s")
	s.await("siren up to take jobs", 90*time.Second, func() (bool, string) {
		r := s.siren("", "enqueue", "thumbnail", "--input", clip, "--output", s.output("a.jpg"), "--wait")
		return r.code == 0, r.String()
	})
	s.must(whole(path(s.output("a.jpg"))))
	frozen := s.enqueue("transcode", "--input", clip, "--output", s.output("b.mp4"))
	s.freeze(frozen)
	if second := s.siren("", "up", "--policy", s.policy); second.code != 1 {
		t.Errorf("a second siren up: %s", second)
	}
	family := below(up.cmd.Process.Pid)
	if len(family) < 5 { // redis, epmd, beam, worker, ffmpeg
		t.Errorf("only %v belongs to siren up", family)
	}
	s.must(syscall.Kill(-up.cmd.Process.Pid, syscall.SIGINT)) // as the terminal does, to the foreground group
	up.ends(40 * time.Second)
	gone(t, "a part of siren up", 3*time.Second, family...)
	for _, place := range []string{"tmp/*", "state/siren/*"} {
		left, _ := filepath.Glob(filepath.Join(s.dir, place))
		for _, l := range left {
			if inside, err := os.ReadDir(l); err != nil || len(inside) > 0 {
				t.Errorf("siren up leaves %s: %v", l, inside)
			}
		}
	}
	if _, err := os.Stat(path(s.output("b.mp4"))); err == nil {
		t.Error("the job that was stopped has an output")
	}
}
