package database

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/internal/redis/redislink"
)

// examples is how each command is tried: what follows its name. KEY is for the key or the channel.
var examples = map[string]string{
	"ACL|WHOAMI": "", "CLIENT|SETNAME": "siren", "INFO": "", "PING": "", "SELECT": "0", "TIME": "",
	"EVAL": "return 1 KEY", "EVALSHA": "0000000000000000000000000000000000000000 1 KEY",
	"DEL": "KEY", "PERSIST": "KEY", "PEXPIRE": "KEY 1", "GET": "KEY", "SET": "KEY a",
	"HDEL": "KEY a", "HGETALL": "KEY", "HINCRBY": "KEY a 1", "HMGET": "KEY a", "HSET": "KEY a 1", "HSETNX": "KEY a 1",
	"LPUSH": "KEY a", "LRANGE": "KEY 0 0", "LTRIM": "KEY 0 1",
	"SADD": "KEY a", "SMEMBERS": "KEY",
	"ZADD": "KEY 1 a", "ZCARD": "KEY", "ZCOUNT": "KEY 0 1", "ZRANGE": "KEY 0 0",
	"ZRANGEBYSCORE": "KEY 0 1",
	"ZREM":          "KEY a", "ZREMRANGEBYSCORE": "KEY 2 3", "ZREVRANGE": "KEY 0 0", "ZREVRANGEBYSCORE": "KEY 1 0",
	"XADD": "KEY * a 1", "XRANGE": "KEY - +", "XREVRANGE": "KEY + -",
	"PUBLISH": "KEY a", "SUBSCRIBE": "KEY",
}

// telling is what tells a login that may more than its role needs. These few alone are tried beside what it needs: each
// refusal shows in Redis' ACL LOG.
var telling = []access.Use{
	{Pattern: "siren:{tunings}*", Command: "HSET"},
	{Pattern: "siren:policy", Command: "HSET"},
	{Pattern: "siren:workers", Command: "HSET"},
	{Pattern: "siren:job:*", Command: "HSET"},
	{Pattern: "siren:job:*", Command: "HSETNX"},
}

// beyond returns what of telling isn't among the uses.
func beyond(needed []access.Use) []access.Use {
	return slices.DeleteFunc(slices.Clone(telling), func(u access.Use) bool { return slices.Contains(needed, u) })
}

// example returns a command that is of the use.
func example(u access.Use) []any {
	args := strings.Fields(strings.ReplaceAll(u.Command, "|", " ") + " " + examples[u.Command])
	var all []any
	for _, a := range args {
		if a == "KEY" {
			a = strings.ReplaceAll(u.Pattern, "*", "doctor")
		}
		all = append(all, a)
	}
	return all
}

// trial is what came of trying uses.
type trial struct {
	refused map[access.Use]bool
	failed  map[access.Use]error // for other reasons
	err     error                // nothing could be tried, or not all
}

// may reports whether nothing kept the login from the use.
func (t trial) may(u access.Use) bool { return !t.refused[u] && t.failed[u] == nil }

// try finds out which uses Redis allows to this login, and has none of them done.
func try(ctx context.Context, s *redislink.Store, all []access.Use) trial {
	all = slices.DeleteFunc(slices.Clone(all), func(u access.Use) bool {
		return u.Command == "MULTI" || u.Command == "DISCARD" // they try the others
	})
	commands := make([][]any, len(all))
	for i, u := range all {
		commands[i] = example(u)
	}
	t := trial{refused: map[access.Use]bool{}, failed: map[access.Use]error{}}
	var answers []error
	answers, t.err = s.Rehearse(ctx, commands)
	for i, err := range answers {
		switch {
		case err == nil:
		case strings.HasPrefix(err.Error(), "NOPERM"):
			t.refused[all[i]] = true
		default:
			t.failed[all[i]] = err
		}
	}
	return t
}

// judgeRights says what it means for the roles what this login may do.
func judgeRights(login string, roles []string, t trial) doctor.Finding {
	const rights = doctor.Check("redis.rights")
	role := strings.ReplaceAll("a "+strings.Join(roles, " and a "), "a operator", "an operator")
	var lacks, more, failed []string
	needed := access.Uses(roles...)
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
			"what is refused doesn't happen: jobs run without claims, nobody sees or sizes them, or isn't told what "+
				"became of "+
				"them",
			grantTo(login, roles))
	case len(failed) > 0:
		return rights.Error("it fails at what Siren asks of it: "+some(failed),
			"it counts as away: jobs run without claims, and nobody sees them",
			"its log says why; LOADING and MASTERDOWN end by themselves, MISCONF and OOM want disk or memory")
	case len(more) > 0:
		return rights.Note(fmt.Sprintf("login %q may do more than %s does: %s", login, role, some(more)),
			"whoever gets this URL may do it too: pause lanes, cancel jobs, change the policy in force",
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
	return fmt.Sprintf("siren redis-acl --user %s --role %s prints the rights that it needs", login, strings.Join(roles,
		","))
}
