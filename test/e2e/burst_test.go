//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// A burst of real transcodes takes a pool from nothing to its ceiling and, when it is over, back. How fast is measured
// here, as medians; nothing is asserted of the times but that they are there.
func TestBurst(t *testing.T) {
	s := newSite(t)
	r := s.install(strings.ReplaceAll(policy, "min: 1", "min: 0"))
	clip := r.storage.put("clip.mp4", s.clip("burst.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=640x360:rate=25:duration=8", "-pix_fmt", "yuv420p", "-preset", "ultrafast"))
	o := r.observe("general")
	figures := map[string][]time.Duration{}
	for run := range runs {
		r.settled("general", 0, 3*time.Minute)
		jobs := r.jobs(fmt.Sprintf("burst%d", run), 24, job.Job{Kind: "transcode", Input: clip})
		began := time.Now()
		r.enqueue(jobs)
		records := r.completed(jobs, 4*time.Minute)
		r.uninterrupted(records)

		note := func(what string, at time.Time) { figures[what] = append(figures[what], at.Sub(began)) }
		changes := o.since(began)
		if len(changes) == 0 || slices.MaxFunc(changes, func(a, b change) int { return a.to - b.to }).to != 6 {
			t.Fatalf("run %d: replicas went %v, want up to 6", run, changes)
		}
		note("1 first scale call", changes[0].at)
		var created, ready []time.Time
		for _, l := range o.lives() {
			if l.created.After(began) {
				created, ready = append(created, l.created), append(ready, l.ready)
			}
		}
		slices.SortFunc(created, time.Time.Compare)
		slices.SortFunc(ready, time.Time.Compare)
		note("2 first new pod object", created[0])
		note("4 six pods ready", ready[len(ready)-1])
		var first time.Time
		for _, rec := range records {
			if first.IsZero() || rec.StartedAt.Before(first) {
				first = rec.StartedAt
			}
		}
		note("3 first start on a new pod", first)
	}
	r.settled("general", 0, 3*time.Minute)
	if lines := o.interruptions(); len(lines) > 0 {
		t.Errorf("jobs were given back:\n%s", strings.Join(lines, "\n"))
	}
	for _, what := range slices.Sorted(keysOf(figures)) {
		t.Logf("burst to %-26s median %5.2f s of %v", what[2:], median(figures[what]).Seconds(), figures[what])
	}
}
