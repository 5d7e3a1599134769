//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/polyglot-media/siren/lanes/job"
)

// Two gateways behind a Service, with users of their own at RabbitMQ and Redis. Whoever asks, on new connections and on
// kept ones, meets no failure while they are rolled and upgraded; a stream goes on where it ended. When one is killed
// requests may fail, but each job that was answered with 202 runs. A revoked token is refused.
func TestGateway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tokens := s.newTokens()
	asker := tokens.siren("create", "asker", "--role", "producer,reader")
	gone := tokens.siren("create", "gone", "--role", "reader")
	tokens.apply()
	r := s.install(policy, values{
		"gateway": values{"enabled": true, "tokens": values{"existingSecret": "gateway-tokens"}},
		// on a cluster that enforces it, all that follows goes by it
		"networkPolicy": values{"enabled": true, "gatewayFrom": []any{values{
			"podSelector": values{"matchLabels": values{"app": "asker"}},
		}}},
	})
	r.gatewaysHaveUsersOfTheirOwn()
	input := r.storage.put("clip.mp4", s.clip("short.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=320x180:rate=24:duration=3", "-pix_fmt", "yuv420p"))
	r.says("bulk", "lanes", "pause", "bulk") // so that the stream of its job outlives all gateways
	watched := r.jobs("watched", 1, job.Job{Kind: "probe", Input: input, Labels: map[string]string{"batch": "true"}})
	r.enqueue(watched)

	a := r.ask("rolled", asker, input, watched[0].ID)
	r.kubectl("rollout", "restart", "deployment/siren-gateway")
	r.kubectl("rollout", "status", "deployment/siren-gateway", "--timeout=2m")
	r.twoGateways()
	r.upgrade(values{"image": values{"tag": nextTag}})
	r.twoGateways()
	r.says("bulk", "lanes", "resume", "bulk")
	r.completed(watched, time.Minute)
	jobs := a.end()
	for _, line := range a.lines("failed ") {
		t.Errorf("while gateways were rolled: %s", line)
	}
	stream := a.lines("stream /v1/jobs/" + watched[0].ID + "/events ")
	if len(stream) != 1 || !strings.HasSuffix(stream[0], " ended") || strings.HasPrefix(stream[0], "1 ") {
		t.Errorf("the stream of a job ended after %q connections, want more than one, and the job's end", stream)
	}

	gateways := r.pods(gatewayPods)
	survivor := r.forward("pod/"+gateways[1].Name, 8080)
	if status := answered(t, survivor, gone); status != http.StatusOK {
		t.Errorf("before its token is revoked, somebody is answered with %d", status)
	}
	a = r.ask("killed", asker, input, watched[0].ID)
	r.kubectl("delete", "pod", gateways[0].Name, "--grace-period=0", "--force", "--wait=false")
	tokens.siren("revoke", "gone")
	tokens.apply()
	r.kubectl("annotate", "pods", "-l", gatewayPods, "tokens=changed") // the kubelet looks at once
	took := r.await("a revoked token to be refused", 3*time.Minute, func() (bool, string) {
		status := answered(t, survivor, gone)
		return status == http.StatusUnauthorized, fmt.Sprint(status)
	})
	t.Logf("a revoked token was refused after %.1f s", took.Seconds())
	r.twoGateways()
	jobs = append(jobs, a.end()...)
	t.Logf("while a gateway was killed: %d requests failed", len(a.lines("failed ")))
	r.completed(jobs, 3*time.Minute)
}

const gatewayPods = "app.kubernetes.io/component=gateway"

// twoGateways waits until a rollout is over: there are two, ready, and none that ends.
func (r *release) twoGateways() {
	r.Helper()
	r.await("two gateways", 2*time.Minute, func() (bool, string) {
		ready, pods := 0, r.pods(gatewayPods)
		for _, p := range pods {
			if p.DeletionTimestamp == nil && isReady(&p) {
				ready++
			}
		}
		return ready == 2 && len(pods) == 2, fmt.Sprintf("%d pods, %d ready", len(pods), ready)
	})
}

// gatewaysHaveUsersOfTheirOwn checks by whose login the gateways are connected.
func (r *release) gatewaysHaveUsersOfTheirOwn() {
	r.Helper()
	for server, has := range map[string]string{
		"RabbitMQ": r.rabbitmqctl("-q list_connections user client_properties"),
		"Redis":    r.redisCLI("CLIENT", "LIST"),
	} {
		n := 0
		for line := range strings.Lines(has) {
			if strings.HasPrefix(line, "gateway\t") || strings.Contains(line, " user=siren-gateway ") {
				n++
			}
		}
		if n < 2 {
			r.Errorf("%s has %d connections of the user for gateways, want two or more:\n%s", server, n, has)
		}
	}
}

// answered returns the status of an answer to whoever has the token; 0 is none.
func answered(t *testing.T, gateway, token string) int {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+gateway+"/v1/lanes", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+token)
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0
	}
	_ = a.Body.Close()
	return a.StatusCode
}

// tokens is a file of tokens, and the Secret that has it.
type tokens struct {
	*site
	program, file string
}

func (s *site) newTokens() *tokens {
	s.Helper()
	dir := s.TempDir()
	k := &tokens{s, filepath.Join(dir, "siren"), filepath.Join(dir, "tokens.yaml")}
	s.run("go", "build", "-o", k.program, "../../cmd/siren")
	return k
}

// siren runs `siren tokens` on the file, and returns what it printed to stdout.
func (k *tokens) siren(args ...string) string {
	k.Helper()
	out, err := exec.CommandContext(k.Context(), k.program, append([]string{"tokens", "--file", k.file},
		args...)...).Output()
	k.must(err)
	return strings.TrimSpace(string(out))
}

// apply puts the file into the Secret, as docs/gateway.md says.
func (k *tokens) apply() {
	k.Helper()
	k.site.apply(k.kubectl("create", "secret", "generic", "gateway-tokens", "--from-file=tokens="+k.file,
		"--dry-run=client", "-o", "yaml"))
}

// asking is a client in the cluster that asks gateways all the time: test/e2e/aid.
type asking struct {
	*release
	pod, log string
}

// ask starts a client, which sends jobs and looks at jobs, and follows the stream of one.
func (r *release) ask(name, token, input, watched string) *asking {
	r.Helper()
	body, err := json.Marshal(job.Job{Kind: "probe", Input: input, Output: "s3://" + bucket + "/out/KEY.json"})
	r.must(err)
	pod, err := yaml.Marshal(corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "asker-" + name, Labels: map[string]string{"app": "asker"}},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: new(false),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(int64(65532)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "asker", Image: aidImage, ImagePullPolicy: corev1.PullIfNotPresent,
				Command: []string{"/usr/local/bin/aid", "ask", "siren-gateway:8080", name, string(body), watched},
				Env:     []corev1.EnvVar{{Name: "TOKEN", Value: token}},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	})
	r.must(err)
	r.apply(string(pod))
	a := &asking{release: r, pod: "asker-" + name}
	r.await("the first answers to "+a.pod, time.Minute, func() (bool, string) {
		a.log, _ = r.try(r.Context(), "kubectl", "-n", r.namespace, "logs", a.pod)
		return strings.Contains(a.log, "accepted"), a.log
	})
	return a
}

// end stops the client, and returns the jobs that were answered with 202.
func (a *asking) end() (accepted []job.Job) {
	a.Helper()
	a.kubectl("exec", a.pod, "--", "/usr/local/bin/aid", "TERM", "aid")
	a.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/"+a.pod, "--timeout=60s")
	a.log = a.kubectl("logs", a.pod)
	for _, line := range a.lines("accepted ") {
		key, id, _ := strings.Cut(line, " ")
		accepted = append(accepted, job.Job{ID: id, Output: "s3://" + bucket + "/out/" + key + ".json"})
	}
	a.Logf("%s asked: %q", a.pod, a.lines("asked "))
	if len(accepted) == 0 {
		a.Errorf("%s had no jobs accepted:\n%s", a.pod, a.log)
	}
	return accepted
}

// lines returns the lines that begin with a word, without it.
func (a *asking) lines(word string) (lines []string) {
	for line := range strings.Lines(a.log) {
		if rest, is := strings.CutPrefix(strings.TrimSpace(line), word); is {
			lines = append(lines, rest)
		}
	}
	return lines
}
