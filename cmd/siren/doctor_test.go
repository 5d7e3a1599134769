package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/lanes"
)

// Servers as they come: a Redis that evicts and keeps nothing, a RabbitMQ with a policy that ends jobs, and a user without rights.
func TestDoctorOnIllServers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	broker, err := procs.StartRabbitMQ(t.Context(), procs.ServerOptions{
		Plugins: []string{"rabbitmq_management"}, Config: fmt.Sprintf("management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %d\n", port),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = broker.Stop(context.Background()) }()
	store, err := procs.StartRedis(t.Context(), procs.ServerOptions{Config: "maxmemory 100mb\nmaxmemory-policy allkeys-lru\nappendonly no\n"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Stop(context.Background()) }()
	for _, args := range [][]string{
		{"add_user", "weak", "topsecret"},
		{"set_permissions", "weak", "^$", "^$", "^$"},
		{"set_policy", "--apply-to", "queues", "short lived", `^siren\.`, `{"message-ttl":60000}`},
	} {
		if _, err := broker.Rabbitmqctl(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	weak, err := url.Parse(broker.URL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := weak.User.Password()
	management := (&url.URL{Scheme: "http", User: weak.User, Host: fmt.Sprintf("127.0.0.1:%d", port)}).String()
	weak.User = url.UserPassword("weak", "topsecret")

	said := &strings.Builder{}
	code := run([]string{
		"doctor", "--amqp-url", weak.String(), "--redis-url", store.URL, "--management-url", management,
		"--policy", "../../lanes/testdata/siren.yaml", "--only", "broker,redis,fleet", "--role", "producer", "-o", "json",
	}, streams{out: said, err: said})
	var r doctorReport
	if err := json.Unmarshal([]byte(said.String()), &r); err != nil {
		t.Fatalf("%v in\n%s", err, said)
	}
	if code != exit.Failed || r.Worst != doctor.Error || r.Errors+r.Warnings+r.Notes+r.OK != len(r.Findings) {
		t.Errorf("exit code %d, %+v", code, r)
	}
	for _, want := range []doctor.Finding{
		{Check: "broker.rights.producer", Severity: doctor.Error, Mend: `rabbitmqctl set_permissions --vhost '/' 'weak' '^$' '^siren\.jobs$' '^$'`},
		{Check: "broker.policies", Severity: doctor.Error, Mend: "rabbitmqctl clear_policy --vhost '/' 'short lived'"},
		{Check: "redis.eviction", Severity: doctor.Error, Mend: "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf; a managed one has it among its parameters"},
		{Check: "redis.persistence", Severity: doctor.Note, Mend: "CONFIG SET appendonly yes, and appendonly yes in redis.conf; or run replicas"},
		{Check: "fleet.leader", Severity: doctor.Warning, Mend: "start `siren scaler`; on Kubernetes: kubectl get lease siren-scaler; kubectl logs -l app.kubernetes.io/component=scaler"},
	} {
		if !slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool {
			return f.Check == want.Check && f.Severity == want.Severity && f.Mend == want.Mend
		}) {
			t.Errorf("no finding %+v in\n%s", want, said)
		}
	}
	for _, secret := range []string{"topsecret", password} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("a password shows:\n%s", said)
		}
	}
}

func TestJudgeFleet(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	policy, err := localPolicy(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	healthy := func() fleetFacts {
		return fleetFacts{
			now: now, version: "v1", file: policy, inForce: &lanes.Effective{Revision: 3, Policy: *policy},
			snapshot: &lanes.Snapshot{At: now.Add(-time.Second), Leader: "s1"},
			workers:  []lanes.Heartbeat{{Worker: "w1", At: now, Version: "v1", Revision: 3, Subscribed: true}},
		}
	}
	if found := judgeFleet(healthy()); doctor.Worst(found) != doctor.OK {
		t.Errorf("a healthy fleet: %+v", found)
	}
	other, err := localPolicy("/elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		change   func(f *fleetFacts)
		check    string
		severity doctor.Severity
		says     string
	}{
		{"never a leader", func(f *fleetFacts) { f.snapshot = nil }, "fleet.leader", doctor.Warning, "no scaler has ever led"},
		{"no leader any more", func(f *fleetFacts) { f.snapshot.At = now.Add(-time.Minute) }, "fleet.leader", doctor.Error, "s1 was the last, 60s ago"},
		{"a wrong file", func(f *fleetFacts) { f.file, f.wrong = nil, errors.New("lanes[0]: no") }, "fleet.policy", doctor.Error, "lanes[0]: no"},
		{"another file", func(f *fleetFacts) { f.file = other }, "fleet.inforce", doctor.Warning, "isn't the one in force"},
		{"a tuned policy of that file", func(f *fleetFacts) {
			tuned := *policy
			tuned.Budget++
			f.inForce.Policy, f.inForce.File = tuned, policy
		}, "fleet.inforce", doctor.OK, "is in force"},
		{"none in force", func(f *fleetFacts) { f.inForce = nil }, "fleet.inforce", doctor.Warning, "no policy is in force"},
		{"refused", func(f *fleetFacts) { f.snapshot.Refused = "queue x" }, "fleet.refused", doctor.Error, "queue x"},
		{"idle tunings", func(f *fleetFacts) { f.inForce.Idle = make([]lanes.IdleTuning, 2) }, "fleet.tunings", doctor.Warning, "2 tunings can't be in force"},
		{"missing jobs", func(f *fleetFacts) {
			f.missing, f.missingIn = 3, map[string]int{"express": 1, "bulk": 2}
		}, "fleet.missing", doctor.Warning, "3 jobs are missing: 2 of lane bulk, 1 of lane express"},
		{"more recorded than waits", func(f *fleetFacts) {
			f.snapshot.Lanes = []lanes.LaneStatus{{Name: "bulk", Excess: 1}}
		}, "fleet.missing", doctor.Note, "lane bulk: at least 1 job is recorded as queued"},
		{"a silent worker", func(f *fleetFacts) { f.workers[0].At = now.Add(-time.Minute) }, "fleet.workers", doctor.Warning, "silent: w1"},
		{"a worker without broker", func(f *fleetFacts) { f.workers[0].Subscribed = false }, "fleet.workers", doctor.Error, "without RabbitMQ: w1"},
		{"a worker that has just begun", func(f *fleetFacts) {
			f.workers[0].Subscribed, f.workers[0].Began = false, f.workers[0].At.Add(-time.Second)
		}, "fleet.workers", doctor.Note, "just started: w1"},
		{"a worker behind", func(f *fleetFacts) { f.workers[0].Revision = 2 }, "fleet.workers", doctor.Note, "still follow a former policy: w1"},
		{"times that can't be meant", func(f *fleetFacts) {
			f.workers[0].Lanes = map[string]lanes.LaneWork{"bulk": {OddTimes: 40, OddAt: now.Add(-3 * time.Minute)}, "express": {OddTimes: 1, OddAt: now.Add(-3 * time.Hour)}}
			f.workers = append(f.workers, lanes.Heartbeat{Worker: "w2", At: now, Version: "v1", Revision: 3, Subscribed: true, Lanes: map[string]lanes.LaneWork{"bulk": {OddTimes: 2, OddAt: now.Add(-time.Minute)}}})
		}, "fleet.times", doctor.Warning, "lane bulk: 42 messages came with a time that can't be meant in its headers since its workers began, the last 60s ago"},
		{"two versions", func(f *fleetFacts) {
			f.workers = append(f.workers, lanes.Heartbeat{Worker: "w2", At: now, Version: "v2", Revision: 3, Subscribed: true})
		}, "fleet.versions", doctor.Warning, "1 worker of v1, 1 worker of v2"},
		{"another version than this", func(f *fleetFacts) { f.version = "v9" }, "fleet.versions", doctor.Note, "this is v9, and there is 1 worker of v1"},
		{"a stuck pool", func(f *fleetFacts) {
			f.snapshot.Pools = []lanes.PoolStatus{{Name: "batch", Reason: lanes.Stuck, Why: "no node"}}
		}, "fleet.pools", doctor.Warning, "pool batch: Stuck: no node"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			c.change(&f)
			found := judgeFleet(f)
			if !slices.ContainsFunc(found, func(f doctor.Finding) bool {
				return f.Check == c.check && f.Severity == c.severity && strings.Contains(f.What, c.says) && (f.Severity == doctor.OK || f.Why != "" && f.Mend != "")
			}) {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestJudgeClocks(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		name   string
		worker lanes.Heartbeat
		want   doctor.Severity
	}{
		{"in time", lanes.Heartbeat{Began: now.Add(-time.Minute)}, doctor.OK},
		{"ahead when it began", lanes.Heartbeat{Began: now.Add(30 * time.Second)}, doctor.Warning},
		{"far ahead by what it runs", lanes.Heartbeat{Running: []lanes.Run{{Since: now.Add(45 * time.Minute)}}}, doctor.Error},
	} {
		c.worker.Worker, c.worker.At = "w", now
		if found := judgeClocks([]lanes.Heartbeat{c.worker}); len(found) != 1 || found[0].Severity != c.want {
			t.Errorf("%s: %+v", c.name, found)
		}
	}
	if found := judgeClocks(nil); len(found) != 0 {
		t.Errorf("without workers: %+v", found)
	}
}
