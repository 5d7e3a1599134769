//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/polyglot-media/siren/lanes/job"
)

// A first install on a namespace that enforces Pod Security "restricted": all ready within a minute, jobs run, and
// nothing is left after uninstalling but what the chart's notes say.
func TestInstallRunUninstall(t *testing.T) {
	s := newSite(t)
	before := s.objects()
	began := time.Now()
	r := s.install(policy)
	r.settled("general", 1, 60*time.Second)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("installed and ready after %s, want under a minute", took)
	} else {
		t.Logf("installed and ready after %.1f s, the S3 server included", took.Seconds())
	}

	clip := r.storage.put("clip.mp4", s.clip("short.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=320x180:rate=24:duration=3", "-pix_fmt", "yuv420p"))
	photo := r.storage.put("photo.jpg", s.clip("photo.jpg", "-f", "lavfi", "-i", "testsrc2=size=320x240",
		"-frames:v", "1"))
	var all []job.Job
	for kind, input := range map[string]string{"probe": clip, "thumbnail": clip, "transcode": clip, "image": photo} {
		all = append(all, r.jobs(kind, 2, job.Job{Kind: kind, Input: input})...)
	}
	r.enqueue(all)
	r.uninterrupted(r.completed(all, time.Minute))

	t.Run("rights", r.rightsAreLeast)
	t.Run("worker pods", r.workerPodsAreRestricted)
	t.Run("command line", func(t *testing.T) {
		for _, args := range []string{"lanes", "pools", "jobs", "version"} {
			out, err := s.try(t.Context(), "kubectl", "-n", s.namespace, "exec", "deploy/siren-scaler", "--", "siren",
				args)
			if err != nil {
				t.Errorf("siren %s in the scaler's pod: %v\n%s", args, err, out)
			}
		}
	})

	tested := r.run("helm", "test", "siren", "--namespace", s.namespace, "--timeout", "2m")
	if !strings.Contains(tested, "Succeeded") {
		t.Errorf("helm test: %s", tested)
	}
	notes := r.run("helm", "get", "notes", "siren", "--namespace", s.namespace)
	if !strings.Contains(notes, "kubectl") {
		t.Errorf("the notes don't say what to type:\n%s", notes)
	}
	r.run("helm", "uninstall", "siren", "--namespace", s.namespace, "--wait", "--timeout", "2m")
	s.await("everything to be gone but what is documented", time.Minute, func() (bool, string) {
		left := slices.DeleteFunc(s.objects(), func(o string) bool {
			return slices.Contains(before, o) || strings.HasPrefix(o, "pod/s3") || strings.Contains(o, "/s3") ||
				strings.HasPrefix(o, "persistentvolumeclaim/data-siren-") // documented: they hold jobs
		})
		return len(left) == 0, fmt.Sprint(left)
	})
}

// As a subchart behind a condition, in a release with another name: it installs, and helm test passes. Then it is
// disabled, and gone.
func TestUmbrella(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	umbrella := t.TempDir()
	s.run("../../scripts/umbrella", umbrella)
	subchart := merge(s.baseValues(policy), values{"enabled": true})
	if brokers != "" {
		text, err := os.ReadFile(brokers)
		s.must(err)
		var more values
		s.must(yaml.Unmarshal(text, &more))
		merge(subchart, more)
	}
	r := &release{site: s}
	helm := func(verb string, more ...string) {
		s.run("helm", append([]string{
			verb, "media", umbrella, "--namespace", s.namespace, "--wait", "--timeout", "3m", "--values",
			r.write("umbrella.yaml", values{"siren": subchart}),
		}, more...)...)
	}
	helm("install")
	s.kubectl("rollout", "status", "deployment/media-siren-worker-general", "--timeout=1m")
	s.run("helm", "test", "media", "--namespace", s.namespace, "--timeout", "2m")
	helm("upgrade", "--set", "siren.enabled=false")
	if left := s.kubectl("get", "deployments,statefulsets,services", "-o", "name"); strings.Contains(left, "siren") {
		t.Errorf("disabled, it leaves %s", left)
	}
}

// objects returns all that is in the namespace, Events apart, which expire.
func (s *site) objects() []string {
	s.Helper()
	kinds := strings.Fields(s.run("kubectl", "api-resources", "--verbs=list", "--namespaced", "-o", "name"))
	kinds = slices.DeleteFunc(kinds, func(k string) bool {
		return strings.HasPrefix(k, "events") || strings.Contains(k, "metrics.k8s.io")
	})
	return strings.Fields(s.kubectl("get", strings.Join(kinds, ","), "-o", "name", "--ignore-not-found"))
}

// rightsAreLeast checks that scaler and workers may do what they need and no more. What of a pod a worker may patch,
// TestMarksHonoured tries.
func (r *release) rightsAreLeast(t *testing.T) {
	may := func(account, verb, group, resource, sub, name string) bool {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + r.namespace + ":" + account,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: r.namespace, Verb: verb, Group: group, Resource: resource, Subresource: sub, Name: name,
			},
		}}
		answer, err := kubeClient.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review,
			metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return answer.Status.Allowed
	}
	for _, c := range []struct {
		account, verb, group, resource, sub, name string
		want                                      bool
	}{
		{"siren-scaler", "update", "apps", "deployments", "scale", "siren-worker-general", true},
		{"siren-scaler", "update", "apps", "deployments", "scale", "siren-scaler", false},
		{"siren-scaler", "update", "apps", "deployments", "", "siren-worker-general", false},
		{"siren-scaler", "delete", "", "pods", "", "", false},
		{"siren-scaler", "patch", "", "pods", "", "any", true},
		{"siren-scaler", "get", "", "secrets", "", "siren-rabbitmq", false},
		{"siren-scaler", "update", "", "configmaps", "", "siren-state", true},
		{"siren-scaler", "get", "", "configmaps", "", "siren-policy", true},
		{"siren-scaler", "update", "", "configmaps", "", "siren-policy", false},
		{"siren-scaler", "create", "coordination.k8s.io", "leases", "", "", false},
		{"siren-worker", "patch", "", "pods", "", "any", true},
		{"siren-worker", "patch", "", "pods", "status", "any", false},
		{"siren-worker", "patch", "", "pods", "ephemeralcontainers", "any", false},
		{"siren-worker", "get", "", "pods", "", "any", false},
		{"siren-worker", "list", "", "pods", "", "", false},
		{"siren-worker", "get", "", "secrets", "", "siren-rabbitmq", false},
	} {
		if got := may(c.account, c.verb, c.group, c.resource, c.sub, c.name); got != c.want {
			t.Errorf("%s may %s %s/%s %s: %v, want %v", c.account, c.verb, c.resource, c.sub, c.name, got, c.want)
		}
	}
	out := r.kubectl("get", "clusterroles,clusterrolebindings", "-l", "app.kubernetes.io/instance=siren", "-o", "name",
		"--ignore-not-found")
	if strings.TrimSpace(out) != "" {
		t.Errorf("cluster-wide rights: %s", out)
	}
}

// workerPodsAreRestricted checks that what a worker's pod asks for follows from its slots, and that its one token
// of the API is the one that it marks itself with.
func (r *release) workerPodsAreRestricted(t *testing.T) {
	for _, p := range r.pods("siren.polyglot.media/pool=general") {
		c := p.Spec.Containers[0]
		if got := c.Resources.Requests.Memory().Value(); got != (2*640+128)<<20 {
			t.Errorf("memory request %d, want 2 × 640Mi for slot and shoulder, and 128Mi", got)
		}
		if got := c.Resources.Requests.Cpu().MilliValue(); got != 100 {
			t.Errorf("CPU request %dm, want 100m", got)
		}
		if !c.Resources.Limits.Cpu().IsZero() {
			t.Errorf("CPU limit %s, want none", c.Resources.Limits.Cpu())
		}
		for _, v := range p.Spec.Volumes {
			if v.Name == "scratch" && v.EmptyDir.SizeLimit.Value() != 2*2*256<<20 {
				t.Errorf("scratch may have %s, want input and output of 2 jobs of 256Mi each", v.EmptyDir.SizeLimit)
			}
			if v.Projected != nil && v.Name != "api" {
				t.Errorf("volume %s: the workers need no other token", v.Name)
			}
		}
		if p.Spec.TerminationGracePeriodSeconds == nil || *p.Spec.TerminationGracePeriodSeconds <= 300 {
			t.Errorf("grace period %v, want more than the drain timeout of 300 s", p.Spec.TerminationGracePeriodSeconds)
		}
	}
}

// Every set of example values is accepted by the API server, the schemas of the monitoring operator included.
func TestTemplatesAreAccepted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := s.run("go", "mod", "download", "-json", "github.com/prometheus-operator/prometheus-operator@v0.85.0")
	_, dir, _ = strings.Cut(dir, `"Dir": "`)
	dir, _, _ = strings.Cut(dir, `"`)
	// as those who use the operator have them
	for _, kind := range []string{"podmonitors", "servicemonitors", "prometheusrules"} {
		crd := filepath.Join(dir, "example/prometheus-operator-crd/monitoring.coreos.com_"+kind+".yaml")
		if out, err := s.try(t.Context(), "kubectl", "get", "crd", kind+".monitoring.coreos.com"); err != nil {
			t.Logf("installing it for this test: %s", out)
			s.run("kubectl", "create", "-f", crd)
			t.Cleanup(func() { _, _ = s.try(context.Background(), "kubectl", "delete", "-f", crd) })
			s.run("kubectl", "wait", "--for=condition=Established", "crd/"+kind+".monitoring.coreos.com",
				"--timeout=30s")
		}
	}
	version, err := kubeClient.Discovery().ServerVersion()
	s.must(err)
	files, _ := filepath.Glob(chart + "/ci/*.yaml")
	if len(files) < 3 {
		t.Fatalf("only %d sets of values in %s/ci", len(files), chart)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			// Of the pod of helm test the API server takes none without its ServiceAccount; TestInstallRunUninstall
			// runs it.
			manifest, err := exec.CommandContext(t.Context(), "helm", "template", "siren", chart, "--skip-tests",
				"--namespace", s.namespace, "--values", file, "--kube-version", version.GitVersion).CombinedOutput()
			if err != nil {
				t.Fatalf("helm template: %v\n%s", err, manifest)
			}
			path := filepath.Join(t.TempDir(), "manifest.yaml")
			if err := os.WriteFile(path, manifest, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := s.try(t.Context(), "kubectl", "-n", s.namespace, "apply", "--dry-run=server", "-f", path)
			if err != nil || strings.Contains(out, "Warning") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
