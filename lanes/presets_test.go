package lanes

import (
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/kinds"
)

// withPresets returns the example policy with these presets, in YAML.
func withPresets(t *testing.T, presets string) (*Policy, error) {
	t.Helper()
	return Parse([]byte(`
lanes: [{name: standard, startWithin: 30s}]
pools: [{name: general, lanes: [standard], max: 2}]
budget: 2
storage: [{prefix: "s3://media/", read: true}]
` + presets))
}

func TestBuiltinPresets(t *testing.T) {
	for name, preset := range builtin {
		k, err := kinds.Find(preset.Kind)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := k.CheckParams(preset.Params); err != nil || !presetForm.MatchString(name) || preset.About == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const teams = `
presets:
  web@1: {retired: true}
  web@10: {kind: transcode, params: {crf: 19}, about: ours}
  web@2: {kind: transcode, params: {crf: 20, height: 1080}}
  teaser@1: {kind: thumbnail, params: {at: 10%}, retired: true}
  old@1: {kind: probe, retired: true}
  old@2: {kind: probe}
`

func TestAllPresets(t *testing.T) {
	p, err := withPresets(t, teams)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range p.AllPresets() {
		got = append(got, n.Name)
	}
	own := slices.DeleteFunc(got, func(name string) bool {
		_, ok := p.Presets[name]
		return !ok
	})
	if want := []string{"old@1", "old@2", "teaser@1", "web@1", "web@2", "web@10"}; !slices.Equal(own, want) {
		t.Errorf("%v, want %v", own, want)
	}
	retired, err := p.Preset("web@1")
	if err != nil || !retired.Retired || retired.From != FromSiren ||
		!sameParams(retired.Params, builtin["web@1"].Params) {
		t.Errorf("%+v, %v", retired, err)
	}
	mine, err := p.NewJobPreset("web@2")
	if err != nil || mine.From != FromPolicy || string(mine.Params) != `{"crf":20,"height":1080}` {
		t.Errorf("%+v, %v", mine, err)
	}
}

func TestNewJobPreset(t *testing.T) {
	p, err := withPresets(t, teams)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, err string }{
		{"web@2", ""},
		{"mobile@1", ""},
		{"web", `preset "web" needs its version: web has versions 2, 10; say web@10`},
		{"mobile", `preset "mobile" needs its version: mobile has version 1; say mobile@1`},
		{"web@3", `no preset "web@3": web has versions 2, 10; say web@10`},
		{"web@latest", `no preset "web@latest": web has versions 2, 10; say web@10`},
		{"wbe@2", `no preset "wbe@2"; did you mean "web@2"? There are archive@1, `},
		{"nothing@1", `no preset "nothing@1"; there are archive@1, `},
		{"web@1", `preset web@1 is retired: say web@10`},
		{"teaser@1", `preset teaser@1 is retired; there are archive@1, `},
		{"old@1", `preset old@1 is retired: say old@2`},
		{"@1", `no preset "@1"`},
	} {
		_, err := p.NewJobPreset(c.name)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.HasPrefix(err.Error(), c.err)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
	}
}

func TestPresetsAreChecked(t *testing.T) {
	for _, c := range []struct{ presets, want string }{
		{`presets: {web: {kind: transcode}}`, `presets.web: "web" must be a name`},
		{`presets: {Web@1: {kind: transcode}}`, `presets.Web@1: "Web@1" must be a name`},
		{`presets: {web@0: {kind: transcode}}`, `presets.web@0: "web@0" must be a name`},
		{`presets: {own@1: {kind: transcod}}`, `presets.own@1.kind: no kind "transcod"`},
		{
			`presets: {own@1: {kind: transcode, params: {crf: 99, colour: red}}}`,
			`presets.own@1.params: transcode: crf must be a number from 0 to 63, not 99; no param "colour"`,
		},
		{`presets: {own@1: {kind: transcode, params: {crf: 20, bitrate: 1M}}}`, `not both`},
		{`presets: {own@1: {kind: transcode, params: [crf]}}`, `params must be a JSON object`},
		{`presets: {own@1: {retired: true}}`, `presets.own@1.kind: is required`},
		{`presets: {web@1: {params: {crf: 20}}}`, `presets.web@1.params: needs a kind beside it`},
		{`presets: {own@1: {kind: probe, parms: {}}}`, `presets.own@1.parms: no such field; did you mean "params"?`},
	} {
		if _, err := withPresets(t, c.presets); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.presets, err, c.want)
		}
	}
}

func TestReplacedPresetIsWarnedOf(t *testing.T) {
	for presets, want := range map[string]bool{
		`presets: {web@1: {kind: transcode, params: {crf: 40}}}`: true,
		`presets: {web@1: {kind: probe}}`:                        true,
		`presets: {web@1: {retired: true}}`:                      false,
		`presets: {own@1: {kind: probe}}`:                        false,
	} {
		p, err := withPresets(t, presets)
		if err != nil {
			t.Fatal(err)
		}
		if w := p.Warnings(); (len(w) == 1) != want {
			t.Errorf("%s: %v", presets, w)
		}
	}
}
