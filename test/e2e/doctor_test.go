//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
)

// anotherRelease is a pool of another release in the same namespace.
const anotherRelease = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: another-worker
  labels: {app.kubernetes.io/name: siren, app.kubernetes.io/instance: another, siren.polyglot.media/pool: other}
spec:
  replicas: 0
  selector: {matchLabels: {app: another}}
  template:
    metadata: {labels: {app: another}}
    spec: {containers: [{name: none, image: none}]}
`

// `siren doctor` finds a fresh release as it should be, from a scaler's pod and from a worker's: each knows what it is
// for. Then it names who else scales a pool, and a right that the scaler's Role lacks.
func TestDoctorInPods(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(policy)
	r.settled("general", 1, time.Minute)
	r.apply(anotherRelease)

	scaler := r.doctor("siren-scaler")
	for _, check := range []string{
		"broker.rights.scaler", "broker.queues", "broker.alarm", "redis.eviction", "redis.rights", "clock.here",
		"fleet.leader", "fleet.inforce", "fleet.workers", "kubernetes.rights", "kubernetes.lease",
	} {
		r.found(scaler, check, doctor.OK, "")
	}
	r.found(scaler, "kubernetes.cluster", doctor.OK, "has the Deployments siren-worker-batch, "+
		"siren-worker-general")
	r.found(scaler, "media.role", doctor.Note, "it matters where a worker runs")
	worker := r.doctor("siren-worker-general")
	for _, check := range []string{
		"broker.rights.worker", "redis.rights", "media.ffmpeg", "media.codecs", "media.vips", "media.limits",
		"storage.s3",
	} {
		r.found(worker, check, doctor.OK, "")
	}
	r.found(worker, "kubernetes.role", doctor.Note, "it matters where a scaler runs")
	for _, f := range append(scaler, worker...) {
		if f.Severity > doctor.Note {
			t.Errorf("on a fresh release: %+v", f)
		}
	}

	r.kubectl("autoscale", "deployment", "siren-worker-batch", "--max=3", "--cpu-percent=80")
	r.kubectl("patch", "role", "siren-scaler", "--type=json", "-p",
		`[{"op": "replace", "path": "/rules/2/verbs", "value": ["get", "list", "watch"]}]`)
	ill := r.doctor("siren-scaler")
	r.found(ill, "kubernetes.pools", doctor.Error, "siren-worker-batch is scaled by the HorizontalPodAutoscaler")
	r.found(ill, "kubernetes.rights", doctor.Error, "may not patch pods")
}

// doctor returns what `siren doctor` finds in a pod of the Deployment.
func (r *release) doctor(deployment string) []doctor.Finding {
	r.Helper()
	// Its exit code may be other than 0: the shell that would hide that isn't in the scaler's image.
	out, err := r.try(r.Context(), "kubectl", "-n", r.namespace, "exec", "deploy/"+deployment, "--", "siren", "doctor",
		"-o", "json")
	begin, end := strings.Index(out, "{"), strings.LastIndex(out, "}")
	var report struct{ Findings []doctor.Finding }
	if begin < 0 || end < begin {
		r.Fatalf("siren doctor in %s: %v: %s", deployment, err, out)
	}
	if err := json.Unmarshal([]byte(out[begin:end+1]), &report); err != nil {
		r.Fatalf("siren doctor in %s: %v in\n%s", deployment, err, out)
	}
	return report.Findings
}

// found fails the test unless one of the findings of that check has that severity and says the text.
func (r *release) found(all []doctor.Finding, check string, severity doctor.Severity, says string) {
	r.Helper()
	var others []string
	for _, f := range all {
		if f.Check != check {
			continue
		}
		if f.Severity == severity && strings.Contains(f.What, says) {
			return
		}
		others = append(others, fmt.Sprintf("%s: %s; %s", f.Severity, f.What, f.Fix))
	}
	r.Errorf("no finding %s (%s) says %q; there are %q", check, severity, says, others)
}
