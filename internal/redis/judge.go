package redis

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
)

// facts are what INFO says, by field, and what CONFIG GET says of "save", where that may be asked.
type facts map[string]string

// parseInfo reads the answer of INFO.
func parseInfo(text string) facts {
	f := facts{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && !strings.HasPrefix(key, "#") {
			f[key] = value
		}
	}
	return f
}

func (f facts) number(key string) int64 {
	n, _ := strconv.ParseInt(f[key], 10, 64)
	return n
}

// judgeServer is what the facts of a Redis mean for Siren.
func judgeServer(f facts) []doctor.Finding {
	return []doctor.Finding{judgeVersion(f), judgeEviction(f), judgePersistence(f), judgeRole(f), judgeMode(f)}
}

// oldest is the major version of Redis that Siren needs.
const oldest = 7

func judgeVersion(f facts) doctor.Finding {
	name, version := "Redis", f["redis_version"]
	if f["server_name"] == "valkey" || f["valkey_version"] != "" {
		name, version = "Valkey", f["valkey_version"]
	}
	finding := doctor.Finding{Check: "redis.version", What: name + " " + version}
	first, _, _ := strings.Cut(version, ".")
	switch major, err := strconv.Atoi(first); {
	case err != nil:
		finding.Severity = doctor.Note
		finding.What = "it doesn't say which version of Redis it is"
		finding.Why = "Siren is tested with Redis 7 and 8, and Valkey"
		finding.Mend = "look its version up at whoever runs it: 7 or newer"
	case name == "Redis" && major < oldest:
		finding.Severity = doctor.Error
		finding.Why = fmt.Sprintf("Siren is tested with Redis %d and newer; older ones lack commands and permissions that it uses", oldest)
		finding.Mend = "upgrade it to Redis 7 or newer, or Valkey"
	}
	return finding
}

// judgeEviction is whether records can vanish, or soon nothing can be written any more.
func judgeEviction(f facts) doctor.Finding {
	policy, limit, used := f["maxmemory_policy"], f.number("maxmemory"), f.number("used_memory")
	finding := doctor.Finding{Check: "redis.eviction"}
	full := limit > 0 && used > limit/10*9
	switch {
	case policy == "":
		finding.Severity = doctor.Note
		finding.What = "it doesn't say its maxmemory-policy"
		finding.Why = "with any other than noeviction, claims and records vanish when its memory is full"
		finding.Mend = "set maxmemory-policy to noeviction where it is configured"
	case policy != "noeviction" && limit > 0:
		finding.Severity = doctor.Error
		finding.What = fmt.Sprintf("maxmemory-policy is %s, with %s of %s used", policy, size(used), size(limit))
		finding.Why = "when its memory is full, claims, records and tunings vanish: jobs run twice (their results don't), and pauses end unseen"
		finding.Mend = "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf; a managed one has it among its parameters"
	case policy != "noeviction":
		finding.Severity = doctor.Warning
		finding.What = fmt.Sprintf("maxmemory-policy is %s; nothing is evicted as long as maxmemory isn't set", policy)
		finding.Why = "with a limit, claims, records and tunings would vanish when the memory is full"
		finding.Mend = "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf; a managed one has it among its parameters"
	case full:
		finding.Severity = doctor.Warning
		finding.What = fmt.Sprintf("its memory is nearly full: %s of %s", size(used), size(limit))
		finding.Why = "a full one refuses to write: it counts as away, and jobs run without claims and records"
		finding.Mend = "CONFIG SET maxmemory to more, or keep records for a shorter time: timing.keep in the policy"
	case limit == 0:
		finding.What = fmt.Sprintf("nothing is evicted (noeviction); %s used, without a limit", size(used))
	default:
		finding.What = fmt.Sprintf("nothing is evicted (noeviction); %s of %s used", size(used), size(limit))
	}
	return finding
}

// judgePersistence is what a restart would forget.
func judgePersistence(f facts) doctor.Finding {
	finding := doctor.Finding{Check: "redis.persistence"}
	saves, asked := f["save"]
	switch {
	case f["aof_enabled"] == "1" && f["aof_last_write_status"] == "err", f["aof_enabled"] == "1" && f["aof_last_bgrewrite_status"] == "err":
		finding.Severity = doctor.Error
		finding.What = "it can't write its append-only file"
		finding.Why = "it refuses to write, or forgets at a restart what it has taken"
		finding.Mend = "look at its log and at the space on its disk; INFO persistence has to say aof_last_write_status:ok"
	case f["aof_enabled"] == "1":
		finding.What = "it writes every change to its disk (append-only file)"
	case f["rdb_last_bgsave_status"] == "err":
		finding.Severity = doctor.Error
		finding.What = "its last snapshot to disk (RDB) failed"
		finding.Why = "by default it then refuses to write, and counts as away"
		finding.Mend = "look at its log and at the space on its disk; BGSAVE once it is mended"
	case f.number("connected_slaves") > 0:
		finding.What = "it has replicas, which take over what it knows"
	case asked && saves != "", !asked && f.number("rdb_saves") > 0, !asked && f["rdb_saves"] == "" && f["rdb_last_save_time"] != "":
		finding.Severity = doctor.Note
		finding.What = "it writes snapshots to its disk now and then (RDB), and no append-only file"
		finding.Why = "a restart forgets the last minutes: records, dead letters in the list, the audit log, tunings. No job is lost: jobs are in RabbitMQ"
		finding.Mend = "CONFIG SET appendonly yes, and appendonly yes in redis.conf; or run replicas"
	default:
		finding.Severity = doctor.Note
		finding.What = "it keeps nothing on disk, and has no replicas"
		finding.Why = "a restart forgets all records, the list of dead letters, the audit log, and tunings where Kubernetes doesn't keep them. No job is lost: jobs are in RabbitMQ"
		finding.Mend = "CONFIG SET appendonly yes, and appendonly yes in redis.conf; or run replicas"
	}
	return finding
}

func judgeRole(f facts) doctor.Finding {
	finding := doctor.Finding{Check: "redis.role", What: "it is the primary, and takes writes"}
	if role := f["role"]; role != "" && role != "master" {
		finding.Severity = doctor.Error
		finding.What = "it is a replica of " + f["master_host"]
		finding.Why = "a replica refuses writes: it counts as away, and jobs run without claims"
		finding.Mend = "name the primary in the URL, or the sentinels: redis+sentinel://…/mastername"
	}
	return finding
}

func judgeMode(f facts) doctor.Finding {
	finding := doctor.Finding{Check: "redis.mode", What: "it is no cluster"}
	if f["redis_mode"] == "cluster" || f["cluster_enabled"] == "1" {
		finding.Severity = doctor.Error
		finding.What = "it is a Redis Cluster"
		finding.Why = "Siren asks one primary for everything; a cluster answers for a part of the keys only"
		finding.Mend = "use a Redis with cluster mode off; one is enough for thousands of jobs a second"
	}
	return finding
}

// judgeRights is what it means for the roles what this login may do.
func judgeRights(login string, roles []string, t trial) doctor.Finding {
	needed, role := uses(roles...), strings.ReplaceAll("a "+strings.Join(roles, " and a "), "a operator", "an operator")
	f := doctor.Finding{Check: "redis.rights", What: fmt.Sprintf("login %q may do what %s does, and nothing else of Siren's", login, role)}
	var lacks, more []string
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
	switch {
	case t.err != nil:
		f.Severity = doctor.Note
		f.What = fmt.Sprintf("what login %q may do couldn't be tried: %v", login, t.err)
		f.Why = "a right that it lacks shows when it is needed"
		f.Mend = grantTo(login, roles)
	case len(lacks) > 0:
		f.Severity = doctor.Error
		f.What = fmt.Sprintf("login %q may not do all that %s does: %s", login, role, some(lacks))
		f.Why = "what is refused doesn't happen: jobs run without claims, nobody sees or sizes them, or isn't told what became of them"
		f.Mend = grantTo(login, roles)
	case len(t.failed) > 0:
		f.Severity = doctor.Error
		var failed []string
		for u, err := range t.failed {
			failed = append(failed, fmt.Sprintf("%s: %v", u, err))
		}
		slices.Sort(failed)
		f.What = "it fails at what Siren asks of it: " + some(failed)
		f.Why = "it counts as away: jobs run without claims, and nobody sees them"
		f.Mend = "its log says why; LOADING and MASTERDOWN end by themselves, MISCONF and OOM want disk or memory"
	case len(more) > 0:
		f.Severity = doctor.Note
		f.What = fmt.Sprintf("login %q may do more than %s does: %s", login, role, some(more))
		f.Why = "whoever gets hold of this URL may do it too: pause lanes, cancel jobs, change the policy in force"
		f.Mend = "give each role a login of its own: siren redis-acl prints them"
	}
	return f
}

// some is the first few of many.
func some(all []string) string {
	const most = 6
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s, … (%d in all)", strings.Join(all[:most], ", "), len(all))
}

// grantTo is how a login gets what the roles need.
func grantTo(login string, roles []string) string {
	return fmt.Sprintf("siren redis-acl --user %s --role %s prints the rights that it needs", login, strings.Join(roles, ","))
}

// judgeDelay is how long an answer takes: each job asks some times, and each worker every second.
func judgeDelay(took time.Duration) doctor.Finding {
	f := doctor.Finding{Check: "redis.delay", What: fmt.Sprintf("it answers within %s", took.Round(10*time.Microsecond))}
	if took > 100*time.Millisecond {
		f.Severity = doctor.Warning
		f.Why = "each job asks it some times before it starts, and a call is given up after " + IOTimeout.String()
		f.Mend = "run Siren near it, and look for slow commands of others: SLOWLOG GET"
	}
	return f
}

// The bounds of a clock that is off.
const (
	fairOffset = time.Second
	badOffset  = time.Minute
)

// judgeClock is what it means that this machine's clock is ahead of that of Redis (behind, when negative).
func judgeClock(ahead, doubt time.Duration) doctor.Finding {
	f := doctor.Finding{Check: "clock.here", What: fmt.Sprintf("this machine's clock and that of Redis differ by %s (±%s)", ahead.Abs().Round(100*time.Microsecond), doubt.Round(100*time.Microsecond))}
	if off := ahead.Abs() - doubt; off > fairOffset {
		f.Severity = doctor.Warning
		if off > badOffset {
			f.Severity = doctor.Error
		}
		f.What = fmt.Sprintf("this machine's clock is %s %s that of Redis", ahead.Abs().Round(100*time.Millisecond), map[bool]string{true: "ahead of", false: "behind"}[ahead > 0])
		f.Why = "waits, objectives and the times of retries are told by clocks of several machines"
		f.Mend = "run a time service on both: timedatectl set-ntp true (chrony or systemd-timesyncd)"
	}
	return f
}

func size(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
}
