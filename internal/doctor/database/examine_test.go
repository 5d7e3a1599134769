package database_test

import (
	"context"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/doctor/database"
	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/role"
)

// finding returns the one finding of a check.
func finding(t *testing.T, all []doctor.Finding, check string) doctor.Finding {
	t.Helper()
	for _, f := range all {
		if f.Severity > doctor.OK && (f.Why == "" || f.Fix == "") {
			t.Errorf("incomplete: %+v", f)
		}
		if strings.Contains(f.What+f.Why+f.Fix, "secret") {
			t.Errorf("shows a password: %+v", f)
		}
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding %s in %+v", check, all)
	return doctor.Finding{}
}

func TestExamineHealthyRedis(t *testing.T) {
	s, raw := redistest.Fresh(t)
	all := append(database.Examine(t.Context(), s, access.Roles()...), database.Clock(t.Context(), s))
	if worst := doctor.Worst(all); worst != doctor.OK {
		t.Errorf("the worst is %s: %+v", worst, all)
	}
	for _, check := range []string{
		"redis.reachable", "redis.tls", "redis.version", "redis.eviction", "redis.persistence", "redis.role",
		"redis.mode", "redis.rights", "redis.delay", "clock.here",
	} {
		finding(t, all, check)
	}
	if n, err := raw.DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("%d keys are left, %v", n, err)
	}
}

func TestExamineRedisCluster(t *testing.T) {
	server, err := servers.StartRedis(t.Context(), servers.Options{Config: "cluster-enabled yes\n"})
	redistest.Must(t, err)
	defer func() { redistest.Must(t, server.Stop(context.Background())) }()
	all := database.Examine(t.Context(), redistest.Open(t, server.URL))
	if f := finding(t, all, "redis.mode"); f.Severity != doctor.Error || !strings.Contains(f.Fix, "cluster mode off") {
		t.Errorf("%+v", f)
	}
}

func TestExamineRedisThatForgets(t *testing.T) {
	server, err := servers.StartRedis(t.Context(), servers.Options{Config: "maxmemory 100mb\nmaxmemory-policy " +
		"allkeys-lru\nappendonly no\n"})
	redistest.Must(t, err)
	defer func() { redistest.Must(t, server.Stop(t.Context())) }()
	all := database.Examine(t.Context(), redistest.Open(t, server.URL))
	if f := finding(t, all, "redis.eviction"); f.Severity != doctor.Error || !strings.Contains(f.What, "allkeys-lru") ||
		!strings.Contains(f.Fix, "CONFIG SET maxmemory-policy noeviction") {
		t.Errorf("%+v", f)
	}
	if f := finding(t, all, "redis.persistence"); f.Severity != doctor.Note ||
		!strings.Contains(f.What, "keeps nothing on disk") {
		t.Errorf("%+v", f)
	}
}

// A login that may too little, or too much, is told from one that has what the role needs.
func TestExamineRedisLogins(t *testing.T) {
	_, admin := redistest.Fresh(t)
	ctx := t.Context()
	defer admin.Do(context.WithoutCancel(ctx), "ACL", "DELUSER", "weak")
	allow := func(rules string) {
		redistest.Must(t, admin.Do(ctx, append([]any{"ACL", "SETUSER", "weak", "on", ">secret"},
			anys(rules)...)...).Err())
	}
	examine := func(check string) doctor.Finding {
		return finding(t, database.Examine(ctx, redistest.Open(t, redistest.LoginAs("weak")), role.Worker), check)
	}
	if f := finding(t, database.Examine(ctx, redistest.Open(t, redistest.LoginAs("nobody")), role.Worker),
		"redis.reachable"); f.Severity != doctor.Error || !strings.Contains(f.What, "refused by Redis (WRONGPASS") ||
		!strings.Contains(f.Fix, "redis-acl") {
		t.Errorf("no such user: %+v", f)
	}
	allow("")
	if f := examine("redis.reachable"); f.Severity != doctor.Error ||
		!strings.Contains(f.What, "refused by Redis (NOPERM") ||
		!strings.Contains(f.Fix, "siren redis-acl --user weak --role worker") {
		t.Errorf("no rights: %+v", f)
	}
	allow("~siren:* &siren:* +@read +@write +@scripting +@pubsub +@connection +time +info")
	if f := examine("redis.rights"); f.Severity != doctor.Note || !strings.Contains(f.What, "couldn't be tried") {
		t.Errorf("rights as they once were: %+v", f)
	}
	allow(access.Rules(role.Producer))
	if f := examine("redis.rights"); f.Severity != doctor.Error ||
		!strings.Contains(f.What, "HMGET siren:policy, EVAL siren:workers") &&
			!strings.Contains(f.What, "HMGET siren:policy, HSET siren:job:*") {
		t.Errorf("a producer's rights: %+v", f)
	}
	allow(access.Rules(role.Worker))
	if f := examine("redis.rights"); f.Severity != doctor.OK {
		t.Errorf("a worker's rights: %+v", f)
	}
	allow(access.Rules(access.Roles()...))
	if f := examine("redis.rights"); f.Severity != doctor.Note ||
		!strings.Contains(f.What, "may do more than a worker does: HSET siren:{tunings}*") {
		t.Errorf("everybody's rights: %+v", f)
	}
	if n, err := admin.DBSize(ctx).Result(); err != nil || n != 0 {
		t.Errorf("%d keys are left, %v", n, err)
	}
}

// anys splits a text into its words.
func anys(text string) (all []any) {
	for word := range strings.FieldsSeq(text) {
		all = append(all, word)
	}
	return all
}

func TestExamineRedisAway(t *testing.T) {
	s, err := redislink.Open("redis://:secret@127.0.0.1:1/0", redistest.Discard)
	redistest.Must(t, err)
	defer s.Close()
	if f := finding(t, database.Examine(t.Context(), s), "redis.reachable"); f.Severity != doctor.Error {
		t.Errorf("%+v", f)
	}
	if f := finding(t, []doctor.Finding{database.Clock(t.Context(), s)}, "clock.here"); f.Severity != doctor.Note {
		t.Errorf("%+v", f)
	}
}
