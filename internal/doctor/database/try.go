package database

import (
	"context"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/internal/redis"
)

// examples is how each command is tried: what follows its name. KEY is for the key or the channel.
var examples = map[string]string{
	"ACL|WHOAMI": "", "CLIENT|SETNAME": "siren", "INFO": "", "PING": "", "SELECT": "0", "TIME": "",
	"EVAL": "return 1 KEY", "EVALSHA": "0000000000000000000000000000000000000000 1 KEY",
	"DEL": "KEY", "PERSIST": "KEY", "PEXPIRE": "KEY 1", "GET": "KEY", "SET": "KEY a",
	"HDEL": "KEY a", "HGETALL": "KEY", "HINCRBY": "KEY a 1", "HMGET": "KEY a", "HSET": "KEY a 1", "HSETNX": "KEY a 1",
	"SADD": "KEY a", "SMEMBERS": "KEY",
	"ZADD": "KEY 1 a", "ZCARD": "KEY", "ZCOUNT": "KEY 0 1", "ZPOPMIN": "KEY", "ZRANGE": "KEY 0 0", "ZRANGEBYSCORE": "KEY 0 1",
	"ZREM": "KEY a", "ZREMRANGEBYSCORE": "KEY 2 3", "ZREVRANGE": "KEY 0 0", "ZREVRANGEBYSCORE": "KEY 1 0",
	"XADD": "KEY * a 1", "XRANGE": "KEY - +", "XREVRANGE": "KEY + -",
	"PUBLISH": "KEY a", "SUBSCRIBE": "KEY",
}

// telling is what tells a login that may more than its role needs. These few alone are tried beside what it needs: each
// refusal shows in Redis' ACL LOG.
var telling = []redis.Use{
	{Pattern: "siren:{tunings}*", Command: "HSET"}, {Pattern: "siren:policy", Command: "HSET"}, {Pattern: "siren:workers", Command: "HSET"},
	{Pattern: "siren:job:*", Command: "HSET"}, {Pattern: "siren:job:*", Command: "HSETNX"},
}

// beyond returns what of telling isn't among the uses.
func beyond(needed []redis.Use) []redis.Use {
	return slices.DeleteFunc(slices.Clone(telling), func(u redis.Use) bool { return slices.Contains(needed, u) })
}

// example returns a command that is of the use.
func example(u redis.Use) []any {
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
	refused map[redis.Use]bool
	failed  map[redis.Use]error // for other reasons
	err     error               // nothing could be tried, or not all
}

// may says whether nothing kept the login from the use.
func (t trial) may(u redis.Use) bool { return !t.refused[u] && t.failed[u] == nil }

// try finds out which uses Redis allows to this login, and has none of them done.
func try(ctx context.Context, s *redis.Store, all []redis.Use) trial {
	all = slices.DeleteFunc(slices.Clone(all), func(u redis.Use) bool {
		return u.Command == "MULTI" || u.Command == "DISCARD" // they try the others
	})
	commands := make([][]any, len(all))
	for i, u := range all {
		commands[i] = example(u)
	}
	t := trial{refused: map[redis.Use]bool{}, failed: map[redis.Use]error{}}
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
