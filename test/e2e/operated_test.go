//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

// A person in the scaler's pod sees what is going on, changes it for a while, cancels a running job, and pauses a lane:
// which stays paused when Redis loses all it has, whether or not the scalers are lost with it.
func TestOperatedByKubectlExec(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(policy)
	r.settled("general", 1, time.Minute)
	r.says("express", "lanes")
	r.says("batch", "pools", "--output", "wide")
	r.says("bulk", "__complete", "lanes", "pause", "") // what the shell completes with
	r.says("__start_siren", "completion", "bash")
	if w := shown[[]fleet.Heartbeat](r, "workers", "--pool", "general"); len(w) != 1 ||
		w[0].Worker != r.workers("general")[0] {
		t.Errorf("siren workers: %+v", w)
	}

	r.tuned()
	r.calledOff()
	r.paused()
}

// tuned keeps more workers free for a lane, for a while: the pool grows, and everything that tells of it says why.
func (r *release) tuned() {
	r.Helper()
	const field, why = "lanes.express.reserve", "launch day"
	began := time.Now()
	r.says(field+": 0 → 3", "lanes", "tune", "express", "--reserve", "3", "--for", "10m", "--reason", why)
	r.Logf("after %.1f s siren said that it is in force", time.Since(began).Seconds())
	r.settled("general", 3, time.Minute)
	r.Logf("after %.1f s three workers took jobs", time.Since(began).Seconds())
	r.await("all workers to follow", 10*time.Second, func() (bool, string) {
		e, err := r.board.Policy(r.Context())
		workers := shown[[]fleet.Heartbeat](r, "workers")
		behind := slices.ContainsFunc(workers, func(w fleet.Heartbeat) bool { return w.Revision != e.Revision })
		return err == nil && !behind, fmt.Sprintf("revision %d: %+v %v", e.Revision, workers, err)
	})
	r.announced("general", fleet.Reserve)
	for _, args := range [][]string{{"explain", "pool", "general"}, {"decisions", "--pool", "general"}} {
		r.says("Reserve", args...)
	}
	r.says("is its home", "explain", "lane", "express")
	r.says(why, "tunings")
	plans := shown[[]fleet.Plan](r, "decisions", "--since", "5m")
	if !slices.ContainsFunc(plans, func(p fleet.Plan) bool {
		return p.Pool == "general" && p.To == 3 && p.Reason == fleet.Reserve
	}) {
		r.Errorf("siren decisions has no plan to 3 workers: %+v", plans)
	}

	r.says(field+": 3 → 0, as the file has it", "tunings", "remove", field)
	var did []string
	for _, e := range shown[[]audit.Entry](r, "audit") {
		if e.On == field && strings.Contains(e.By, "@siren-scaler-") {
			did = append(did, fmt.Sprintf("%s %s → %s %s", e.Verb, e.Before, e.After, e.Reason))
		}
	}
	if want := []string{"remove 3 → 0 ", "tune 0 → 3 " + why}; !slices.Equal(did, want) {
		r.Errorf("siren audit tells of %q, want %q", did, want)
	}
}

// calledOff cancels a job in the middle of a long transcode: its program is gone, and no output is there.
func (r *release) calledOff() {
	r.Helper()
	long := r.storage.put("long.mp4", r.clip("long.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=640x360:rate=25:duration=70",
		"-pix_fmt", "yuv420p", "-preset", "ultrafast"))
	j := r.jobs("twice", 1, job.Job{Kind: "transcode", Input: long, Params: []byte(`{"speed":"slow","fps":240}`)})[0]
	r.enqueue([]job.Job{j})
	var record job.Record
	r.await("the job to run", time.Minute, func() (bool, string) {
		var err error
		record, err = r.client.Get(r.Context(), j.ID)
		return err == nil && record.State == job.Running && record.Progress.Fraction > 0,
			fmt.Sprintf("%s %v", record.State, err)
	})
	r.says("runs on worker "+record.Worker, "explain", "job", j.ID)
	if n := r.processes(record.Worker, "ffmpeg", "before"); n == 0 {
		r.Fatalf("no ffmpeg runs in pod %s", record.Worker)
	}
	began := time.Now()
	r.says("its programs have ended", "jobs", "cancel", j.ID, "--reason", "uploaded twice")
	r.Logf("a running job was cancelled, and its program gone, within %.1f s", time.Since(began).Seconds())
	if n := r.processes(record.Worker, "ffmpeg", "after"); n > 0 {
		r.Errorf("%d ffmpeg still run in pod %s", n, record.Worker)
	}
	r.says("(uploaded twice)", "explain", "job", j.ID)
	r.says("ffmpeg", "jobs", "logs", j.ID)
	if keys := r.storage.keys("out/" + j.ID); len(keys) > 0 {
		r.Errorf("a cancelled job has an output: %v", keys)
	}
}

// paused stops a lane. Its jobs wait while those of other lanes run, and go on waiting when Redis is flushed, and when
// it is flushed with all scalers gone: what was paused is in the state ConfigMap then, and nowhere else.
func (r *release) paused() {
	r.Helper()
	clip := r.storage.put("clip.mp4", r.clip("short.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=320x180:rate=24:duration=3", "-pix_fmt", "yuv420p"))
	r.says("lanes.bulk.paused: false → true", "lanes", "pause", "bulk", "--reason", "the archive is down")
	bulk := r.jobs("bulk", 2, job.Job{Kind: "thumbnail", Input: clip, Labels: map[string]string{"batch": "true"}})
	r.enqueue(bulk)
	others := func(name string) {
		jobs := r.jobs(name, 2, job.Job{Kind: "thumbnail", Input: clip})
		r.enqueue(jobs)
		r.completed(jobs, time.Minute)
	}
	others("paused")
	r.says("lane bulk is paused by ", "explain", "job", bulk[0].ID)
	r.announced("batch", fleet.Paused)

	inForce := func(what string) {
		flushed := time.Now()
		r.flushRedis()
		r.await("the pause to be in force again, "+what, 45*time.Second, func() (bool, string) {
			e, err := r.board.Policy(r.Context())
			return err == nil && e.Policy.Paused("bulk") && len(e.Tunings) == 1,
				fmt.Sprintf("revision %d, tunings %v: %v", e.Revision, e.Tunings, err)
		})
		r.Logf("%s: the pause was in force again after %.1f s", what, time.Since(flushed).Seconds())
	}
	inForce("Redis flushed")
	others("flushed")
	r.kubectl("delete", "pod", "-l", "app.kubernetes.io/component=scaler", "--grace-period=0", "--force",
		"--wait=false")
	inForce("Redis flushed without a scaler")
	others("alone")
	r.says("the archive is down", "tunings")

	resumed := time.Now()
	r.says("true → false, as the file has it", "lanes", "resume", "bulk")
	for id, record := range r.completed(bulk, time.Minute) {
		if record.StartedAt.Before(resumed.Add(-time.Second)) { // by another clock than resumed
			r.Errorf("job %s of the paused lane started at %s, before it was resumed at %s", id, record.StartedAt,
				resumed)
		}
	}
}

// siren runs the command line in a scaler's pod, as docs/kubernetes.md says, and returns what it printed.
func (r *release) siren(args ...string) (string, error) {
	var out, problem bytes.Buffer
	ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "kubectl", append([]string{
		"-n", r.namespace, "exec", "deploy/siren-scaler", "--",
		"siren",
	}, args...)...)
	c.Stdout, c.Stderr, c.WaitDelay = &out, &problem, 5*time.Second
	err := c.Run()
	if err != nil {
		err = fmt.Errorf("siren %s: %w\n%s%s", strings.Join(args, " "), err, &out, &problem)
	}
	return out.String(), err
}

// says fails the test unless the command line prints the text.
func (r *release) says(text string, args ...string) {
	r.Helper()
	out, err := r.siren(args...)
	r.must(err)
	if !strings.Contains(out, text) {
		r.Errorf("siren %s doesn't say %q:\n%s", strings.Join(args, " "), text, out)
	}
}

// shown returns what a command of the command line shows.
func shown[T any](r *release, args ...string) (v T) {
	r.Helper()
	out, err := r.siren(append(args, "--output", "json")...)
	r.must(err)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		r.Fatalf("siren %s: %v in\n%s", strings.Join(args, " "), err, out)
	}
	return v
}

// announced waits for an Event on a pool's Deployment.
func (r *release) announced(pool string, reason fleet.Reason) {
	r.Helper()
	r.await(fmt.Sprintf("an Event %s of pool %s", reason, pool), 20*time.Second, func() (bool, string) {
		events, err := kubeClient.CoreV1().Events(r.namespace).List(r.Context(), metav1.ListOptions{
			FieldSelector: fmt.Sprintf("reason=%s,involvedObject.name=siren-worker-%s", reason, pool),
		})
		if err != nil || len(events.Items) == 0 {
			return false, fmt.Sprint("none ", err)
		}
		r.Logf("Event %s: %s", reason, events.Items[0].Message)
		return true, ""
	})
}

// processes counts the processes of a program in a worker's pod, from a container that is put beside it.
func (r *release) processes(pod, program, when string) (n int) {
	r.Helper()
	name := "aid-" + when
	r.kubectl("debug", pod, "--image", aidImage, "--image-pull-policy=IfNotPresent", "--profile=restricted",
		"--container", name, "--target", "worker",
		"--", "/usr/local/bin/aid", "NONE", program)
	r.await("a count of "+program, 30*time.Second, func() (bool, string) {
		out, err := r.try(r.Context(), "kubectl", "-n", r.namespace, "logs", pod, "-c", name)
		_, scanned := fmt.Sscanf(out, "signalled %d", &n)
		return err == nil && scanned == nil, out
	})
	return n
}

// flushRedis makes the bundled Redis forget everything.
func (r *release) flushRedis() {
	r.Helper()
	if out := r.redisCLI("FLUSHALL"); !strings.Contains(out, "OK") {
		r.Fatalf("FLUSHALL: %s", out)
	}
}

// redisCLI runs a command in the bundled Redis, as who may do everything.
func (r *release) redisCLI(args ...string) string {
	r.Helper()
	password, err := base64.StdEncoding.DecodeString(r.kubectl("get", "secret", "siren-redis", "-o",
		"jsonpath={.data.password}"))
	r.must(err)
	return r.kubectl(append([]string{
		"exec", "siren-redis-0", "--", "redis-cli", "--no-auth-warning", "-a", string(password),
	}, args...)...)
}
