package system_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/role"
)

// A replica of Redis is promoted that lacks the latest writes: ends of jobs whose worker is still there, and the end of
// one whose worker was killed. A minute later none says running, and whoever waited for them knows how they ended.
func TestFailoverLosesTheTail(t *testing.T) {
	s := newSite(t, twoWorkers)
	pair := s.replicated()
	s.scaler()
	clip := s.put("clip.mp4")
	const gone = "gone"
	thaw := s.frozen(gone, func() {
		s.publish("standard", job.Job{ID: gone, Kind: "transcode", Input: clip, Output: s.output("gone.mp4")})
	})
	running := func(r job.Record) bool { return r.State == job.Running }
	worker := s.record(gone, "running", 30*time.Second, running).Worker
	jobs := s.jobs("tail", clip, 4)
	s.must(s.send(jobs[0]))
	s.completed(jobs[0].ID, 30*time.Second)

	pair.cut()
	var told []string // by workers that live on
	for _, j := range jobs[1:] {
		s.must(s.send(j))
		if s.completed(j.ID, 30*time.Second).Worker != worker {
			told = append(told, j.ID)
		}
	}
	thaw()
	s.completed(gone, 30*time.Second)
	s.must(syscall.Kill(s.workers()[worker].PID, syscall.SIGKILL)) // nobody tells its ends again
	pair.failOver()
	if r, err := s.client.Get(t.Context(), gone); err != nil || r.State != job.Running {
		t.Errorf("%+v, %v: the tail isn't lost", r, err)
	}
	watched := make(chan result, 1)
	go func() { watched <- s.siren("", "jobs", "watch", gone) }()
	for _, id := range told {
		s.await(id+" to have its end again", time.Minute, func() (bool, string) {
			r, err := s.client.Get(t.Context(), id) // it has no record for a moment
			return r.State == job.Completed, fmt.Sprintf("%+v, %v", r, err)
		})
	}
	if r := s.completed(gone, time.Minute); r.Attempts != 2 || len(r.Outputs) != 1 {
		t.Errorf("%+v, want it found completed at its second attempt", r)
	}
	if r := <-watched; r.code != 0 || !strings.Contains(r.out, "completed") {
		t.Errorf("siren jobs watch: %s", r)
	}
	s.outlives("after-failover", clip)
}

// replicatedRedis is a site's Redis with a replica, behind one address.
type replicatedRedis struct {
	s       *site
	replica *servers.Server
	to      atomic.Pointer[string] // where new connections lead
}

// replicated gives the site's Redis a replica, and all processes an address that leads to whichever is the master.
func (s *site) replicated() *replicatedRedis {
	s.t.Helper()
	master, err := url.Parse(s.redis.URL)
	s.must(err)
	password, _ := master.User.Password()
	r := &replicatedRedis{s: s}
	r.replica, err = servers.StartRedis(s.t.Context(), servers.Options{Config: logins.Config() +
		fmt.Sprintf("repl-diskless-sync-delay 0\nreplicaof %s %s\nmasterauth %s\n", master.Hostname(), master.Port(),
			password)})
	s.must(err)
	former := s.redis
	s.t.Cleanup(func() { // the other one is stopped as the site's
		other := r.replica
		if s.redis == other {
			other = former
		}
		s.must(other.Stop(context.Background()))
	})
	r.to.Store(&master.Host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	s.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", *r.to.Load())
			if err != nil {
				_ = near.Close()
				continue
			}
			go func() { _, _ = io.Copy(near, far); _ = near.Close() }()
			go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
		}
	}()
	for i, v := range s.env {
		if strings.HasPrefix(v, "SIREN_REDIS_") {
			s.env[i] = strings.ReplaceAll(v, master.Host, l.Addr().String())
		}
	}
	producer := strings.ReplaceAll(s.redisFor(role.Producer), master.Host, l.Addr().String())
	c, err := client.New(client.Options{AMQPURL: s.amqpURL, RedisURL: producer, Name: "system test"})
	s.must(err)
	s.t.Cleanup(func() { _ = c.Close() })
	s.client = c
	return r
}

// cut ends the replication once the replica has all that was written.
func (r *replicatedRedis) cut() {
	r.s.t.Helper()
	ctx, master, replica := r.s.t.Context(), redistest.Raw(r.s.t, r.s.redis.URL), redistest.Raw(r.s.t, r.replica.URL)
	r.s.must(master.Set(ctx, "cut", "here", 0).Err())
	r.s.await("the replica to have all", 30*time.Second, func() (bool, string) {
		got, err := replica.Get(ctx, "cut").Result()
		return got == "here", fmt.Sprint(err)
	})
	r.s.must(replica.ReplicaOf(ctx, "127.0.0.1", "1").Err())
}

// failOver kills the master, and promotes the replica.
func (r *replicatedRedis) failOver() {
	r.s.t.Helper()
	u, err := url.Parse(r.replica.URL)
	r.s.must(err)
	r.s.must(r.s.redis.Kill())
	r.s.must(redistest.Raw(r.s.t, r.replica.URL).ReplicaOf(r.s.t.Context(), "NO", "ONE").Err())
	r.to.Store(&u.Host)
	r.s.redis = r.replica
}
