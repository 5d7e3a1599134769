package system_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/processes"
)

// A worker is killed in the middle of a job. Nothing of it lives on, and the job runs again, once its lease is over.
func TestWorkerKilledInMidJob(t *testing.T) {
	s := newSite(t, `  - {name: general, lanes: [express, standard, bulk], min: 2, max: 2}`)
	s.scaler()
	outputs := s.watchOutputs()
	out := s.output("film.mp4")
	const id = "film"
	s.enqueueFrozen(id, "transcode", "--input", s.put("film.mp4"), "--output", out)
	r := s.record(id, "running", 30*time.Second, func(r job.Record) bool { return r.State == job.Running })
	victim, programs := s.workers()[r.Worker], s.programs(id)
	if victim.PID == 0 || len(programs) == 0 {
		t.Fatalf("job %+v runs, but not in %v by %v", r, s.workers(), programs)
	}

	s.must(syscall.Kill(victim.PID, syscall.SIGKILL))
	killed, err := s.client.Get(t.Context(), id)
	s.must(err)
	gone(t, "the killed worker's ffmpeg", programs...)
	again := s.record(id, "taken over", 30*time.Second, func(now job.Record) bool { return now.Worker != r.Worker })
	if early := time.Until(killed.LeaseUntil); early > 0 {
		t.Errorf("the job was taken over %s before its lease ended: %+v", early, again)
	}
	done := s.completed(id, 60*time.Second)
	if done.Attempts != 2 || done.Crashes != 1 || done.Worker == r.Worker || len(done.Outputs) != 1 {
		t.Errorf("%+v, want it completed at its second attempt, after one crash", done)
	}
	outputs.saw(out)
	s.await("the fleet to be complete again", 20*time.Second, func() (bool, string) {
		now := s.workers()
		_, there := now[r.Worker]
		return len(now) == 2 && !there, fmt.Sprint(now)
	})
}

// A job whose workers crash repeatedly is put aside; they live on without it.
func TestPoison(t *testing.T) {
	s := newSite(t, `  - {name: general, lanes: [express, standard, bulk], min: 1, max: 1}`)
	s.buried = 1
	s.scaler()
	outputs := s.watchOutputs()
	const id = "poison"
	s.enqueueFrozen(id, "transcode", "--input", s.put("clip.mp4"), "--output", s.output("poison.mp4"), "--label",
		"urgent=true")
	killed := map[string]bool{}
	kill := func() {
		r := s.record(id, "running on another worker", 20*time.Second, func(r job.Record) bool {
			return !killed[r.Worker]
		})
		killed[r.Worker] = true
		s.must(syscall.Kill(s.workers()[r.Worker].PID, syscall.SIGKILL))
		s.await("its program to be gone", 20*time.Second, func() (bool, string) {
			return len(s.programs(id)) == 0, fmt.Sprint(s.programs(id))
		})
	}
	kill()
	s.frozen(id, func() {}) // it runs again once its lease is over
	kill()                  // as often as the lane's maxCrashes says
	r := s.record(id, "dead", 30*time.Second, func(r job.Record) bool { return r.State == job.Dead })
	if r.Reason != "poison" || r.Crashes != 2 || !strings.Contains(r.Error, "worker crashed") {
		t.Errorf("%+v, want it poisonous", r)
	}
	s.completed(s.enqueue("probe", "--input", s.input("clip.mp4"), "--output", s.output("good.json")), 30*time.Second)
	outputs.saw(s.output("good.json"))
}

// The scaler is killed, and its local workers with it. The next one finds the jobs where they were.
func TestScalerKilled(t *testing.T) {
	s := newSite(t, oneWorker)
	first := s.scaler()
	outputs := s.watchOutputs()
	const id = "long"
	s.enqueueFrozen(id, "transcode", "--input", s.put("clip.mp4"), "--output", s.output("a.mp4"))
	family := processes.Below(first.cmd.Process.Pid)
	first.signal(syscall.SIGKILL)
	<-first.done
	gone(t, "a part of the killed fleet", family...)
	waits := s.enqueue("transcode", "--input", s.input("clip.mp4"), "--output", s.output("b.mp4"))
	s.scaler()
	if r := s.completed(id, 60*time.Second); r.Attempts != 2 || r.Crashes != 1 {
		t.Errorf("%+v, want it completed at its second attempt, after one crash", r)
	}
	s.completed(waits, 60*time.Second)
	outputs.saw(s.output("a.mp4"), s.output("b.mp4"))
}

// A job that fails for want of something goes on when that is there, although its pool has gone to zero meanwhile.
func TestFailsAsItsPoolGoesToZero(t *testing.T) {
	s := newSite(t, `  - {name: general, lanes: [express, standard], min: 0, max: 1}
  - {name: batch, lanes: [bulk], min: 0, max: 1, hold: 1s}`)
	s.allow(`  - {prefix: "file://@DIR@/volume/", write: true}`)
	s.scaler()
	if now := s.workers(); len(now) > 0 {
		t.Fatalf("workers without any job: %v", now)
	}
	out := "file://" + s.dir + "/volume/clip.jpg"
	id := s.enqueue("thumbnail", "--input", s.put("clip.mp4"), "--output", out, "--label", "batch=true")
	r := s.record(id, "retrying", 30*time.Second, func(r job.Record) bool { return r.State == job.Retrying })
	if r.Lane != "bulk" || !strings.Contains(r.Error, "is its volume mounted?") || r.NextAt.Before(time.Now()) {
		t.Errorf("%+v, want it retrying in lane bulk, with its reason", r)
	}
	s.await("the pool to be at zero while the job waits for its retry", 90*time.Second, func() (bool, string) {
		pools, err := s.pools()
		if err != nil || pools["batch"].Replicas > 0 || len(s.workers()) > 0 {
			return false, fmt.Sprintf("%+v, %v, %v", pools["batch"], s.workers(), err)
		}
		r, err = s.client.Get(t.Context(), id)
		return err == nil && r.State == job.Retrying, fmt.Sprintf("%+v, %v", r, err)
	})
	if r := s.siren("", "lanes"); !strings.Contains(r.out, "1 (next in ") {
		t.Errorf("siren lanes doesn't tell of the retry: %s", r)
	}
	s.mkdir("volume")
	done := s.completed(id, 60*time.Second)
	if done.Attempts != r.Attempts+1 || done.Crashes != 0 || done.Worker == r.Worker {
		t.Errorf("%+v, want it completed at its next attempt, by a new worker", done)
	}
	s.must(whole(path(out)))
}
