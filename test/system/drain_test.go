package system_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
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
		s.record(id, "running on "+worker, 20*time.Second, func(r job.Record) bool {
			return r.State == job.Running && r.Worker == worker
		})
	}
	returned := func(id string) {
		t.Helper()
		r, err := s.client.Get(t.Context(), id)
		if err != nil || r.State != job.Queued || r.Attempts != 0 || r.Crashes != 0 {
			t.Errorf("%+v, %v; want it queued, with no attempt counted", r, err)
		}
	}

	first := s.worker("first", "general", "10m")
	const long, short = "long", "short"
	s.enqueueFrozen(long, "transcode", "--input", clip, "--output", s.output("long.mp4"))
	thaw := s.enqueueFrozen(short, "thumbnail", "--input", s.put("film.mp4"), "--output", s.output("short.jpg"))
	running(long, "first")
	running(short, "first")
	told := time.Now()
	first.signal(syscall.SIGTERM)
	s.says(first, "told to stop")
	thaw()
	if r := s.completed(short, 30*time.Second); r.EndedAt.Before(told) || r.Attempts != 1 || r.Worker != "first" {
		t.Errorf("%+v; want it completed while its worker drained", r)
	}
	time.Sleep(time.Second)
	running(long, "first") // its drain time is long
	first.signal(syscall.SIGTERM)
	first.ends(10 * time.Second)
	returned(long)

	const drain = 2 * time.Second
	var second *process
	s.frozen(long, func() { second = s.worker("second", "general", drain.String()) })
	running(long, "second")
	told = time.Now()
	second.signal(syscall.SIGTERM)
	second.ends(drain + 10*time.Second)
	if took := time.Since(told); took < drain {
		t.Errorf("the worker was gone after %s, before its drain time was over", took)
	}
	returned(long)

	third := s.worker("third", "general", "10m")
	if r := s.completed(long, 30*time.Second); r.Attempts != 1 || r.Crashes != 0 || r.Worker != "third" {
		t.Errorf("%+v, want it completed by the third worker at its first attempt", r)
	}
	third.stop(10 * time.Second) // idle: at once
	outputs.saw(s.output("long.mp4"), s.output("short.jpg"))
}

// A second signal to the scaler makes its workers return everything at once.
func TestScalerInAHurry(t *testing.T) {
	s := newSite(t, oneWorker)
	scaler := s.start("scaler", "scaler", "--policy", s.policy, "--data", s.fleet(), "--drain-timeout", "10m")
	s.staffed()
	const id = "long"
	s.enqueueFrozen(id, "transcode", "--input", s.put("clip.mp4"), "--output", s.output("x.mp4"))
	scaler.signal(syscall.SIGTERM)
	time.Sleep(time.Second)
	if len(s.workers()) != 1 {
		t.Errorf("the worker didn't drain: %v", s.workers())
	}
	scaler.signal(syscall.SIGTERM)
	scaler.ends(10 * time.Second)
	if r, err := s.client.Get(t.Context(), id); err != nil || r.State != job.Queued || r.Attempts != 0 {
		t.Errorf("%+v, %v; want it queued, with no attempt counted", r, err)
	}
	s.leftover = 1
}
