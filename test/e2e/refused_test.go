//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// refusable is a policy that the chart lets through and a scaler doesn't.
var refusable = policy + "presets: {mine@1: {about: no kind}}\n"

const whyRefused = `presets.mine@1.kind: is required`

// warned waits for the Event on the scaler's Deployment that says why a policy is refused.
func (s *site) warned(deployment string) {
	s.Helper()
	s.await("a Warning on "+deployment, time.Minute, func() (bool, string) {
		told := s.kubectl("get", "events", "--field-selector", "type=Warning,reason=PolicyRefused,involvedObject.kind="+
			"Deployment,involvedObject.name="+deployment, "-o", "jsonpath={.items[*].message}")
		return strings.Contains(told, whyRefused), told
	})
}

// A policy that is refused after an upgrade shows where people look: on the scaler's Deployment, in siren pools and by
// helm test, while the earlier one stays in force.
func TestRefusedPolicy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(policy)
	r.settled("general", 1, time.Minute)
	r.withPolicy(refusable)
	s.warned("siren-scaler")
	out := s.kubectl("exec", "deploy/siren-scaler", "--", "siren", "pools")
	if !strings.Contains(out, whyRefused) {
		t.Errorf("siren pools doesn't say it: %s", out)
	}
	out, err := s.try(t.Context(), "helm", "test", "siren", "--namespace", s.namespace, "--timeout", "2m")
	if err == nil {
		t.Errorf("helm test passes: %s", out)
	}
	r.settled("general", 1, time.Minute)
}

// On a new installation nothing is in force: the scalers can't start, and both the Deployment and their pods say why.
func TestRefusedFromTheStart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := &release{site: s}
	args := []string{"install", "siren", chart, "--namespace", s.namespace}
	if brokers != "" {
		args = append(args, "--values", brokers)
	}
	s.run("helm", append(args, "--values", r.write("values.yaml", s.baseValues(refusable)))...)
	s.warned("siren-scaler")
	s.await("the pods to say it", 2*time.Minute, func() (bool, string) {
		said := s.kubectl("get", "pods", "-l", "app.kubernetes.io/component=scaler", "-o",
			"jsonpath={.items[*].status.containerStatuses[*].lastState.terminated.message}")
		return strings.Contains(said, whyRefused), fmt.Sprintf("%q", said)
	})
}
