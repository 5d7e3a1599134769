package doctorcmd

import "testing"

func TestPolicyConfigMapOfThePod(t *testing.T) {
	t.Setenv("SIREN_POLICY_CONFIGMAP", "mine")
	var f doctorFlags
	if err := f.complete(); err != nil || f.kube.Policy != "mine" {
		t.Errorf("%v, looks at %q", err, f.kube.Policy)
	}
	f.kube.Policy = "told"
	if err := f.complete(); err != nil || f.kube.Policy != "told" {
		t.Errorf("%v, looks at %q instead of what it was told", err, f.kube.Policy)
	}
}
