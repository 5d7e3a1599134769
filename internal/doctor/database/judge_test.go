package database

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/lanes/role"
)

func TestJudgeServer(t *testing.T) {
	healthy := facts{
		"redis_version": "7.0.15", "maxmemory_policy": "noeviction", "maxmemory": "1000000", "used_memory": "1000",
		"aof_enabled": "1", "aof_last_write_status": "ok", "role": "master", "redis_mode": "standalone",
	}
	for _, c := range []struct {
		name     string
		change   facts
		check    string
		severity doctor.Severity
		says     string
	}{
		{"as it should be", nil, "redis.version", doctor.OK, "Redis 7.0.15"},
		{"old", facts{"redis_version": "6.2.1"}, "redis.version", doctor.Error, "6.2.1"},
		{
			"Valkey, which says that it is Redis too",
			facts{"redis_version": "7.2.4", "valkey_version": "8.1.0", "server_name": "valkey"},
			"redis.version",
			doctor.OK, "Valkey 8.1.0",
		},
		{"no version", facts{"redis_version": ""}, "redis.version", doctor.Note, "doesn't say"},
		{"evicts", facts{"maxmemory_policy": "volatile-lru"}, "redis.eviction", doctor.Error, "volatile-lru"},
		{
			"would evict",
			facts{"maxmemory_policy": "allkeys-lru", "maxmemory": "0"},
			"redis.eviction", doctor.Warning,
			"as long as maxmemory isn't set",
		},
		{"nearly full", facts{"used_memory": "950000"}, "redis.eviction", doctor.Warning, "nearly full"},
		{"no word of eviction", facts{"maxmemory_policy": ""}, "redis.eviction", doctor.Note, "doesn't say"},
		{"no limit", facts{"maxmemory": "0"}, "redis.eviction", doctor.OK, "without a limit"},
		{
			"an append-only file, on a disk of which nothing is known",
			facts{},
			"redis.persistence", doctor.OK,
			"whether the file outlives its pod or its machine can't be seen",
		},
		{"nothing kept", facts{"aof_enabled": "0", "save": ""}, "redis.persistence", doctor.Note, "keeps nothing"},
		{"snapshots", facts{"aof_enabled": "0", "save": "3600 1"}, "redis.persistence", doctor.Note, "snapshots"},
		{
			"replicas",
			facts{"aof_enabled": "0", "save": "", "connected_slaves": "1"},
			"redis.persistence", doctor.OK,
			"replicas",
		},
		{"a full disk", facts{"aof_last_write_status": "err"}, "redis.persistence", doctor.Error, "can't write"},
		{
			"a failed snapshot",
			facts{"aof_enabled": "0", "rdb_last_bgsave_status": "err"},
			"redis.persistence",
			doctor.Error, "failed",
		},
		{
			"a replica",
			facts{"role": "slave", "master_host": "10.0.0.1"},
			"redis.role", doctor.Error,
			"replica of 10.0.0.1",
		},
		{"a cluster", facts{"redis_mode": "cluster"}, "redis.mode", doctor.Error, "Cluster"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := maps.Clone(healthy)
			maps.Copy(f, c.change)
			for _, found := range judgeServer(f) {
				if found.Check != c.check {
					if found.Severity != doctor.OK {
						t.Errorf("also: %+v", found)
					}
					continue
				}
				if found.Severity != c.severity || !strings.Contains(found.What, c.says) {
					t.Errorf("%+v, want %s: …%s…", found, c.severity, c.says)
				}
				if found.Severity > doctor.OK && (found.Why == "" || found.Fix == "") {
					t.Errorf("incomplete: %+v", found)
				}
			}
		})
	}
}

func TestJudgeClock(t *testing.T) {
	for _, c := range []struct {
		ahead, doubt time.Duration
		want         doctor.Severity
		says         string
	}{
		{3 * time.Millisecond, time.Millisecond, doctor.OK, "differ by 3ms"},
		{-900 * time.Millisecond, 0, doctor.OK, "differ by 900ms"},
		{5 * time.Second, 4500 * time.Millisecond, doctor.OK, "±4.5s"}, // so slow a line tells no more
		{-5 * time.Second, 0, doctor.Warning, "5s behind that of Redis"},
		{45 * time.Minute, 0, doctor.Error, "45m0s ahead of that of Redis"},
	} {
		f := judgeClock(c.ahead, c.doubt)
		if f.Severity != c.want || !strings.Contains(f.What, c.says) {
			t.Errorf("%s ± %s: %+v", c.ahead, c.doubt, f)
		}
	}
}

func TestJudgeRights(t *testing.T) {
	worker := []string{role.Worker}
	everything := trial{}
	asWorker := trial{refused: map[access.Use]bool{}}
	for _, u := range access.Uses(access.Roles()...) {
		asWorker.refused[u] = !slices.Contains(access.Uses(worker...), u)
	}
	oom := errors.New("OOM command not allowed")
	for name, c := range map[string]struct {
		roles []string
		trial trial
		want  doctor.Severity
		says  string
	}{
		"just enough": {
			worker, asWorker, doctor.OK,
			`login "me" may do what a worker does, and nothing else`,
		},
		"too little": {
			[]string{role.Scaler},
			asWorker, doctor.Error,
			`login "me" may not do all that a scaler does: EVAL siren:policy, `,
		},
		"too much": {worker, everything, doctor.Note, `may do more than a worker does: `},
		"all roles": {
			access.Roles(), everything, doctor.OK,
			"may do what a worker and a scaler and a producer and an operator and a gateway does",
		},
		"Redis can't": {access.Roles(), trial{failed: map[access.Use]error{{
			Pattern: "siren:jobs",
			Command: "ZADD",
		}: oom, {
			Pattern: "siren:dead",
			Command: "ZADD",
		}: oom}}, doctor.Error, "ZADD siren:dead: OOM command not allowed, ZADD siren:jobs: "},
		"it couldn't be tried": {worker, trial{err: errors.New("NOPERM")}, doctor.Note, "couldn't be tried: NOPERM"},
		"too little and trying": {
			worker,
			trial{err: errors.New("NOPERM"), refused: asWorker.refused},
			doctor.Note,
			"couldn't be tried: NOPERM",
		},
	} {
		f := judgeRights("me", c.roles, c.trial)
		if f.Severity != c.want || !strings.Contains(f.What, c.says) || f.Severity > doctor.OK &&
			(f.Why == "" || f.Fix == "") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestEachUseHasAnExample(t *testing.T) {
	for _, u := range access.Uses(access.Roles()...) {
		if _, ok := examples[u.Command]; !ok && u.Command != "MULTI" && u.Command != "DISCARD" {
			t.Errorf("no example of %s", u.Command)
		}
	}
}

func TestTellingUsesAreUses(t *testing.T) {
	for _, u := range telling {
		if !slices.Contains(access.Uses(access.Roles()...), u) {
			t.Errorf("no role does %s: it tells nothing", u)
		}
	}
}

func TestEphemeral(t *testing.T) {
	if f := Ephemeral(); f.Severity != doctor.Note || !strings.Contains(f.What, "emptyDir") {
		t.Errorf("%+v", f)
	}
}
