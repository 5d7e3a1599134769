package media

import (
	"strings"
	"testing"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

// The policy in force may be of a newer version, with presets of kinds and params that this one doesn't have.
func TestJudgePresets(t *testing.T) {
	for _, c := range []struct {
		presets map[string]lanes.Preset
		want    doctor.Severity
		says    string
	}{
		{nil, doctor.OK, "this version can make"},
		{map[string]lanes.Preset{"own@1": {Kind: "probe"}, "web@1": {Retired: true}}, doctor.OK, "this version can"},
		{map[string]lanes.Preset{"own@1": {Kind: "hologram", Retired: true}}, doctor.OK, "this version can make"},
		{map[string]lanes.Preset{"own@1": {Kind: "hologram"}}, doctor.Warning, `own@1: no kind "hologram"`},
		{
			map[string]lanes.Preset{"own@1": {Kind: "probe", Params: []byte(`{"depth":3}`)}},
			doctor.Warning,
			`own@1: probe: no param "depth"`,
		},
	} {
		f := JudgePresets(&lanes.Policy{Presets: c.presets})
		if f.Severity != c.want || !strings.Contains(f.What, c.says) {
			t.Errorf("%v: %+v", c.presets, f)
		}
	}
}
