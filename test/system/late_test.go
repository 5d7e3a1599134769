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

// A worker is stopped in the middle of a job for longer than its lease, and goes on when another one has made the output. One result is
// visible, and stays the one: the late worker takes back what it has made, and says so.
//
// The guards are two, and each subtest fails without its own:
//   - the claim: renew.lua and close.lua compare the token, so the late worker learns that the job isn't its any more, and writes nothing
//     over the record of the one that completed it;
//   - the storage: fileStore.commit links the output, create-if-absent, and discards its own attempt when it is there. Redis was wiped in
//     between, so nobody else can tell the late worker.
func TestLateWorker(t *testing.T) {
	for name, wipe := range map[string]bool{"the claim": false, "the storage": true} {
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
			out := s.output("film.mp4")
			id := s.enqueue("transcode", "--input", s.put("film.mp4"), "--output", out)
			r := s.record(id, "well under way", 30*time.Second, func(r lanes.Record) bool { return r.State == lanes.Running && r.Progress.Fraction > 0.1 })
			late := s.workers()[r.Worker]
			if !late.stop() {
				t.Fatalf("worker %s is gone", r.Worker)
			}
			defer func() { _ = syscall.Kill(late.pid, syscall.SIGCONT) }()
			done := s.completed(id, 90*time.Second)
			if done.Worker == r.Worker || done.Attempts != 2 || done.Crashes != 1 {
				t.Fatalf("%+v, want it completed by another worker than %s", done, r.Worker)
			}
			gone(t, "the stopped worker's ffmpeg", 30*time.Second, s.programs(id)...) // it has made its own whole output by now
			if wipe {
				s.wipeRedis()
			}
			s.must(syscall.Kill(late.pid, syscall.SIGCONT))

			said := map[bool]string{
				false: "the claim is lost: another worker has taken the job over",
				true:  "already=true", // completed, and not by what it has just made
			}[wipe]
			s.await("the late worker to say that it is late", 30*time.Second, func() (bool, string) {
				log, err := os.ReadFile(filepath.Join(s.fleet(), "workers", "logs", r.Worker+".log"))
				lines := strings.Split(string(log), "\n")
				return err == nil && slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, id) && strings.Contains(l, said) }), string(log)
			})
			outputs.saw(out) // and nobody has seen it replaced
			kept, err := filepath.Glob(filepath.Join(s.dir, "out", ".siren", id, "*"))
			s.must(err)
			if len(kept) != 1 {
				t.Errorf("attempts left beside the output: %v, want the one that made it", kept)
			}
			s.await("the record to say completed", 10*time.Second, func() (bool, string) {
				now, err := s.client.Get(t.Context(), id)
				return err == nil && now.State == lanes.Completed && (wipe || now.Worker == done.Worker && now.Attempts == 2), now.Worker
			})
			if n := s.ready("siren.lane.standard"); n != 0 {
				t.Errorf("%d messages are left in the lane", n)
			}
		})
	}
}
