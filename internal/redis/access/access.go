package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/lanes/role"
)

// grant is what a role does with the keys, or the channels, that a pattern names. A script needs its own EVAL, and what
// it calls.
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
// A producer's code makes, withdraws and reads records. It doesn't change one (hence no HSET on jobs: create.lua makes
// fields that aren't there, and forgets since when a job is queued), so that whoever may enqueue may not cancel, pause
// or pose as a worker.
var access = map[string][]grant{
	role.Producer: {
		{keyspace.Policy, "HGETALL"},
		{keyspace.Job("*"), runScript + "HSETNX HMGET HGETALL HDEL DEL"},
		{keyspace.Jobs, "ZADD ZREM"},
		{keyspace.Queued("*"), "ZADD ZREM"},
		{keyspace.Missing, "ZREM"},
		{keyspace.Dedup("*"), runScript + "GET SET DEL"},
		{keyspace.Log("*"), "GET"},
		{keyspace.Bears("*"), "GET"},
		{keyspace.Moves("*"), "SUBSCRIBE"},
	},
	role.Worker: {
		{keyspace.Policy, "HGETALL HMGET"},
		{keyspace.Job("*"), runScript + "HSET HSETNX HMGET HDEL HINCRBY PEXPIRE PERSIST"},
		{keyspace.Jobs, "ZADD"},
		{keyspace.Queued("*"), "ZADD ZREM"},
		{keyspace.Skips("*"), "ZADD ZREM"},
		{keyspace.Running, "ZADD ZREM"},
		{keyspace.Missing, "ZREM"},
		{keyspace.Dead, "ZADD ZREM"},
		{keyspace.Retrying("*"), "ZADD ZREM"},
		{keyspace.Log("*"), "SET"},
		{keyspace.Bears("*"), "SET"},
		{keyspace.Workers, runScript + "HSET HDEL"},
		{keyspace.Parked, "HMGET HDEL"},
		{keyspace.Retired, "HMGET HDEL"},
		{keyspace.Effort, runScript + "HGETALL HMGET HSET PEXPIRE"},
		{keyspace.Moves("*"), "PUBLISH"},
	},
	role.Scaler: {
		{keyspace.Policy, runScript + "HGETALL HMGET HSET"},
		{keyspace.Snapshot, "GET SET"},
		{keyspace.Plans, "XADD"},
		{keyspace.Queues, "SADD SMEMBERS"},
		{keyspace.Leader, runScript + "GET SET DEL"},
		{keyspace.Tunings + "*", runScript + "HGETALL HMGET HSET HDEL XADD"},
		{keyspace.Sight, "SET"},
		{keyspace.History("*"), "LPUSH LTRIM LRANGE PEXPIRE"},
		{keyspace.Workers, "HGETALL HDEL"},
		{keyspace.Parked, runScript + "HGETALL HSET HDEL"},
		{keyspace.Retired, "HSET HDEL"},
		{keyspace.Job("*"), runScript + "HMGET HGETALL HSET HDEL HINCRBY PEXPIRE"},
		{keyspace.Jobs, "ZRANGE ZRANGEBYSCORE ZREM"},
		{keyspace.Queued("*"), "ZADD ZCARD ZRANGE ZRANGEBYSCORE ZREM"},
		{keyspace.Skips("*"), "ZCOUNT ZREMRANGEBYSCORE"},
		{keyspace.Running, "ZADD ZRANGEBYSCORE ZREM"},
		{keyspace.Missing, "ZADD ZRANGEBYSCORE ZREM"},
		{keyspace.Dedup("*"), "GET DEL"},
		{keyspace.Moves("*"), "PUBLISH"},
		{keyspace.Dead, "ZRANGEBYSCORE ZREM"},
		{keyspace.Retrying("*"), "ZCARD ZRANGE ZREM"},
		{keyspace.Tuned, "SUBSCRIBE PUBLISH"},
	},
	role.Operator: operators,
	role.Gateway:  append([]grant{{keyspace.Once("*"), runScript + "GET SET DEL"}}, operators...),
}

// operators is what people do, which is all that producers do, too.
var operators = []grant{
	{keyspace.Policy, "HGETALL"},
	{keyspace.Snapshot, "GET"},
	{keyspace.Plans, "XRANGE XREVRANGE"},
	{keyspace.Queues, "SMEMBERS"},
	{keyspace.Tunings + "*", runScript + "HGETALL HMGET HSET HDEL XADD XREVRANGE"},
	{keyspace.Sight, "GET"},
	{keyspace.History("*"), "LRANGE"},
	{keyspace.Effort, "HGETALL"},
	{keyspace.Workers, "HGETALL HDEL"},
	{keyspace.Parked, "HDEL"},
	{keyspace.Retired, "HDEL"},
	{keyspace.Job("*"), runScript + "HSET HSETNX HMGET HGETALL HDEL HINCRBY PEXPIRE PERSIST DEL"},
	{keyspace.Queued("*"), "ZADD ZREM ZCOUNT ZRANGE"},
	{keyspace.Skips("*"), "ZADD ZREM"},
	{keyspace.Running, "ZREM"},
	{keyspace.Missing, "ZREM ZCARD ZREVRANGE"},
	{keyspace.Jobs, "ZADD ZREM ZRANGEBYSCORE ZREVRANGEBYSCORE"},
	{keyspace.Dead, "ZREM ZCARD ZRANGEBYSCORE ZREVRANGEBYSCORE"},
	{keyspace.Retrying("*"), "ZCARD ZRANGE ZREM"},
	{keyspace.Dedup("*"), runScript + "GET SET DEL"},
	{keyspace.Log("*"), "GET"},
	{keyspace.Bears("*"), "GET"},
	{keyspace.Moves("*"), "SUBSCRIBE PUBLISH"},
	{keyspace.Tuned, "PUBLISH"},
}

// Roles lists the roles that Redis tells apart.
func Roles() []string { return append(role.All(), role.Operator, role.Gateway) }

// User returns the default name of the role's ACL user.
func User(role string) string { return "siren-" + role }

// Rules returns what a user of these roles may do, in ACL syntax without its passwords: a selector for each pattern, so
// that no command goes with the keys of another. It resets what the user was allowed before.
func Rules(roles ...string) string {
	rules := "resetkeys resetchannels clearselectors -@all " + allow(everyone)
	for _, role := range roles {
		for _, g := range access[role] {
			rules += fmt.Sprintf(" (%s%s %s)", g.sigil(), g.pattern, allow(g.commands))
		}
	}
	return rules
}

// ACL returns the line of redis.conf, or of an aclfile, that makes the user of a role; secret is its password in ACL
// syntax: >password, or #sha256.
func ACL(role, user, secret string) string {
	return fmt.Sprintf("user %s reset on %s %s", user, secret, Rules(role))
}

// sigil returns what a pattern of keys, or of channels, begins with in an ACL.
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

// String formats it as people write it.
func (u Use) String() string { return strings.TrimSpace(u.Command + " " + u.Pattern) }

// Uses lists all that the roles do.
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
