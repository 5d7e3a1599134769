package system_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/processes"
)

// A running job that is cancelled is gone within seconds, with every process of it, also those that can't hear; and its
// slot is free.
func TestCancelRunning(t *testing.T) {
	s := newSite(t, oneWorker)
	s.scaler()
	film, long := s.put("film.mp4"), s.put("long.mp4")
	for _, c := range []struct {
		id     string
		input  string
		frozen bool // its program takes no notice of being told to stop
	}{{"busy", long, false}, {"frozen", film, true}} {
		t.Run(c.id, func(t *testing.T) {
			s := s.in(t)
			args := []string{"transcode", "--input", c.input, "--output", s.output(c.id + ".mp4")}
			if c.frozen {
				s.enqueueFrozen(c.id, args...)
			} else {
				s.enqueue(append(args, "--id", c.id)...)
				s.record(c.id, "well under way", 30*time.Second, func(r job.Record) bool {
					return r.State == job.Running && r.Progress.Fraction > 0
				})
			}
			var family []processes.Process
			for _, p := range s.programs(c.id) {
				family = append(append(family, p), processes.Below(p.PID)...)
			}
			if len(family) == 0 {
				t.Fatalf("nothing runs for job %s", c.id)
			}
			began := time.Now()
			said := make(chan result, 1)
			go func() { said <- s.siren("", "jobs", "cancel", c.id, "--reason", "uploaded twice") }()
			gone(t, "the cancelled job's program", family...)
			took := time.Since(began)
			r := <-said
			if r.code != 0 || !strings.Contains(r.out, "its programs have ended") {
				t.Errorf("siren jobs cancel: %s", r)
			}
			t.Logf("the programs were gone after %s, and siren jobs cancel had ended after %s", took, time.Since(began))
			if left := s.programs(c.id); len(left) > 0 {
				t.Errorf("new programs run for it: %v", left)
			}
			if r, err := s.client.Get(t.Context(), c.id); err != nil || r.State != job.Cancelled || r.Attempts != 1 ||
				r.Crashes != 0 {
				t.Errorf("%+v, %v; want it cancelled", r, err)
			}
			if _, err := os.Stat(path(s.output(c.id + ".mp4"))); err == nil {
				t.Error("the cancelled job has an output")
			}
		})
	}
	s.completed(s.enqueue("thumbnail", "--input", film, "--output", s.output("next.jpg")), 30*time.Second)
	s.look().audited(t, audit.Entry{Verb: "cancel", On: "job busy", Before: "running", After: "cancelled"},
		audit.Entry{Verb: "cancel", On: "job frozen", Before: "running", After: "cancelled"})
	// Tried again, it runs from its beginning to its end.
	if r := s.siren("", "jobs", "retry", "frozen"); r.code != 0 {
		t.Errorf("siren jobs retry: %s", r)
	}
	if r := s.completed("frozen", 60*time.Second); r.Attempts != 1 || r.Crashes != 0 || len(r.Outputs) != 1 {
		t.Errorf("%+v, want it completed as if it had never run", r)
	}
	s.must(whole(path(s.output("frozen.mp4"))))
}

// Waiting jobs that are cancelled and tried again run, also when an idle worker takes their copies before the ledger
// has heard of these: one that serves a single lane is as fast as that.
func TestRetryWithIdleWorkers(t *testing.T) {
	s := newSite(t, `  - {name: general, lanes: [express, standard], min: 0, max: 1}
  - {name: batch, lanes: [bulk], slots: 2, min: 1, max: 1}`)
	s.scaler()
	run := func(args ...string) {
		t.Helper()
		if r := s.siren("", args...); r.code != 0 {
			t.Fatalf("siren %s: %s", strings.Join(args, " "), r)
		}
	}
	run("lanes", "pause", "bulk")
	jobs := s.jobs("again", s.put("clip.mp4"), 12)
	var ids []string
	for _, j := range jobs {
		j.Labels = map[string]string{"batch": "true"}
		s.must(s.send(j))
		ids = append(ids, j.ID)
	}
	run(append([]string{"jobs", "cancel"}, ids...)...)
	run("lanes", "resume", "bulk")
	s.await("the messages of the cancelled jobs to be skipped", 10*time.Second, func() (bool, string) {
		n := s.ready(laneQueue("bulk"))
		return n == 0, fmt.Sprintf("%d are left", n)
	})
	run(append([]string{"jobs", "retry"}, ids...)...)
	for _, id := range ids {
		if r := s.completed(id, 30*time.Second); r.Attempts != 1 || r.Crashes != 0 {
			t.Errorf("%+v, want it completed at its first attempt", r)
		}
	}
}
