package system_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/test/processes"
)

// noServers takes the servers out of the environment: siren up has its own, and other commands find them.
func (s *site) noServers() {
	s.env = slices.DeleteFunc(s.env, func(v string) bool { return strings.HasPrefix(v, "SIREN_") })
}

// Ctrl-C ends `siren up`, and everything with it.
func TestUpUntilCtrlC(t *testing.T) {
	s := newSite(t, oneWorker)
	s.noServers()
	clip := s.put("clip.mp4")
	up := s.start("up", "up", "--policy", s.policy, "--drain-timeout", "2s")
	s.await("siren up to take jobs", 90*time.Second, func() (bool, string) {
		r := s.siren("", "enqueue", "thumbnail", "--input", clip, "--output", s.output("a.jpg"), "--wait")
		return r.code == 0, r.String()
	})
	s.must(whole(path(s.output("a.jpg"))))
	s.beside(clip)
	s.enqueueFrozen("long", "transcode", "--input", clip, "--output", s.output("b.mp4"))
	if second := s.siren("", "up", "--policy", s.policy); second.code != 1 {
		t.Errorf("a second siren up: %s", second)
	}
	family := processes.Below(up.cmd.Process.Pid)
	if len(family) < 5 { // redis, epmd, beam, worker, ffmpeg
		t.Errorf("only %v belongs to siren up", family)
	}
	s.must(syscall.Kill(-up.cmd.Process.Pid, syscall.SIGINT)) // as the terminal does, to the foreground group
	up.ends(40 * time.Second)
	gone(t, "a part of siren up", family...)
	s.tidy()
	if _, err := os.Stat(path(s.output("b.mp4"))); err == nil {
		t.Error("the job that was stopped has an output")
	}
}

// beside checks that a gateway and a worker that are started beside `siren up` find its servers, and have the logins of
// their roles there.
func (s *site) beside(clip string) {
	s.t.Helper()
	w, g := s.worker("worker-beside", "general", "5s"), s.gateway("gateway-beside", "")
	s.says(w, "taking jobs")
	for range 2 {
		g.answers(s.t, 202, "POST", "/v1/jobs", probeJob(s, clip, "beside"), "Idempotency-Key: beside")
	}
	g.stop(30 * time.Second)
	w.stop(30 * time.Second)
	if log := tail(w.log, 30); strings.Contains(log, "NOPERM") {
		s.t.Errorf("the worker may not do what it does: %s", log)
	}
}

// The end of `siren up` says what it waits for, and goes on answering meanwhile; Ctrl-C again ends it at once, and its
// jobs go back. Who watched it says once that it has gone, and goes on with the next one, which takes the jobs.
func TestUpEndsAndComesAgain(t *testing.T) {
	s := newSite(t, oneWorker)
	s.noServers()
	clip := s.put("clip.mp4")
	// Its Redis is a private one.
	args := []string{"up", "--policy", s.policy, "--amqp-url", s.amqpURL, "--drain-timeout", "10m"}
	up := s.start("up", args...)
	s.await("siren up to be found", 90*time.Second, func() (bool, string) {
		r := s.siren("", "lanes")
		return r.code == 0, r.String()
	})
	s.says(up, "--amqp-url is set: this uses that RabbitMQ, and starts none")
	s.enqueueFrozen("long", "transcode", "--input", clip, "--output", s.output("a.mp4"))
	watchers := []*process{s.start("pools", "pools", "--watch"), s.start("decisions", "decisions", "--follow")}
	for _, w := range watchers {
		s.says(w, "general")
	}

	up.signal(syscall.SIGINT)
	s.says(up, "1 job still runs, and may go on until")
	s.says(up, "  long (standard) on general-")
	s.says(up, "Ctrl-C again stops at once: what still runs goes back to its lane.")
	if r := s.siren("", "workers"); r.code != 0 || !strings.Contains(r.out, "long") ||
		!strings.Contains(r.err, "`siren up` is stopping") {
		t.Errorf("meanwhile, siren workers says %s", r)
	}
	up.signal(syscall.SIGINT)
	up.ends(60 * time.Second)
	s.says(up, "Stopping at once: what still runs goes back to its lane.")
	const ended = "`siren up` has ended"
	for _, w := range watchers {
		s.says(w, ended)
	}

	next := s.start("next", args...)
	s.await("the job to be done by the next siren up", 90*time.Second, func() (bool, string) {
		r := s.siren("", "jobs", "get", "long", "-o", "json")
		return strings.Contains(r.out, `"state": "completed"`), r.String()
	})
	for _, w := range watchers {
		s.await(w.name+" to go on", 60*time.Second, func() (bool, string) {
			log, err := os.ReadFile(w.log)
			s.must(err)
			before, after, _ := strings.Cut(string(log), ended)
			return strings.Contains(after, "general") && !strings.Contains(before+after, ended), string(log)
		})
		w.stop(30 * time.Second)
	}
	next.signal(syscall.SIGINT)
	s.says(next, "Stopping.")
	next.ends(60 * time.Second)
}

// tidy checks that no files are left outside of the folders for media; the folder for scratch files, without any, may
// be.
func (s *site) tidy() {
	s.t.Helper()
	for _, place := range []string{"tmp/*", "state/siren/*"} {
		left, _ := filepath.Glob(filepath.Join(s.dir, place))
		for _, l := range left {
			if inside, err := os.ReadDir(l); err != nil || len(inside) > 0 &&
				(len(inside) > 1 || inside[0].Name() != ".siren") {
				s.t.Errorf("left behind: %s, with %v", l, inside)
			}
		}
	}
}

// Whatever is told to stop before it could begin does so, without a complaint.
func TestStopBeforeTheStart(t *testing.T) {
	s := newSite(t, oneWorker)
	s.noServers()
	nobody := []string{"--amqp-url", "amqp://u:p@127.0.0.1:1/", "--redis-url", "redis://127.0.0.1:1/0"}
	for _, c := range []struct {
		says string // when it waits
		args []string
	}{
		{"waiting for the policy", append([]string{"worker", "--pool", "general"}, nobody...)},
		{"can't connect to RabbitMQ", append([]string{"scaler", "--policy", s.policy}, nobody...)},
		{"starting a private RabbitMQ", []string{"up", "--policy", s.policy}},
	} {
		t.Run(c.args[0], func(t *testing.T) {
			s := s.in(t)
			p := s.start(c.args[0], c.args...)
			s.says(p, c.says)
			time.Sleep(300 * time.Millisecond)
			family := processes.Below(p.cmd.Process.Pid)
			p.signal(syscall.SIGINT)
			p.ends(40 * time.Second)
			gone(t, "a part of siren "+c.args[0], family...)
			s.tidy()
			if log := tail(p.log, 30); strings.Contains(log, "panic") || strings.Contains(log, "siren: ") {
				t.Errorf("it complains: %s", log)
			}
		})
	}
}

// A worker that is there before the scaler waits for the policy, and then serves.
func TestWorkerBeforeScaler(t *testing.T) {
	s := newSite(t, `  - {name: general, lanes: [express, standard, bulk], min: 0, max: 1}`)
	early := s.worker("early", "general", "5s")
	s.says(early, "waiting for the policy")
	s.scaler()
	s.says(early, "taking jobs")
	// or the scaler's own worker is faster
	s.completed(s.enqueue("thumbnail", "--input", s.put("clip.mp4"), "--output", s.output("x.jpg")), 30*time.Second)
}
