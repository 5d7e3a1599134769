package system_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

const twoWorkers = `  - {name: general, lanes: [express, standard, bulk], slots: 2, min: 2, max: 2}`

// Redis is away for a while. Work goes on without it, also what comes meanwhile, and when it is back its records are
// right.
func TestRedisAway(t *testing.T) {
	s := newSite(t, twoWorkers)
	s.scaler()
	outputs := s.watchOutputs()
	clip := s.put("clip.mp4")
	jobs := s.jobs("redis", clip, 10)
	s.frozen(jobs[0].ID, func() { s.publish("standard", jobs[:7]...) }) // this one has a claim that can't be renewed
	s.completed(jobs[1].ID, 30*time.Second)

	s.must(s.redis.Kill())
	s.publish("express", jobs[7:]...)
	if r := s.siren("", "jobs"); r.code != 5 || !strings.Contains(r.err, "redis is away") {
		t.Errorf("siren jobs without Redis: %s", r)
	}
	blind := job.Job{ID: "blind", Output: s.output("blind.json")}
	r := s.siren("", "enqueue", "probe", "--policy", s.policy, "--id", blind.ID, "--input", clip, "--output",
		blind.Output)
	if r.code != 0 || !strings.Contains(r.err, "no record until they start") {
		t.Errorf("siren enqueue without Redis: %s", r)
	}
	jobs = append(jobs, blind)
	s.await("all jobs to be done without Redis", 60*time.Second, func() (bool, string) {
		var missing []string
		for _, j := range jobs {
			if _, err := os.Stat(path(j.Output)); err != nil {
				missing = append(missing, j.ID)
			}
		}
		return len(missing) == 0, fmt.Sprintf("no outputs of %v", missing)
	})
	s.must(s.redis.Restart(t.Context()))
	for _, j := range jobs {
		r := s.completed(j.ID, 30*time.Second)
		if r.Attempts < 1 || r.Crashes != 0 || len(r.Outputs) != 1 || r.Outputs[0].URL != j.Output ||
			r.EndedAt.Before(r.StartedAt) {
			t.Errorf("the record isn't right: %+v", r)
		}
	}
	s.outlives("after-redis", clip)
	outputs.saw(urls(jobs, s.output("after-redis.json"))...)
}

// RabbitMQ goes away and comes back while jobs run, wait, and are being sent. Each is done once.
func TestRabbitMQRestarted(t *testing.T) {
	t.Parallel()
	rabbitmq, err := servers.StartRabbitMQ(t.Context(), servers.Options{}) // not that of all
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rabbitmq.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s := newSiteOn(t, rabbitmq.URL, twoWorkers)
	s.scaler()
	outputs := s.watchOutputs()
	clip := s.put("clip.mp4")
	var all []job.Job
	for _, c := range []struct {
		name string
		stop func()
	}{
		{"crash", func() { s.must(rabbitmq.Kill()); s.seesNoBroker() }},
		{"restart", func() {}}, // Restart stops it in order
	} {
		jobs := s.jobs(c.name, clip, 8)
		all = append(all, jobs...)
		thaw := s.frozen(jobs[0].ID, func() { s.publish("standard", jobs[:7]...) }) // this one runs through all of it
		s.completed(jobs[1].ID, 60*time.Second)

		c.stop()
		sent := make(chan error, 1)
		go func() { sent <- s.send(jobs[7]) }()
		s.must(rabbitmq.Restart(t.Context()))
		s.must(<-sent)
		for _, j := range jobs[1:] {
			s.completed(j.ID, 60*time.Second)
		}
		thaw()
		for _, j := range jobs {
			if r := s.completed(j.ID, 60*time.Second); r.Attempts != 1 || r.Crashes != 0 || len(r.Outputs) != 1 {
				t.Errorf("%+v, want it completed at its first attempt", r)
			}
		}
	}
	s.outlives("after-rabbitmq", clip)
	s.settles() // what the broker delivered once more has been found done
	outputs.saw(urls(all, s.output("after-rabbitmq.json"))...)
}

// seesNoBroker waits until `siren lanes` shows that nothing is known of the lanes now.
func (s *site) seesNoBroker() {
	s.t.Helper()
	s.await("siren lanes to call all lanes stale", 30*time.Second, func() (bool, string) {
		r := s.siren("", "lanes", "-o", "json")
		var list []fleet.LaneStatus
		s.unmarshal(r.out, &list)
		fresh := slices.ContainsFunc(list, func(l fleet.LaneStatus) bool { return !l.Stale })
		return !fresh && r.err == "", r.String() // it warns when no scaler has reported for some time
	})
}

// send enqueues a job as a patient producer does: again and again until the broker has it.
func (s *site) send(job job.Job) error {
	for end := time.Now().Add(2 * time.Minute); ; {
		_, err := s.client.Enqueue(s.t.Context(), job)
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// jobs returns n transcodes.
func (s *site) jobs(name, input string, n int) []job.Job {
	list := make([]job.Job, n)
	for i := range list {
		id := fmt.Sprintf("%s-%d", name, i)
		list[i] = job.Job{ID: id, Kind: "transcode", Input: input, Output: s.output(id + ".mp4")}
	}
	return list
}

func urls(jobs []job.Job, more ...string) []string {
	for _, j := range jobs {
		more = append(more, j.Output)
	}
	return more
}

// outlives runs one more job, with every convenience: all parts have found each other again.
func (s *site) outlives(name, input string) {
	s.t.Helper()
	r := s.siren("", "enqueue", "probe", "--input", input, "--output", s.output(name+".json"), "--wait")
	if r.code != 0 {
		s.t.Errorf("a job after it all: %s", r)
	}
	s.await("the fleet to report", 20*time.Second, func() (bool, string) {
		pools, err := s.pools()
		return err == nil && pools["general"].Ready == 2, fmt.Sprintf("%+v, %v", pools, err)
	})
}
