//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

// The scaler's replicas are nobody else's: install, scale to 6, upgrade twice, roll back; a watch sees 6 throughout.
func TestUpgradesLeaveTheReplicasAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(strings.NewReplacer("min: 1", "min: 6", "640Mi", "64Mi").Replace(policy),
		values{"workers": values{"strategy": values{"rollingUpdate": values{"maxSurge": 6}}}}) // all at once
	r.settled("general", 6, time.Minute)
	o := r.observe("general")
	r.upgrade(values{"workers": values{"podAnnotations": values{"e2e/upgrade": "one"}}})
	r.upgrade(values{
		"workers": values{"podAnnotations": values{"e2e/upgrade": "two"}},
		"scaler":  values{"podAnnotations": values{"e2e/upgrade": "two"}},
	})
	r.run("helm", "rollback", "siren", "1", "--namespace", s.namespace, "--wait", "--timeout", "3m")
	r.settled("general", 6, 2*time.Minute)
	if all := o.since(time.Time{}); len(all) != 1 || all[0].to != 6 {
		t.Errorf("replicas went %v, want 6 throughout", all)
	}
}

// Upgrades while jobs run: a changed policy rolls nothing whose slots stay, and is in force without a restart; a new
// image rolls the workers, which finish what they have. No job is lost, and none interrupted.
func TestUpgradesWhileJobsRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(strings.ReplaceAll(policy, "min: 1", "min: 2"))
	r.settled("general", 2, time.Minute)
	clip := r.storage.put("clip.mp4", s.clip("upgrade.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=640x360:rate=25:duration=10", "-pix_fmt", "yuv420p", "-preset", "ultrafast"))
	o := r.observe("general")
	load := func(name string) []job.Job {
		jobs := r.jobs(name, 15, job.Job{Kind: "transcode", Input: clip})
		r.enqueue(jobs)
		return jobs
	}

	t.Run("policy", func(t *testing.T) {
		r.settled("general", 2, 2*time.Minute)
		before := r.workers("general")
		jobs := load("policy")
		r.withPolicy(strings.NewReplacer("min: 1", "min: 2", "max: 6", "max: 3", "startWithin: 10s",
			"startWithin: 11s").Replace(policy))
		r.await("the new policy to be in force", 2*time.Minute, func() (bool, string) {
			p := r.pool("general")
			return p.Max == 3, fmt.Sprintf("max %d", p.Max)
		})
		r.uninterrupted(r.completed(jobs, 5*time.Minute))
		for _, pod := range before {
			if l := o.lives()[pod]; !l.told.IsZero() && len(o.since(l.told.Add(-5*time.Second))) == 0 {
				t.Errorf("worker %s was replaced, but neither slots nor shoulder changed", pod)
			}
		}
	})
	t.Run("image", func(t *testing.T) {
		jobs := load("image")
		r.await("jobs to run", time.Minute, func() (bool, string) {
			p := r.pool("general")
			return p.Busy > 0, fmt.Sprintf("%+v", p)
		})
		r.upgrade(values{"image": values{"tag": nextTag}, "workerImage": values{"tag": nextTag}})
		r.uninterrupted(r.completed(jobs, 5*time.Minute))
		workers, _, err := r.roster.Workers(t.Context())
		if err != nil || slices.ContainsFunc(workers, func(w fleet.Heartbeat) bool {
			return !w.Draining && w.Version != nextTag
		}) {
			t.Errorf("not all workers are of version %s: %+v %v", nextTag, workers, err)
		}
	})
	t.Run("slots", func(t *testing.T) { // of one pool: the other isn't rolled
		r.settled("general", 2, 3*time.Minute)
		before := r.deployment("batch").Spec.Template
		r.withPolicy(strings.NewReplacer("min: 1", "min: 2", "slots: 1, shoulder",
			"slots: 2, shoulder").Replace(policy))
		if !equality.Semantic.DeepEqual(r.deployment("batch").Spec.Template, before) {
			t.Error("the batch pool's pods are rolled, but only general's slots changed")
		}
		r.await("workers with 2 slots", 3*time.Minute, func() (bool, string) {
			p := r.pool("general")
			return p.Ready == 2 && p.Slots == 4, fmt.Sprintf("%+v", p)
		})
	})
	if lines := o.interruptions(); len(lines) > 0 {
		t.Errorf("jobs were given back:\n%s", strings.Join(lines, "\n"))
	}
}
