package system_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// A producer needs an AMQP client and a line of JSON: nothing of ours, and in no language of ours.
func TestForeignProducer(t *testing.T) {
	s := newSite(t, oneWorker)
	s.buried = 2
	s.scaler()
	clip := s.put("clip.mp4")
	job := func(id, output string) string {
		return `{"id": "` + id + `", "kind": "thumbnail", "labels": {"tenant": "école", "urgent": "true"}, "input": "` +
			clip + `", "output": "` + s.output(output) + `"}`
	}

	t.Run("a lane as routing key", func(t *testing.T) {
		s := s.in(t)
		s.produce(job("from-python", "a.jpg"), "bulk")
		r := s.completed("from-python", 20*time.Second)
		if r.Lane != "bulk" || r.Labels["tenant"] != "école" || r.Attempts != 1 {
			t.Errorf("%+v, want it in lane bulk, which the routing key says, with its labels", r)
		}
		s.must(whole(path(s.output("a.jpg"))))
	})
	t.Run("a wrong routing key", func(t *testing.T) {
		s := s.in(t)
		s.produce(job("astray", "b.jpg"), "bulky")
		if r := s.completed("astray", 20*time.Second); r.Lane != "standard" {
			t.Errorf("lane %q, want the default lane", r.Lane)
		}
		s.must(whole(path(s.output("b.jpg"))))
	})
	t.Run("an id in message_id alone", func(t *testing.T) {
		s := s.in(t)
		s.produce(strings.Replace(job("", "c.jpg"), `"id": "", `, "", 1), "express", "by-message-id")
		if r := s.completed("by-message-id", 20*time.Second); r.Lane != "express" {
			t.Errorf("lane %q", r.Lane)
		}
		s.must(whole(path(s.output("c.jpg"))))
	})
	t.Run("no id", func(t *testing.T) {
		s := s.in(t)
		s.produce(strings.Replace(job("", "d.jpg"), `"id": "", `, "", 1), "express")
		d := s.dead("no id")
		if d.Error == "" || d.Lane != "express" {
			t.Errorf("dead letter %+v", d)
		}
		if r := s.siren("", "dead", "show", d.ID, "-o", "json"); r.code != 0 ||
			!strings.Contains(r.out, `"reason": "no id"`) || !strings.Contains(r.out, "d.jpg") {
			t.Errorf("siren dead show: %s", r)
		}
	})
	t.Run("no JSON", func(t *testing.T) {
		s := s.in(t)
		s.produce("hello?", "standard", "greeting")
		if d := s.dead("not a job"); !strings.Contains(d.Error, "not JSON") || !strings.Contains(d.Error, "greeting") {
			t.Errorf("dead letter %+v, want it to say what is wrong with which message", d)
		}
	})
}

// produce publishes with the Python of Debian, which has python3-pika: another python3 may come first on the PATH.
func (s *site) produce(body string, args ...string) {
	s.t.Helper()
	c := exec.CommandContext(s.t.Context(), "/usr/bin/python3", append([]string{"testdata/producer.py"}, args...)...)
	c.Env, c.Stdin = s.env, strings.NewReader(body)
	if out, err := c.CombinedOutput(); err != nil {
		s.t.Fatalf("testdata/producer.py (it needs python3-pika): %v\n%s", err, out)
	}
}

// dead waits for the dead letter with that reason in `siren dead list`, the only one.
func (s *site) dead(reason string) (found job.Record) {
	s.t.Helper()
	s.await("a dead letter: "+reason, 20*time.Second, func() (bool, string) {
		r := s.siren("", "dead", "list", "-o", "json")
		var list []job.Record
		s.must(json.Unmarshal([]byte(r.out), &list))
		n := 0
		for _, d := range list {
			if d.Reason == reason {
				found = d
				n++
			}
		}
		return n == 1, r.String()
	})
	return found
}
