package redis

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
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
		severity lanes.Severity
		says     string
	}{
		{"as it should be", nil, "redis.version", lanes.OK, "Redis 7.0.15"},
		{"old", facts{"redis_version": "6.2.1"}, "redis.version", lanes.Error, "6.2.1"},
		{"Valkey, which says that it is Redis too", facts{"redis_version": "7.2.4", "valkey_version": "8.1.0", "server_name": "valkey"}, "redis.version", lanes.OK, "Valkey 8.1.0"},
		{"no version", facts{"redis_version": ""}, "redis.version", lanes.Note, "doesn't say"},
		{"evicts", facts{"maxmemory_policy": "volatile-lru"}, "redis.eviction", lanes.Error, "volatile-lru"},
		{"would evict", facts{"maxmemory_policy": "allkeys-lru", "maxmemory": "0"}, "redis.eviction", lanes.Warning, "as long as maxmemory isn't set"},
		{"nearly full", facts{"used_memory": "950000"}, "redis.eviction", lanes.Warning, "nearly full"},
		{"no word of eviction", facts{"maxmemory_policy": ""}, "redis.eviction", lanes.Note, "doesn't say"},
		{"no limit", facts{"maxmemory": "0"}, "redis.eviction", lanes.OK, "without a limit"},
		{"nothing kept", facts{"aof_enabled": "0", "save": ""}, "redis.persistence", lanes.Note, "keeps nothing"},
		{"snapshots", facts{"aof_enabled": "0", "save": "3600 1"}, "redis.persistence", lanes.Note, "snapshots"},
		{"replicas", facts{"aof_enabled": "0", "save": "", "connected_slaves": "1"}, "redis.persistence", lanes.OK, "replicas"},
		{"a full disk", facts{"aof_last_write_status": "err"}, "redis.persistence", lanes.Error, "can't write"},
		{"a failed snapshot", facts{"aof_enabled": "0", "rdb_last_bgsave_status": "err"}, "redis.persistence", lanes.Error, "failed"},
		{"a replica", facts{"role": "slave", "master_host": "10.0.0.1"}, "redis.role", lanes.Error, "replica of 10.0.0.1"},
		{"a cluster", facts{"redis_mode": "cluster"}, "redis.mode", lanes.Error, "Cluster"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := maps.Clone(healthy)
			maps.Copy(f, c.change)
			for _, found := range judgeServer(f) {
				if found.Check != c.check {
					if found.Severity != lanes.OK {
						t.Errorf("also: %+v", found)
					}
					continue
				}
				if found.Severity != c.severity || !strings.Contains(found.What, c.says) {
					t.Errorf("%+v, want %s: …%s…", found, c.severity, c.says)
				}
				if found.Severity > lanes.OK && (found.Why == "" || found.Mend == "") {
					t.Errorf("incomplete: %+v", found)
				}
			}
		})
	}
}

func TestJudgeClock(t *testing.T) {
	for _, c := range []struct {
		ahead, doubt time.Duration
		want         lanes.Severity
		says         string
	}{
		{3 * time.Millisecond, time.Millisecond, lanes.OK, "differ by 3ms"},
		{-900 * time.Millisecond, 0, lanes.OK, "differ by 900ms"},
		{5 * time.Second, 4500 * time.Millisecond, lanes.OK, "±4.5s"}, // so slow a line tells no more
		{-5 * time.Second, 0, lanes.Warning, "5s behind that of Redis"},
		{45 * time.Minute, 0, lanes.Error, "45m0s ahead of that of Redis"},
	} {
		f := judgeClock(c.ahead, c.doubt)
		if f.Severity != c.want || !strings.Contains(f.What, c.says) {
			t.Errorf("%s ± %s: %+v", c.ahead, c.doubt, f)
		}
	}
}

func TestJudgeRights(t *testing.T) {
	if f := judgeRights("default", nil, nil); f.Severity != lanes.OK {
		t.Errorf("%+v", f)
	}
	f := judgeRights("siren", nil, map[string]error{"SET": errors.New("OOM command not allowed"), "HSET": errors.New("OOM command not allowed")})
	if f.Severity != lanes.Error || !strings.Contains(f.What, "HSET: OOM command not allowed; SET: ") {
		t.Errorf("%+v", f)
	}
}

// What is tried is what the package uses: in its scripts, and through go-redis.
func TestCommandsAreThoseInUse(t *testing.T) {
	tried := map[string]bool{"PING": true, "SUBSCRIBE": true}
	for _, args := range commands("siren:doctor:x") {
		tried[fmt.Sprint(args[0])] = true
	}
	used := map[string]bool{"PING": true, "SUBSCRIBE": true, "EVAL": true, "EVALSHA": true}
	scripts, _ := filepath.Glob("lua/*.lua")
	sources, _ := filepath.Glob("*.go")
	inScript, inGo := regexp.MustCompile(`redis\.call\('([A-Z]+)'`), regexp.MustCompile(`\b(?:client|p|pipe|c)\.([A-Z][A-Za-z]+)\(ctx`)
	for _, path := range append(scripts, sources...) {
		if strings.HasSuffix(path, "_test.go") || path == "examine.go" || path == "sentinel.go" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range append(inScript.FindAllStringSubmatch(string(text), -1), inGo.FindAllStringSubmatch(string(text), -1)...) {
			name := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(found[1]), "WITHSCORES"), "RANGEN")
			switch {
			case name != strings.TrimSuffix(strings.ToUpper(found[1]), "WITHSCORES"):
				name += "RANGE" // XRangeN
			case name == "ZADDNX":
				name = "ZADD"
			case name == "PIPELINED", name == "EXEC", name == "DO": // not commands, or one that it can do without: HELLO
				continue
			}
			used[name] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(tried)), slices.Sorted(maps.Keys(used)); !slices.Equal(got, want) {
		t.Errorf("tried are\n%v\nused are\n%v", got, want)
	}
}
