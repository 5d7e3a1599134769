package database

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
)

// facts are what INFO says, by field, and what CONFIG GET says of "save", where that may be asked.
type facts map[string]string

func (f facts) number(key string) int64 {
	n, _ := strconv.ParseInt(f[key], 10, 64)
	return n
}

// judgeUnreachable says what to do about a Redis that doesn't let us in; login is who was refused his rights, if
// anybody was.
func judgeUnreachable(err error, login string, roles []string) doctor.Finding {
	fix := "check the URL, the network on the way, and that Redis runs: redis-cli ping"
	switch {
	case login != "":
		fix = grantTo(login, roles)
	case errors.Is(err, lanes.ErrRefused):
		fix = "check user and password in the URL, and that there is such a user: ACL LIST; siren redis-acl prints " +
			"those " +
			"that Siren needs"
	}
	return doctor.Check("redis.reachable").Error(err.Error(),
		"jobs run without claims and records, workers aren't seen, and nobody scales", fix)
}

// judgeEncryption says whether the password and the records travel in the clear.
func judgeEncryption(addresses []string, secure bool, err error) doctor.Finding {
	const tls = doctor.Check("redis.tls")
	if err != nil || secure {
		return tls.OK("the connection is encrypted (TLS)")
	}
	for _, address := range addresses {
		host, _, _ := net.SplitHostPort(address)
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return tls.Note("the connection isn't encrypted",
				"whoever can listen between here and Redis reads the password and every record",
				"give Redis a certificate (tls-port 6380, tls-cert-file, …), and write rediss:// in the URL")
		}
	}
	return tls.OK("the connection isn't encrypted, and stays on this machine")
}

// judgeSilent says what isn't known of a Redis that doesn't answer INFO.
func judgeSilent(err error) doctor.Finding {
	return doctor.Check("redis.info").Note("version, eviction and persistence couldn't be looked at: "+err.Error(),
		"claims and records vanish from one that evicts",
		"let the user ask (ACL SETUSER … +info), or set maxmemory-policy noeviction and appendonly yes yourself")
}

// judgeServer says what the facts of a Redis mean for Siren.
func judgeServer(f facts) []doctor.Finding {
	return []doctor.Finding{judgeVersion(f), judgeEviction(f), judgePersistence(f), judgeRole(f), judgeMode(f)}
}

// oldest is the major version of Redis that Siren needs.
const oldest = 7

func judgeVersion(f facts) doctor.Finding {
	const check = doctor.Check("redis.version")
	name, version := "Redis", f["redis_version"]
	if f["server_name"] == "valkey" || f["valkey_version"] != "" {
		name, version = "Valkey", f["valkey_version"]
	}
	first, _, _ := strings.Cut(version, ".")
	switch major, err := strconv.Atoi(first); {
	case err != nil:
		return check.Note("it doesn't say which version of Redis it is",
			"Siren is tested with Redis 7 and 8, and Valkey",
			"ask whoever runs it for its version: 7 or newer")
	case name == "Redis" && major < oldest:
		return check.Error(name+" "+version,
			fmt.Sprintf("Siren is tested with Redis %d and newer; older ones lack commands and permissions that it "+
				"uses",
				oldest),
			"upgrade it to Redis 7 or newer, or Valkey")
	}
	return check.OK(name + " " + version)
}

// judgeEviction says whether records can vanish, or soon nothing can be written any more.
func judgeEviction(f facts) doctor.Finding {
	const (
		check = doctor.Check("redis.eviction")
		set   = "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf; a managed one has it among its " +
			"parameters"
	)
	policy, limit, used := f["maxmemory_policy"], f.number("maxmemory"), f.number("used_memory")
	switch {
	case policy == "":
		return check.Note("it doesn't say its maxmemory-policy",
			"with any other than noeviction, claims and records vanish when its memory is full",
			"set maxmemory-policy to noeviction where it is configured")
	case policy != "noeviction" && limit > 0:
		return check.Error(fmt.Sprintf("maxmemory-policy is %s, with %s of %s used", policy, size(used), size(limit)),
			"when its memory is full, claims, records and tunings vanish: jobs run twice (their results don't), and "+
				"pauses "+
				"end unseen", set)
	case policy != "noeviction":
		return check.Warning(fmt.Sprintf("maxmemory-policy is %s; nothing is evicted as long as maxmemory isn't set",
			policy),
			"with a limit, claims, records and tunings would vanish when the memory is full", set)
	case limit == 0:
		return check.OK(fmt.Sprintf("nothing is evicted (noeviction); %s used, without a limit", size(used)))
	case used > limit/10*9:
		return check.Warning(fmt.Sprintf("its memory is nearly full: %s of %s", size(used), size(limit)),
			"a full one refuses to write: it counts as away, and jobs run without claims and records",
			"CONFIG SET maxmemory to more, or keep records for a shorter time: timing.keep in the policy")
	}
	return check.OK(fmt.Sprintf("nothing is evicted (noeviction); %s of %s used", size(used), size(limit)))
}

// judgePersistence says what a restart would forget.
func judgePersistence(f facts) doctor.Finding {
	const (
		check = doctor.Check("redis.persistence")
		keep  = "CONFIG SET appendonly yes, and appendonly yes in redis.conf; or run replicas"
	)
	saves, asked := f["save"]
	switch {
	case f["aof_enabled"] == "1" && (f["aof_last_write_status"] == "err" || f["aof_last_bgrewrite_status"] == "err"):
		return check.Error("it can't write its append-only file",
			"it refuses to write, or forgets at a restart what it has taken",
			"look at its log and at the space on its disk; INFO persistence has to say aof_last_write_status:ok")
	case f["aof_enabled"] == "1":
		return check.OK("it appends every change to a file, which it reads when it restarts; whether the file " +
			"outlives its pod or its machine can't be seen from here")
	case f["rdb_last_bgsave_status"] == "err":
		return check.Error("its last snapshot to disk (RDB) failed",
			"by default it then refuses to write, and counts as away",
			"look at its log and at the space on its disk; BGSAVE once it is fixed")
	case f.number("connected_slaves") > 0:
		return check.OK("it has replicas, which take over what it knows")
	case asked && saves != "", !asked && f.number("rdb_saves") > 0, !asked && f["rdb_saves"] == "" &&
		f["rdb_last_save_time"] != "":
		return check.Note("it writes snapshots to its disk now and then (RDB), and no append-only file",
			"a restart forgets the last minutes: records, dead letters in the list, the audit log, tunings. "+
				"No job is lost: jobs are in RabbitMQ", keep)
	}
	return check.Note("it keeps nothing on disk, and has no replicas",
		"a restart forgets all records, the list of dead letters, the audit log, and tunings where Kubernetes "+
			"doesn't keep "+
			"them. "+
			"No job is lost: jobs are in RabbitMQ", keep)
}

// Ephemeral finds that the disk goes with the pod, which a Redis can't tell of itself.
func Ephemeral() doctor.Finding {
	return doctor.Check("redis.disk").Note("its disk is an emptyDir, which goes with its pod",
		"when the pod is deleted or evicted, all records, the list of dead letters and the audit log are forgotten. "+
			"No job is lost: jobs are in RabbitMQ",
		"redis.persistence.enabled: true in the chart's values, or a Redis of your own; to try Siren nothing")
}

func judgeRole(f facts) doctor.Finding {
	const check = doctor.Check("redis.role")
	if role := f["role"]; role != "" && role != "master" {
		return check.Error("it is a replica of "+f["master_host"],
			"a replica refuses writes: it counts as away, and jobs run without claims",
			"name the primary in the URL, or the sentinels: redis+sentinel://…/mastername")
	}
	return check.OK("it is the primary, and takes writes")
}

func judgeMode(f facts) doctor.Finding {
	const check = doctor.Check("redis.mode")
	if f["redis_mode"] == "cluster" || f["cluster_enabled"] == "1" {
		return judgeCluster()
	}
	return check.OK("it is no cluster")
}

// judgeCluster says what a Redis Cluster means: nothing of Siren connects to one.
func judgeCluster() doctor.Finding {
	return doctor.Check("redis.mode").Error("it is a Redis Cluster",
		"Siren asks one primary for everything; a cluster answers for a part of the keys only",
		"use a Redis with cluster mode off; one is enough for thousands of jobs a second")
}

// judgeDelay says how long an answer takes: each job asks some times, and each worker every second.
func judgeDelay(took time.Duration) doctor.Finding {
	return doctor.Delay("redis.delay", "it", took,
		"each job asks it a few times before it starts, and a call times out after "+redislink.IOTimeout.String(),
		"run Siren near it, and look for slow commands of others: SLOWLOG GET")
}

// The bounds of a clock that is off.
const (
	fairOffset = time.Second
	badOffset  = time.Minute
)

const clock = doctor.Check("clock.here")

// judgeClock says what it means that this machine's clock is ahead of that of Redis (behind, when negative).
func judgeClock(ahead, doubt time.Duration) doctor.Finding {
	off := ahead.Abs() - doubt
	if off <= fairOffset {
		return clock.OK(fmt.Sprintf("this machine's clock and that of Redis differ by %s (±%s)",
			ahead.Abs().Round(100*time.Microsecond), doubt.Round(100*time.Microsecond)))
	}
	f := clock.Warning(fmt.Sprintf("this machine's clock is %s %s that of Redis",
		ahead.Abs().Round(100*time.Millisecond),
		map[bool]string{true: "ahead of", false: "behind"}[ahead > 0]),
		"waits, objectives and the times of retries depend on the clocks of several machines",
		"run a time service on both: timedatectl set-ntp true (chrony or systemd-timesyncd)")
	if off > badOffset {
		f.Severity = doctor.Error
	}
	return f
}

func size(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
}
