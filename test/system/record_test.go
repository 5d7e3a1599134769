package system_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// What comes to a fleet while it is recorded is in the trace: from the command line and by plain AMQP, completed, dead
// and not ended yet, each once and in its lane. The simulator plays it without complaint and counts as many. Ctrl-C
// ends the recording.
func TestRecord(t *testing.T) {
	s := newSite(t, oneWorker)
	s.scaler()
	clip := s.put("clip.mp4")
	trace := filepath.Join(s.dir, "trace.csv")
	recording := s.start("record", "record", "--for", "1h", "-o", trace)
	s.await("the recording to begin", 20*time.Second, func() (bool, string) {
		begun, _ := filepath.Glob(filepath.Join(s.dir, ".trace.csv-*"))
		return len(begun) == 1, fmt.Sprint(begun)
	})

	want := map[string]int{"express": 3, "standard": 5, "bulk": 2}
	var ids []string
	for lane, label := range map[string]string{"express": "urgent=true", "bulk": "batch=true"} {
		for i := range want[lane] {
			ids = append(ids, s.enqueue("probe", "--label", label, "--input", clip, "--output",
				s.output(fmt.Sprintf("%s-%d.json", lane, i))))
		}
	}
	var direct []job.Job
	for i := range 3 {
		id := fmt.Sprintf("direct-%d", i)
		direct = append(direct, job.Job{ID: id, Kind: "probe", Input: clip, Output: s.output(id + ".json")})
		ids = append(ids, id)
	}
	s.publish("standard", direct...)
	for _, id := range ids {
		s.completed(id, 30*time.Second)
	}
	bad := s.enqueue("probe", "--input", s.write("rubbish.mp4", []byte("rubbish")), "--output", s.output("r.json"))
	s.record(bad, "dead", 30*time.Second, func(r job.Record) bool { return r.State == job.Dead })
	s.buried = 1
	if r := s.siren("", "lanes", "pause", "standard"); r.code != 0 {
		t.Fatal(r)
	}
	waits := s.enqueue("probe", "--input", clip, "--output", s.output("waits.json"))
	recording.signal(syscall.SIGINT)
	recording.signal(syscall.SIGINT) // as timeout(1) does
	recording.ends(20 * time.Second)
	said := tail(recording.log, 20)
	for _, line := range []string{
		"wrote 10 jobs to " + trace, "  1 hadn't ended: how long they run is foreseen",
		"  3 were sent by plain AMQP: they count as come when they started",
	} {
		if !strings.Contains(said, line) {
			t.Errorf("the recording doesn't say %q, but\n%s", line, said)
		}
	}
	text, err := os.ReadFile(trace)
	s.must(err)
	if n := strings.Count(string(text), ",completed\n"); n != 8 {
		t.Errorf("%d jobs are completed in the trace, want 8:\n%s", n, text)
	}

	if r := s.siren("", "lanes", "resume", "standard"); r.code != 0 {
		t.Fatal(r)
	}
	s.completed(waits, 30*time.Second)
	r := s.siren("", "simulate", "--trace", trace, "--policy", s.policy, "-o", "json")
	var played struct {
		Lanes []struct {
			Name           string
			Arrived, Ended int
		}
	}
	if err := json.Unmarshal([]byte(r.out), &played); err != nil || r.code != 0 || r.err != "" {
		t.Fatalf("%v: %s", err, r)
	}
	for _, l := range played.Lanes {
		if l.Arrived != want[l.Name] || l.Ended != want[l.Name] {
			t.Errorf("lane %s: %d came and %d ended in the simulation, want %d", l.Name, l.Arrived, l.Ended,
				want[l.Name])
		}
	}
}
