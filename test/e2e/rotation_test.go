//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/polyglot-media/siren/lanes/job"
)

// The workers' password for RabbitMQ is changed, and then their Secret: they come back by themselves, without a
// restart.
func TestRotatedSecret(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(policy)
	r.settled("general", 1, time.Minute)
	before := r.workers("general")

	r.rabbitmqctl("change_password worker rotated-by-a-test")
	r.rabbitmqctl("close_all_user_connections worker 'the password was changed'")
	r.await("the workers to be refused", time.Minute, func() (bool, string) {
		workers, _, err := r.roster.Workers(t.Context())
		for _, w := range workers {
			if w.Pool == "general" && !w.Subscribed {
				return true, ""
			}
		}
		return false, fmt.Sprint(len(workers), err)
	})

	secret, err := kubeClient.CoreV1().Secrets(s.namespace).Get(t.Context(), "siren-rabbitmq", metav1.GetOptions{})
	s.must(err)
	u, err := url.Parse(string(secret.Data["worker-url"]))
	s.must(err)
	u.User = url.UserPassword("worker", "rotated-by-a-test")
	patch := fmt.Sprintf(`{"data":{"worker-url":%q}}`, base64.StdEncoding.EncodeToString([]byte(u.String())))
	_, err = kubeClient.CoreV1().Secrets(s.namespace).Patch(t.Context(), secret.Name, types.MergePatchType,
		[]byte(patch), metav1.PatchOptions{})
	s.must(err)
	clip := r.storage.put("clip.mp4", s.clip("short.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=320x180:rate=24:duration=3", "-pix_fmt", "yuv420p"))
	jobs := r.jobs("rotated", 4, job.Job{Kind: "thumbnail", Input: clip})
	began := time.Now()
	r.enqueue(jobs)
	r.uninterrupted(r.completed(jobs, 4*time.Minute)) // the kubelet takes its time to show the changed Secret
	t.Logf("jobs were done %.0f s after the Secret was changed", time.Since(began).Seconds())
	for _, p := range r.pods("siren.polyglot.media/pool=general") {
		if p.Name == before[0] && p.Status.ContainerStatuses[0].RestartCount > 0 {
			t.Errorf("worker %s was restarted", p.Name)
		}
	}
}

// rabbitmqctl runs a command of the bundled RabbitMQ, and returns what it printed.
func (r *release) rabbitmqctl(command string) string {
	r.Helper()
	return r.kubectl("exec", "siren-rabbitmq-0", "--", "sh", "-c",
		"PATH=$PATH:/usr/lib/rabbitmq/bin; rabbitmqctl "+command)
}
