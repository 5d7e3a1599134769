package system_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/processes"
)

// A worker is stopped in the middle of a job for longer than its lease, and goes on when another one has made the
// output. One result is visible, and stays the one: the late worker takes back what it has made, and says so.
//
// The guards, without which the subtests fail:
//   - the claim: worker.renew stops a job whose claim could not be renewed for two thirds of the lease, and renew.lua
//     and close.lua compare the token, so that the late worker writes nothing over the record of the one that completed
//     the job;
//   - the storage: fileStore.commit links the output, create-if-absent, and discards its own attempt when it is there.
//     Redis is away, so nobody else can tell the late worker.
func TestLateWorker(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]bool{"the claim": false, "the storage": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, `  - {name: general, lanes: [express, standard, bulk], min: 2, max: 2}`)
			for i, v := range s.env { // the broker is to notice soon that the worker doesn't answer
				if strings.HasPrefix(v, "SIREN_AMQP_URL=") {
					s.env[i] = v + "?heartbeat=1"
				}
			}
			s.scaler()
			s.staffed()
			outputs := s.watchOutputs()
			out, input := s.output("film.mp4"), s.put("film.mp4")
			if away {
				s.must(s.redis.Kill())
				defer func() { s.must(s.redis.Restart(context.WithoutCancel(t.Context()))) }()
			}
			const id = "late"
			thaw := s.frozen(id, func() {
				s.publish("standard", job.Job{ID: id, Kind: "transcode", Input: input, Output: out})
			})
			late, lateName := s.workerOf(id)
			if !stop(late) {
				t.Fatalf("worker %s is gone", lateName)
			}
			defer func() { _ = syscall.Kill(late.PID, syscall.SIGCONT) }()
			mine := s.programs(id)
			thaw() // its worker doesn't see what it makes
			s.await("the output of the other worker", 90*time.Second, func() (bool, string) {
				_, err := os.Stat(strings.TrimPrefix(out, "file://"))
				return err == nil, fmt.Sprint(s.programs(id))
			})
			gone(t, "the stopped worker's ffmpeg", mine...) // it has made a whole output of its own by now
			s.must(syscall.Kill(late.PID, syscall.SIGCONT))

			said := regexp.MustCompile(map[bool]string{
				false: `job=late .*the claim (is lost|could not be renewed)`,
				true:  `msg=completed job=late .*already=true`, // by the other one, and not by what it has just made
			}[away])
			s.await("the late worker to say that it is late", 30*time.Second, func() (bool, string) {
				log, err := os.ReadFile(filepath.Join(s.fleet(), "workers", "logs", lateName+".log"))
				return err == nil && said.Match(log), string(log)
			})
			outputs.saw(out) // and nobody has seen it replaced
			kept, err := filepath.Glob(filepath.Join(s.dir, "out", ".siren", id, "*"))
			s.must(err)
			if len(kept) != 1 {
				t.Errorf("attempts left beside the output: %v, want the one that made it", kept)
			}
			if away {
				s.must(s.redis.Restart(t.Context()))
			}
			done := s.completed(id, 20*time.Second)
			if !away && (done.Worker == lateName || done.Attempts != 2 || done.Crashes != 1) {
				t.Errorf("%+v, want it completed at its second attempt, by another worker than %s", done, lateName)
			}
			if n := s.ready(laneQueue("standard")); n != 0 {
				t.Errorf("%d messages are left in the lane", n)
			}
		})
	}
}

// workerOf waits until a worker has ffmpeg work on a job, and returns it.
func (s *site) workerOf(job string) (p processes.Process, name string) {
	s.t.Helper()
	s.await("job "+job+" to be worked on", 30*time.Second, func() (bool, string) {
		for _, media := range s.programs(job) {
			if !strings.HasSuffix(media.Exe, "/ffmpeg") {
				continue // ffprobe is soon done
			}
			for n, w := range s.workers() {
				if slices.ContainsFunc(processes.Below(w.PID), func(p processes.Process) bool {
					return p.PID == media.PID
				}) {
					p, name = w, n
					return true, ""
				}
			}
		}
		return false, fmt.Sprint(s.programs(job))
	})
	return p, name
}
