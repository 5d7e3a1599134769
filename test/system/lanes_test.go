package system_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// The policy changes while jobs wait: a lane leaves it, one gets another name, one another queue type, and another lane
// is the default. Every job that waited runs, each once, and so does what producers send by the old policy meanwhile.
func TestLanesChangeUnderJobs(t *testing.T) {
	s := newSite(t, oneWorker)
	first := s.scaler()
	s.staffed()
	outputs := s.watchOutputs()
	clip := s.put("clip.mp4")
	for _, lane := range []string{"express", "standard", "bulk"} {
		if r := s.siren("", "lanes", "pause", lane); r.code != 0 {
			t.Fatal(r)
		}
	}
	var all []job.Job
	send := func(when string, keys ...string) {
		for _, key := range keys {
			for i := range 4 {
				id := fmt.Sprintf("%s-%s-%d", when, key, i)
				j := job.Job{ID: id, Kind: "probe", Input: clip, Output: s.output(id + ".json")}
				s.publish(key, j)
				all = append(all, j)
			}
		}
	}
	send("before", "express", "standard", "bulk", "no-such-lane")
	first.stop(20 * time.Second)

	// express is renamed, standard is the default no more, bulk leaves, and what is the default now has quorum queues.
	text, err := os.ReadFile(s.policy)
	s.must(err)
	changed := strings.NewReplacer(
		"  - {name: express, match: [\"urgent=true\"]", "  - {name: fast, match: [\"urgent=true\"]",
		"  - {name: standard, startWithin: 30s}", "  - {name: standard, match: [\"tier=std\"], startWithin: 30s, "+
			"queueType: quorum}",
		"  - {name: bulk, match: [\"batch=true\"], startWithin: 30m, retry: {attempts: 9, first: 14s, factor: 1, "+
			"max: 14s}}", "  - {name: rest, startWithin: 30m, queueType: quorum}",
		"lanes: [express, standard, bulk]", "lanes: [fast, standard, rest]",
	).Replace(string(text))
	if strings.Contains(changed, "bulk") || strings.Contains(changed, "express") {
		t.Fatalf("the policy still has the old lanes:\n%s", changed)
	}
	s.must(os.WriteFile(s.policy, []byte(changed), 0o644))
	if r := s.siren("", "tunings", "remove", "--all", "--wait=false"); r.code != 0 {
		t.Fatal(r)
	}
	s.scaler()
	send("after", "express", "standard", "bulk", "no-such-lane", "fast", "rest")
	for _, j := range all {
		r := s.completed(j.ID, 60*time.Second)
		if r.Attempts != 1 {
			t.Errorf("job %s: %d attempts, want 1", j.ID, r.Attempts)
		}
	}
	outputs.saw(urls(all)...)
	s.await("the queues to be empty", 20*time.Second, func() (bool, string) {
		left := ""
		for _, q := range slices.Concat(laneQueues, otherQueues) {
			if n := s.ready(q); n > 0 {
				left += fmt.Sprintf("%s: %d ", q, n)
			}
		}
		return left == "", left
	})
}
