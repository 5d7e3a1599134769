package database

import (
	"fmt"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/redis"
)

// judgeRights says what it means for the roles what this login may do.
func judgeRights(login string, roles []string, t trial) doctor.Finding {
	const rights = doctor.Check("redis.rights")
	role := strings.ReplaceAll("a "+strings.Join(roles, " and a "), "a operator", "an operator")
	var lacks, more, failed []string
	needed := redis.Uses(roles...)
	for _, u := range needed {
		if t.refused[u] {
			lacks = append(lacks, u.String())
		}
	}
	for _, u := range beyond(needed) {
		if t.may(u) {
			more = append(more, u.String())
		}
	}
	for u, err := range t.failed {
		failed = append(failed, fmt.Sprintf("%s: %v", u, err))
	}
	slices.Sort(failed)
	switch {
	case t.err != nil:
		return rights.Note(fmt.Sprintf("what login %q may do couldn't be tried: %v", login, t.err),
			"a right that it lacks shows when it is needed", grantTo(login, roles))
	case len(lacks) > 0:
		return rights.Error(fmt.Sprintf("login %q may not do all that %s does: %s", login, role, some(lacks)),
			"what is refused doesn't happen: jobs run without claims, nobody sees or sizes them, or isn't told what became of them",
			grantTo(login, roles))
	case len(failed) > 0:
		return rights.Error("it fails at what Siren asks of it: "+some(failed),
			"it counts as away: jobs run without claims, and nobody sees them",
			"its log says why; LOADING and MASTERDOWN end by themselves, MISCONF and OOM want disk or memory")
	case len(more) > 0:
		return rights.Note(fmt.Sprintf("login %q may do more than %s does: %s", login, role, some(more)),
			"whoever gets hold of this URL may do it too: pause lanes, cancel jobs, change the policy in force",
			"give each role a login of its own: siren redis-acl prints them")
	}
	return rights.OK(fmt.Sprintf("login %q may do what %s does, and nothing else of Siren's", login, role))
}

// some names the first few of many.
func some(all []string) string {
	const most = 6
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s, … (%d in all)", strings.Join(all[:most], ", "), len(all))
}

// grantTo says how a login gets what the roles need.
func grantTo(login string, roles []string) string {
	return fmt.Sprintf("siren redis-acl --user %s --role %s prints the rights that it needs", login, strings.Join(roles, ","))
}
