package redis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes"
)

// grant is what a role does with the keys, or the channels, that a pattern names. A script needs its own EVAL, and what it calls.
type grant struct {
	pattern  string
	commands string // as Redis names them, with blanks between
}

const (
	runScript = "EVAL EVALSHA "

	// everyone is what each connection does: with no key, or to find out where it is.
	everyone = "PING TIME SELECT INFO MULTI DISCARD CLIENT|SETNAME ACL|WHOAMI"
)

// access is what each role does, and all that its ACL user may do: TestRolesMayWhatTheyDo holds it to the code.
//
// A producer's code makes, withdraws and reads records. It doesn't change one (hence no HSET on jobs: create.lua makes fields that
// aren't there, and forgets since when a job is queued), so that whoever may enqueue may not cancel, pause or pose as a worker.
var access = map[string][]grant{
	lanes.ProducerRole: {
		{policyKey, "HGETALL"},
		{jobKey("*"), runScript + "HSETNX HMGET HGETALL HDEL DEL"},
		{jobsKey, "ZADD ZREM"},
		{queuedKey("*"), "ZADD ZREM"},
		{missingKey, "ZREM"},
		{dedupKey("*"), runScript + "GET SET DEL"},
		{logKey("*"), "GET"},
		{bearsKey("*"), "GET"},
		{movesChannel("*"), "SUBSCRIBE"},
	},
	lanes.WorkerRole: {
		{policyKey, "HGETALL HMGET"},
		{jobKey("*"), runScript + "HSET HSETNX HMGET HDEL HINCRBY PEXPIRE PERSIST"},
		{jobsKey, "ZADD"},
		{queuedKey("*"), "ZADD ZREM"},
		{skipsKey("*"), "ZADD ZREM"},
		{missingKey, "ZREM"},
		{deadKey, "ZADD ZREM"},
		{retryingKey("*"), "ZADD ZREM"},
		{logKey("*"), "SET"},
		{bearsKey("*"), "SET"},
		{workersKey, runScript + "HSET HDEL"},
		{parkedKey, "HMGET HDEL"},
		{retiredKey, "HMGET HDEL"},
		{movesChannel("*"), "PUBLISH"},
	},
	lanes.ScalerRole: {
		{policyKey, runScript + "HGETALL HMGET HSET"},
		{snapshotKey, "GET SET"},
		{plansKey, "XADD"},
		{lanesKey, "SADD SMEMBERS"},
		{leaderKey, runScript + "GET SET DEL"},
		{tuningsKey + "*", runScript + "HGETALL HMGET HSET HDEL XADD"},
		{questionsKey, "ZPOPMIN"},
		{answerKey("*"), "SET"},
		{workersKey, "HGETALL HDEL"},
		{parkedKey, runScript + "HGETALL HSET HDEL"},
		{retiredKey, "HSET HDEL"},
		{jobKey("*"), runScript + "HMGET HSET HINCRBY PEXPIRE"},
		{jobsKey, "ZRANGE ZRANGEBYSCORE ZREM"},
		{queuedKey("*"), "ZADD ZCARD ZRANGE ZRANGEBYSCORE ZREM"},
		{skipsKey("*"), "ZCOUNT ZREMRANGEBYSCORE"},
		{missingKey, "ZADD ZRANGEBYSCORE ZREM"},
		{dedupKey("*"), "GET DEL"},
		{movesChannel("*"), "PUBLISH"},
		{deadKey, "ZRANGEBYSCORE ZREM"},
		{retryingKey("*"), "ZCARD ZRANGE ZREM"},
		{tunedChannel, "SUBSCRIBE PUBLISH"},
	},
	lanes.OperatorRole: {
		{policyKey, "HGETALL"},
		{snapshotKey, "GET"},
		{plansKey, "XRANGE XREVRANGE"},
		{lanesKey, "SMEMBERS"},
		{tuningsKey + "*", runScript + "HGETALL HMGET HSET HDEL XADD XREVRANGE"},
		{questionsKey, "ZADD PEXPIRE"},
		{answerKey("*"), "GET"},
		{workersKey, "HGETALL HDEL"},
		{parkedKey, "HDEL"},
		{retiredKey, "HDEL"},
		{jobKey("*"), runScript + "HSET HSETNX HMGET HGETALL HDEL HINCRBY PEXPIRE PERSIST DEL"},
		{queuedKey("*"), "ZADD ZREM ZCOUNT"},
		{skipsKey("*"), "ZADD ZREM"},
		{missingKey, "ZREM ZCARD ZREVRANGE"},
		{jobsKey, "ZADD ZREM ZRANGEBYSCORE ZREVRANGEBYSCORE"},
		{deadKey, "ZREM ZCARD ZRANGEBYSCORE ZREVRANGEBYSCORE"},
		{retryingKey("*"), "ZCARD ZRANGE ZREM"},
		{dedupKey("*"), runScript + "GET SET DEL"},
		{logKey("*"), "GET"},
		{bearsKey("*"), "GET"},
		{movesChannel("*"), "SUBSCRIBE PUBLISH"},
		{tunedChannel, "PUBLISH"},
	},
}

// Roles are the roles that Redis tells apart.
func Roles() []string { return append(lanes.Roles(), lanes.OperatorRole) }

// User is what the role's ACL user is called where nobody has called it otherwise.
func User(role string) string { return "siren-" + role }

// Rules is what a user of these roles may do, as an ACL has it, without its passwords: a selector for each pattern, so that no command goes
// with the keys of another. What the user was allowed before is taken from it.
func Rules(roles ...string) string {
	rules := "resetkeys resetchannels clearselectors -@all " + allow(everyone)
	for _, role := range roles {
		for _, g := range access[role] {
			rules += fmt.Sprintf(" (%s%s %s)", g.sigil(), g.pattern, allow(g.commands))
		}
	}
	return rules
}

// ACL is the line of redis.conf, or of an aclfile, that makes the user of a role; secret is its password as an ACL has it: >password, or #sha256.
func ACL(role, user, secret string) string {
	return fmt.Sprintf("user %s reset on %s %s", user, secret, Rules(role))
}

// sigil is what a pattern of keys, or of channels, begins with in an ACL.
func (g grant) sigil() string {
	if strings.Contains(g.commands, "SUBSCRIBE") || strings.Contains(g.commands, "PUBLISH") {
		return "&"
	}
	return "~"
}

func allow(commands string) string {
	return "+" + strings.ToLower(strings.Join(strings.Fields(commands), " +"))
}

// Use is a command with the keys, or channels, of a pattern; "" for one without.
type Use struct{ Pattern, Command string }

// String returns it as people write it.
func (u Use) String() string { return strings.TrimSpace(u.Command + " " + u.Pattern) }

// Uses returns all that the roles do.
func Uses(roles ...string) []Use {
	var all []Use
	add := func(pattern, commands string) {
		for command := range strings.FieldsSeq(commands) {
			if u := (Use{pattern, command}); !slices.Contains(all, u) {
				all = append(all, u)
			}
		}
	}
	add("", everyone)
	for _, role := range roles {
		for _, g := range access[role] {
			add(g.pattern, g.commands)
		}
	}
	return all
}
