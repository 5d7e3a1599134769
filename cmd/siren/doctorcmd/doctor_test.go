package doctorcmd

import (
	"slices"
	"strings"
	"testing"
)

// Whoever reads a heading may name the area by it.
func TestOnlyByHeading(t *testing.T) {
	for said, want := range map[string]string{
		"policy": "fleet", "fleet": "fleet", "Fleet and policy": "fleet", "RabbitMQ": "broker", "rabbitmq": "broker",
		"broker": "broker", "Clocks": "clock", "media programs": "media", "programs": "media", "Storage": "storage",
	} {
		f := doctorFlags{only: []string{said}}
		if err := f.complete(); err != nil || !slices.Equal(f.only, []string{want}) {
			t.Errorf("--only %q looks at %q: %v", said, f.only, err)
		}
	}
	f := doctorFlags{only: []string{"and"}}
	if err := f.complete(); err == nil {
		t.Errorf("--only and looks at %q", f.only)
	}
	for _, a := range areas { // no heading's word means two areas
		for _, word := range strings.Fields(a.title) {
			if word == "and" {
				continue
			}
			if at := slices.IndexFunc(areas, func(b area) bool { return b.called(word) }); areas[at].name != a.name {
				t.Errorf("%q is a word of %q, and means %s", word, a.title, areas[at].name)
			}
		}
	}
}

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
