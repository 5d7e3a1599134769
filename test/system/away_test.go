package system_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

const twoWorkers = `  - {name: general, lanes: [express, standard, bulk], slots: 2, min: 2, max: 2}`

// Redis is away for a while. Work goes on without it, also what comes meanwhile, and when it is back its records are right.
func TestRedisAway(t *testing.T) {
	s := newSite(t, twoWorkers)
	s.scaler()
	outputs := s.watchOutputs()
	clip := s.put("clip.mp4")
	jobs := s.jobs("redis", clip, 10)
	s.publish("standard", jobs[:7]...)
	s.freeze(jobs[0].ID) // this one has a claim that can't be renewed
	s.completed(jobs[1].ID, 30*time.Second)

	s.must(redis.Kill())
	s.publish("express", jobs[7:]...)
	s.await("all jobs to be done without Redis", 60*time.Second, func() (bool, string) {
		var missing []string
		for _, j := range jobs {
			if _, err := os.Stat(path(j.Output)); err != nil {
				missing = append(missing, j.ID)
			}
		}
		return len(missing) == 0, fmt.Sprintf("no outputs of %v", missing)
	})
	s.must(redis.Restart(t.Context()))
	for _, j := range jobs {
		r := s.completed(j.ID, 30*time.Second)
		if r.Attempts < 1 || r.Crashes != 0 || len(r.Outputs) != 1 || r.Outputs[0].URL != j.Output || r.EndedAt.Before(r.StartedAt) {
			t.Errorf("the record isn't right: %+v", r)
		}
	}
	s.outlives("after-redis", clip)
	outputs.saw(urls(jobs, s.output("after-redis.json"))...)
}

// RabbitMQ crashes and comes back while jobs run, wait, and are being sent. Each is done once.
func TestRabbitMQRestarted(t *testing.T) {
	s := newSite(t, twoWorkers)
	s.scaler()
	outputs := s.watchOutputs()
	clip := s.put("clip.mp4")
	jobs := s.jobs("rabbit", clip, 10)
	s.publish("standard", jobs[:9]...)
	thaw := s.freeze(jobs[0].ID) // this one runs through all of it
	s.completed(jobs[1].ID, 30*time.Second)

	s.must(rabbitmq.Kill())
	sent := make(chan error, 1)
	go func() { sent <- s.send(jobs[9]) }()
	s.must(rabbitmq.Restart(t.Context()))
	s.must(<-sent)
	for _, j := range jobs[1:] {
		s.completed(j.ID, 60*time.Second)
	}
	thaw()
	for _, j := range jobs {
		r := s.completed(j.ID, 60*time.Second)
		if r.Attempts != 1 || r.Crashes != 0 || len(r.Outputs) != 1 {
			t.Errorf("%+v, want it completed at its first attempt", r)
		}
	}
	s.outlives("after-rabbitmq", clip)
	s.settles() // what the broker delivered once more has been found done
	outputs.saw(urls(jobs, s.output("after-rabbitmq.json"))...)
}

// send enqueues a job as a patient producer does: again and again until the broker has it.
func (s *site) send(job lanes.Job) error {
	for end := time.Now().Add(2 * time.Minute); ; {
		_, err := s.client.Enqueue(s.t.Context(), job)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// jobs are n transcodes.
func (s *site) jobs(name, input string, n int) []lanes.Job {
	list := make([]lanes.Job, n)
	for i := range list {
		id := fmt.Sprintf("%s-%d", name, i)
		list[i] = lanes.Job{ID: id, Kind: "transcode", Input: input, Output: s.output(id + ".mp4")}
	}
	return list
}

func urls(jobs []lanes.Job, more ...string) []string {
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
