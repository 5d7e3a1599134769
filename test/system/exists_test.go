package system_test

import (
	"os"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

// An output that is there stays as it is, unless the job says otherwise; and a job that made it is done, however often
// it comes.
func TestOutputThatExists(t *testing.T) {
	s := newSite(t, oneWorker)
	s.scaler()
	clip := s.put("clip.mp4")
	file := path(s.output("x.json"))
	inode := func() uint64 {
		info, err := os.Stat(file)
		s.must(err)
		return info.Sys().(*syscall.Stat_t).Ino
	}
	s.must(os.WriteFile(file, []byte("mine"), 0o644))

	j := job.Job{ID: "replaces", Kind: "probe", Input: clip, Output: s.output("x.json"), Overwrite: true}
	s.publish("standard", j)
	r := s.completed(j.ID, 20*time.Second)
	if len(r.Outputs) != 1 || r.Outputs[0].URL != j.Output || r.Outputs[0].Type != "application/json" {
		t.Errorf("outputs %+v", r.Outputs)
	}
	s.must(whole(file))
	s.must(os.Remove(file))

	j = job.Job{ID: "again", Kind: "probe", Input: clip, Output: s.output("x.json")}
	s.publish("standard", j)
	first, made := s.completed(j.ID, 20*time.Second), inode()
	s.publish("standard", j)
	s.settles()
	if now, err := s.client.Get(t.Context(), j.ID); err != nil || !now.EndedAt.Equal(first.EndedAt) ||
		now.Attempts != 1 || inode() != made {
		t.Errorf("the same job again: %+v, %v; want nothing new of %+v", now, err, first)
	}

	// Redis has forgotten the job: storage knows.
	o, err := goredis.ParseURL(s.redis.URL)
	s.must(err)
	raw := goredis.NewClient(o)
	defer raw.Close()
	s.must(raw.Del(t.Context(), "siren:job:"+j.ID).Err())
	s.publish("standard", j)
	if now := s.completed(j.ID, 20*time.Second); len(now.Outputs) != 1 || now.Outputs[0] != first.Outputs[0] ||
		inode() != made {
		t.Errorf("the same job again, without a record: %+v; want the outputs of %+v", now, first)
	}
}

// settles waits until no job waits and none runs.
func (s *site) settles() {
	s.t.Helper()
	var since time.Time
	s.await("the site to be idle", 30*time.Second, func() (bool, string) {
		r := s.siren("", "lanes", "-o", "json")
		var list []fleet.LaneStatus
		s.unmarshal(r.out, &list)
		for _, l := range list {
			if l.Ready+l.Busy+l.Retrying > 0 {
				since = time.Now()
			}
		}
		if since.IsZero() {
			since = time.Now()
		}
		// what is seen may be two seconds old: a heartbeat and a tick
		return time.Since(since) > 2500*time.Millisecond, r.out
	})
}
