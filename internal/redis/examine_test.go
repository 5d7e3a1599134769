package redis_test

import (
	"strings"
	"testing"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// finding is the one finding of a check.
func finding(t *testing.T, all []lanes.Finding, check string) lanes.Finding {
	t.Helper()
	for _, f := range all {
		if f.Severity > lanes.OK && (f.Why == "" || f.Mend == "") {
			t.Errorf("incomplete: %+v", f)
		}
		if strings.Contains(f.What+f.Why+f.Mend, "secret") {
			t.Errorf("shows a password: %+v", f)
		}
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding %s in %+v", check, all)
	return lanes.Finding{}
}

func TestExamineHealthyRedis(t *testing.T) {
	s, raw := fresh(t)
	all := append(s.Examine(t.Context()), s.ExamineClock(t.Context())...)
	if worst := lanes.Worst(all); worst != lanes.OK {
		t.Errorf("the worst is %s: %+v", worst, all)
	}
	for _, check := range []string{
		"redis.reachable", "redis.tls", "redis.version", "redis.eviction", "redis.persistence", "redis.role", "redis.mode", "redis.rights", "redis.delay", "clock.here",
	} {
		finding(t, all, check)
	}
	if n, err := raw.DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("%d keys are left, %v", n, err)
	}
}

func TestExamineRedisThatForgets(t *testing.T) {
	server, err := procs.StartRedis(t.Context(), procs.ServerOptions{Config: "maxmemory 100mb\nmaxmemory-policy allkeys-lru\nappendonly no\n"})
	must(t, err)
	defer func() { must(t, server.Stop(t.Context())) }()
	all := open(t, server.URL).Examine(t.Context())
	if f := finding(t, all, "redis.eviction"); f.Severity != lanes.Error || !strings.Contains(f.What, "allkeys-lru") || !strings.Contains(f.Mend, "CONFIG SET maxmemory-policy noeviction") {
		t.Errorf("%+v", f)
	}
	if f := finding(t, all, "redis.persistence"); f.Severity != lanes.Note || !strings.Contains(f.What, "keeps nothing on disk") {
		t.Errorf("%+v", f)
	}
}

// The mend of missing rights is enough, also for one that may not even connect.
func TestExamineRedisUserWithoutRights(t *testing.T) {
	_, raw := fresh(t)
	defer raw.Do(t.Context(), "ACL", "DELUSER", "weak")
	must(t, raw.Do(t.Context(), "ACL", "SETUSER", "weak", "on", ">secret").Err())
	_, at, _ := strings.Cut(shared.URL, "@")
	if f := finding(t, open(t, "redis://weak:secret@"+at).Examine(t.Context()), "redis.reachable"); f.Severity != lanes.Error || !strings.HasPrefix(f.Mend, "ACL SETUSER weak ") {
		t.Errorf("%+v", f)
	}
	must(t, raw.Do(t.Context(), "ACL", "SETUSER", "weak", "~siren:*", "&siren:*", "+ping", "+client|setname", "+info", "+time", "+get", "+hgetall", "+acl|whoami").Err())
	s := open(t, "redis://weak:secret@"+at)
	f := finding(t, s.Examine(t.Context()), "redis.rights")
	if f.Severity != lanes.Error || !strings.Contains(f.What, `user "weak" may not use DEL, EVAL,`) || strings.Contains(f.What, "HGETALL") {
		t.Errorf("%+v", f)
	}
	var grant []any
	for _, word := range strings.Fields(f.Mend) {
		grant = append(grant, word)
	}
	must(t, raw.Do(t.Context(), grant...).Err())
	if f := finding(t, s.Examine(t.Context()), "redis.rights"); f.Severity != lanes.OK {
		t.Errorf("with %v: %+v", grant, f)
	}
}

func TestExamineRedisAway(t *testing.T) {
	s, err := redis.Open("redis://:secret@127.0.0.1:1/0", discard)
	must(t, err)
	defer s.Close()
	if f := finding(t, s.Examine(t.Context()), "redis.reachable"); f.Severity != lanes.Error {
		t.Errorf("%+v", f)
	}
	if f := finding(t, s.ExamineClock(t.Context()), "clock.here"); f.Severity != lanes.Note {
		t.Errorf("%+v", f)
	}
}
