package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
)

// judgeMissing says what it means that jobs are recorded whose messages the broker doesn't have.
func judgeMissing(f facts) (found []doctor.Finding) {
	const check = doctor.Check("fleet.missing")
	if f.missing > 0 {
		var each []string
		for _, lane := range slices.Sorted(maps.Keys(f.missingIn)) {
			each = append(each, fmt.Sprintf("%d of lane %s", f.missingIn[lane], lane))
		}
		found = append(found, check.Warning(are(f.missing, "job")+" missing: "+strings.Join(each, ", "),
			"they were recorded as queued, and their messages aren't in the broker: a producer was killed before it published them, "+
				"or a queue was purged by hand",
			"siren jobs list --state missing shows them; siren jobs retry ID … publishes them again; "+
				"those that nobody wants expire by themselves"))
	}
	if f.snapshot == nil {
		return found
	}
	for _, l := range f.snapshot.Lanes {
		if l.Excess > 0 {
			found = append(found, check.Note(
				fmt.Sprintf("lane %s: at least %s recorded as queued beyond what its queue holds", l.Name, are(l.Excess, "job")),
				"their messages may be lost, or in somebody's hands for five minutes and longer",
				"wait until its queue has been empty for a while: they are found missing then; siren explain lane "+l.Name))
		}
	}
	return found
}
