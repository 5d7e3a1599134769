package media

import (
	"fmt"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/kinds"
)

// JudgePresets looks whether this version can make what the policy's presets stand for. The policy in force may be that
// of a newer scaler.
func JudgePresets(p *lanes.Policy) doctor.Finding {
	check := doctor.Check("media.presets")
	var lacks []string
	all := p.AllPresets()
	for _, n := range all {
		k, err := kinds.Find(n.Kind)
		if err == nil {
			err = k.CheckParams(n.Params)
		}
		if err != nil && !n.Retired {
			lacks = append(lacks, fmt.Sprintf("%s: %v", n.Name, err))
		}
	}
	if len(lacks) > 0 {
		return check.Warning("this version can't make what presets of the policy stand for: "+strings.Join(lacks, "; "),
			"a worker of it dead-letters their jobs as bad input",
			"upgrade this program to the scaler's version, or take these presets out of the policy")
	}
	return check.OK(fmt.Sprintf("this version can make what %s %s for", say.Plural(len(all), "preset"),
		say.Verb(len(all), "stands", "stand")))
}
