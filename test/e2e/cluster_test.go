//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// site is one namespace of the cluster, which enforces Pod Security "restricted", with an S3 server; it goes with the
// test.
type site struct {
	*testing.T
	namespace string
}

func newSite(t *testing.T) *site {
	t.Helper()
	ns, err := kubeClient.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "siren-e2e-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t, ns.Name}
	t.Cleanup(func() {
		if t.Failed() {
			s.tellAll()
		}
		if os.Getenv("SIREN_E2E_KEEP") == "" {
			for _, release := range []string{"siren", "media-siren"} { // what a release has outside its namespace
				marks := s.namespace + "-" + release + "-worker-marks"
				_, _ = s.try(context.Background(), "kubectl", "delete", "--ignore-not-found",
					"validatingadmissionpolicy,validatingadmissionpolicybinding", marks)
			}
			s.try(context.Background(), "kubectl", "delete", "namespace", s.namespace, "--wait=false")
		}
	})
	return s
}

// tellAll logs what a person would look at after a failure.
func (s *site) tellAll() {
	for _, args := range [][]string{
		{"get", "deployments,pods", "-o", "wide"},
		{"get", "events", "--sort-by=.lastTimestamp"},
		{"logs", "-l", "app.kubernetes.io/component=scaler", "--tail=60", "--prefix"},
		{"logs", "-l", "app.kubernetes.io/component=gateway", "--tail=60", "--prefix"},
		{"logs", "-l", "app.kubernetes.io/component=worker", "--tail=20", "--prefix", "--max-log-requests=20"},
	} {
		out, _ := s.try(context.Background(), "kubectl", append([]string{"-n", s.namespace}, args...)...)
		s.Logf("kubectl %s\n%s", strings.Join(args, " "), out)
	}
}

// try runs a program and returns what it printed on both streams.
func (s *site) try(ctx context.Context, program string, args ...string) (string, error) {
	var out bytes.Buffer
	c := exec.CommandContext(ctx, program, args...)
	c.Stdout, c.Stderr, c.WaitDelay = &out, &out, 5*time.Second
	err := c.Run()
	return out.String(), err
}

// run does what try does, for what has to succeed.
func (s *site) run(program string, args ...string) string {
	s.Helper()
	out, err := s.try(s.Context(), program, args...)
	if err != nil {
		s.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return out
}

// kubectl runs in the site's namespace.
func (s *site) kubectl(args ...string) string {
	s.Helper()
	return s.run("kubectl", append([]string{"-n", s.namespace}, args...)...)
}

// apply puts a manifest into the namespace.
func (s *site) apply(manifest string) {
	s.Helper()
	c := exec.CommandContext(s.Context(), "kubectl", "-n", s.namespace, "apply", "-f", "-")
	c.Stdin = strings.NewReader(manifest)
	if out, err := c.CombinedOutput(); err != nil {
		s.Fatalf("kubectl apply: %v\n%s\n%s", err, out, manifest)
	}
}

// must stops the test at an error.
func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// await looks until done says so. why is what was seen last.
func (s *site) await(what string, within time.Duration, done func() (ok bool, why string)) time.Duration {
	s.Helper()
	began, last := time.Now(), ""
	for {
		ok, why := done()
		if ok {
			return time.Since(began)
		}
		if last = why; time.Since(began) > within {
			s.Fatalf("waited %s for %s; last seen: %s", within, what, last)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// pods lists the pods with these labels, without those that have ended.
func (s *site) pods(selector string) []corev1.Pod {
	s.Helper()
	var list *corev1.PodList
	var err error
	for range 50 { // the API server may be on its way back
		list, err = kubeClient.CoreV1().Pods(s.namespace).List(s.Context(), metav1.ListOptions{LabelSelector: selector})
		if err == nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	s.must(err)
	var alive []corev1.Pod
	for _, p := range list.Items {
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			alive = append(alive, p)
		}
	}
	return alive
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// forward gives the port of a Service or a pod an address on this machine, until the test ends. A forward that breaks,
// as when the pod behind it restarts, is made anew.
func (s *site) forward(to string, port int) (address string) {
	s.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	address = l.Addr().String()
	_ = l.Close()
	_, local, _ := net.SplitHostPort(address)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _ = s.try(ctx, "kubectl", "-n", s.namespace, "port-forward", "--address", "127.0.0.1",
				to, fmt.Sprintf("%s:%d", local, port))
			select {
			case <-ctx.Done():
			case <-time.After(300 * time.Millisecond):
			}
		}
	}()
	s.Cleanup(func() {
		cancel()
		<-done
	})
	s.await("the forward to "+to, 30*time.Second, func() (bool, string) {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false, err.Error()
		}
		_ = c.Close()
		return true, ""
	})
	return address
}
