package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/procs/servers"
)

// Servers as they come: a Redis that evicts and keeps nothing, a RabbitMQ with a policy that ends jobs, and a user
// without rights.
func TestDoctorOnIllServers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	broker, err := servers.StartRabbitMQ(t.Context(), servers.Options{
		Plugins: []string{"rabbitmq_management"}, Config: fmt.Sprintf("management.tcp.ip = "+
			"127.0.0.1\nmanagement.tcp.port = %d\n", port),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = broker.Stop(context.Background()) }()
	store, err := servers.StartRedis(t.Context(), servers.Options{Config: "maxmemory 100mb\nmaxmemory-policy " +
		"allkeys-lru\nappendonly no\n"})
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
	code := run("siren", []string{
		"doctor", "--amqp-url", weak.String(), "--redis-url", store.URL, "--management-url", management,
		"--policy", "../../lanes/testdata/siren.yaml", "--only", "broker,redis,fleet", "--role", "producer", "-o",
		"json",
	}, app.Streams{Out: said, Err: said})
	var r doctor.Report
	if err := json.Unmarshal([]byte(said.String()), &r); err != nil {
		t.Fatalf("%v in\n%s", err, said)
	}
	if code != exit.Failed || r.Worst != doctor.Error || r.Errors+r.Warnings+r.Notes+r.OK != len(r.Findings) {
		t.Errorf("exit code %d, %+v", code, r)
	}
	for _, want := range []doctor.Finding{
		{
			Check: "broker.rights.producer", Severity: doctor.Error,
			Fix: `rabbitmqctl set_permissions --vhost '/' 'weak' '^$' '^siren\.jobs$' '^$'`,
		},
		{Check: "broker.policies", Severity: doctor.Error, Fix: "rabbitmqctl clear_policy --vhost '/' 'short lived'"},
		{
			Check: "redis.eviction", Severity: doctor.Error,
			Fix: "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf; a managed one has it among " +
				"its parameters",
		},
		{
			Check: "redis.persistence", Severity: doctor.Note,
			Fix: "CONFIG SET appendonly yes, and appendonly yes in redis.conf; or run replicas",
		},
		{
			Check: "fleet.leader", Severity: doctor.Warning,
			Fix: "start `siren scaler`; on Kubernetes: kubectl get lease siren-scaler; kubectl logs -l " +
				"app.kubernetes.io/component=scaler",
		},
	} {
		if !slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool {
			return f.Check == want.Check && f.Severity == want.Severity && f.Fix == want.Fix
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
