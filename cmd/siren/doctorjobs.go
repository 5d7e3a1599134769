package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

// missing counts the missing jobs, by lane too.
func (d *doctor) missing(ctx context.Context) (int, map[string]int, error) {
	return redis.NewLedger(d.store, slog.New(slog.DiscardHandler)).CountMissing(ctx)
}

// judgeMissing is what it means that jobs are recorded whose messages the broker doesn't have.
func judgeMissing(f fleetFacts) []lanes.Finding {
	var found []lanes.Finding
	if f.missing > 0 {
		var each []string
		for _, lane := range slices.Sorted(maps.Keys(f.missingIn)) {
			each = append(each, fmt.Sprintf("%d of lane %s", f.missingIn[lane], lane))
		}
		found = append(found, lanes.Finding{
			Check: "fleet.missing", Severity: lanes.Warning, What: say.Plural(f.missing, "job") + " " + say.Verb(f.missing, "is", "are") + " missing: " + strings.Join(each, ", "),
			Why:  "they were recorded as queued, and their messages aren't in the broker: a producer was killed before it published them, or a queue was purged by hand",
			Mend: "siren jobs list --state missing shows them; siren jobs retry ID … publishes them again; those that nobody wants expire by themselves",
		})
	}
	if f.snapshot == nil {
		return found
	}
	for _, l := range f.snapshot.Lanes {
		if l.Excess > 0 {
			found = append(found, lanes.Finding{
				Check: "fleet.missing", Severity: lanes.Note, What: fmt.Sprintf("lane %s: at least %s recorded as queued beyond what its queue holds", l.Name, say.Plural(l.Excess, "job")+" "+say.Verb(l.Excess, "is", "are")),
				Why:  "their messages may be lost, or in somebody's hands for five minutes and longer",
				Mend: "wait until its queue has been empty for a while: they are found missing then; siren explain lane " + l.Name,
			})
		}
	}
	return found
}
