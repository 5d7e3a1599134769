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

// The pod says which ConfigMap and which Deployments are its release's.
func TestNamesOfThePodsRelease(t *testing.T) {
	for variable, field := range map[string]func(*doctorFlags) *string{
		"SIREN_POLICY_CONFIGMAP": func(f *doctorFlags) *string { return &f.kube.Policy },
		"SIREN_SELECTOR":         func(f *doctorFlags) *string { return &f.kube.Selector },
	} {
		t.Setenv(variable, "mine")
		var f doctorFlags
		if err := f.complete(); err != nil || *field(&f) != "mine" {
			t.Errorf("%s: %v, looks at %q", variable, err, *field(&f))
		}
		*field(&f) = "told"
		if err := f.complete(); err != nil || *field(&f) != "told" {
			t.Errorf("%s: %v, looks at %q instead of what it was told", variable, err, *field(&f))
		}
	}
}
