package management_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/doctor/doctortest"
	"github.com/polyglot-media/siren/internal/doctor/management"
	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
)

// managed starts a broker with the management plugin, and returns the plugin's address.
func managed(t *testing.T) (s *servers.Server, address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	s, err = servers.StartRabbitMQ(t.Context(), servers.Options{
		Plugins: []string{"rabbitmq_management"}, Config: fmt.Sprintf("management.tcp.ip = "+
			"127.0.0.1\nmanagement.tcp.port = %d\n", port),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s, fmt.Sprintf("http://127.0.0.1:%d", port)
}

func askManagement(t *testing.T, address, amqpURL string) doctortest.Findings {
	t.Helper()
	all := doctortest.Findings(management.Examine(rabbittest.Soon(t), address, nil, amqpURL, rabbittest.Policy(t)))
	all.WellFormed(t)
	return all
}

// With the real plugin: the finding names the policy, and its fix, as it is printed, takes the harm away.
func TestExamineManagement(t *testing.T) {
	rabbittest.Only(t, lanes.Classic) // it makes queues by their names
	s, address := managed(t)
	ctl := func(args ...string) {
		t.Helper()
		if _, err := s.Rabbitmqctl(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := topology.Declare(rabbittest.Soon(t), rabbittest.Open(t, s.URL, "declare"), rabbittest.Policy(t),
		nil); err != nil {
		t.Fatal(err)
	}
	ctl("add_user", "monitor", "secret")
	all := askManagement(t, strings.Replace(address, "//", "//monitor:secret@", 1), s.URL)
	all.Want(t, "broker.management", doctor.Error, "rabbitmqctl set_user_tags USER monitoring policymaker")
	ctl("set_user_tags", "monitor", "monitoring", "policymaker")
	ctl("set_permissions", "monitor", "^$", "^$", "^$")
	withMonitor := strings.Replace(address, "//", "//monitor:secret@", 1)

	all = askManagement(t, withMonitor, s.URL)
	all.Want(t, "broker.policies", doctor.OK, `none of the broker's policies (0 in vhost "/") harms`)
	all.Want(t, "broker.bindings", doctor.OK, "each lane is bound")
	all.Want(t, "broker.nodes", doctor.OK, "1 of 1 node runs")
	all.Want(t, "broker.unacknowledged", doctor.OK, "workers have 0 jobs")

	ctl("set_policy", "--apply-to", "queues", "short lived", `^siren\.lane`, `{"message-ttl":60000}`)
	ctl("set_operator_policy", "--apply-to", "queues", "caps", `.*`, `{"max-length":10}`)
	all = askManagement(t, withMonitor, s.URL)
	all.Want(t, "broker.policies", doctor.Error, "the broker's policy short lived sets message-ttl = 60000 on "+
		"siren.lane.bulk, siren.lane.express, siren.lane.standard")
	all.Want(t, "broker.policies", doctor.Error, "the broker's operator policy caps sets max-length = 10 on "+
		"siren.dead, siren.delay.15m, siren.delay.15s and 8 more")
	for _, f := range all.Of("broker.policies") {
		fix(t, s, f.Fix)
	}
	all = askManagement(t, address, s.URL) // without a user, it is the one of AMQP
	all.Want(t, "broker.policies", doctor.OK, `none of the broker's policies (1 in vhost "/") harms`)

	eval := `rabbit_alarm:set_alarm({{resource_limit, disk, node()}, []}).`
	ctl("eval", eval)
	rabbittest.Until(t, "the node to tell of the alarm", func() bool {
		for _, f := range askManagement(t, withMonitor, s.URL).Of("broker.nodes") {
			if f.Severity == doctor.Error && strings.Contains(f.What, "has the disk alarm") {
				return true
			}
		}
		time.Sleep(100 * time.Millisecond)
		return false
	})
}

// fix does what a finding says, by the shell that a person would use.
func fix(t *testing.T, s *servers.Server, commands string) {
	t.Helper()
	const tools = `rabbitmqctl() { printf '%s\n' rabbitmqctl "$@" ''; }; ` +
		`rabbitmq-queues() { printf '%s\n' rabbitmq-queues "$@" ''; }; `
	out, err := exec.Command("bash", "-c", tools+commands).Output()
	if err != nil {
		t.Fatalf("%s: %v", commands, err)
	}
	for words := range strings.SplitSeq(strings.TrimSuffix(string(out), "\n\n"), "\n\n") {
		argv := strings.Split(words, "\n")
		if _, err := s.Tool(t.Context(), argv[0], argv[1:]...); err != nil {
			t.Fatal(err)
		}
	}
}

func TestExamineManagementThatFails(t *testing.T) {
	answers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/nodes") {
			_, _ = w.Write([]byte(`[{"name": "rabbit@a", "running": true, "disk_free": "unknown"}]`))
			return
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer answers.Close()
	const amqpURL = "amqp://siren:secret@broker:5672/media"
	all := askManagement(t, answers.URL, amqpURL)
	all.Want(t, "broker.policies", doctor.Warning, `the policies of vhost "media" couldn't be read`)
	all = askManagement(t, "http://monitor:secret@127.0.0.1:1", amqpURL)
	all.Want(t, "broker.management", doctor.Error, "doesn't answer")
	for _, address := range []string{
		"", "127.0.0.1:15672", "amqp://siren:secret@broker", "http://u:se cret@x",
		"://secret",
	} {
		all = askManagement(t, address, amqpURL)
		all.Want(t, "broker.management", doctor.Error, "the URL of the management API is malformed")
	}
	if u, err := url.Parse(amqpURL); err != nil || u.Host == "" {
		t.Fatal(err)
	}
}
