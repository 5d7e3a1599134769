package management_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/doctor/broker"
	"github.com/polyglot-media/siren/internal/doctor/doctortest"
	"github.com/polyglot-media/siren/internal/doctor/management"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/role"
	"github.com/polyglot-media/siren/test/cluster"
	"github.com/polyglot-media/siren/test/wait"
)

func TestMain(m *testing.M) {
	code, done := cluster.AsRoot(nil, nil)
	if !done {
		code = m.Run()
	}
	os.Exit(code)
}

// three is a RabbitMQ of three nodes, as doctor sees it.
type three struct {
	*testing.T
	*cluster.Cluster
	policy *lanes.Policy
	found  doctortest.Findings
}

// TestExamineCluster walks a cluster through what operators meet: quorum queues on the first node alone, a classic
// queue whose node is down, and all of it fixed.
func TestExamineCluster(t *testing.T) {
	rabbittest.Only(t, lanes.Quorum)
	c, err := cluster.Start(t.Context(), cluster.Options{Plugins: []string{"rabbitmq_management"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	d := &three{T: t, Cluster: c, policy: rabbittest.Policy(t)}
	d.grown()
	d.homed()
	d.down()
	d.back()
}

// grown has the queues declared where they get one member, as on a node that has no others yet, and does what doctor
// says of it.
func (d *three) grown() {
	first := d.Nodes[0]
	for _, members := range []int{1, 3} {
		if _, err := first.Eval(d.Context(), fmt.Sprintf(`application:set_env(rabbit, quorum_cluster_size, %d).`,
			members)); err != nil {
			d.Fatal(err)
		}
		if members == 1 {
			d.must(d.declare(first))
		}
	}
	d.until("queues with one member", "broker.members", doctor.Warning, "siren.dead (1)")
	d.found.Want(d, "broker.members", doctor.Warning, "rabbitmq-queues grow siren@node2 all")
	d.found.Want(d, "broker.restart", doctor.Note, "stopping node siren@node1 now would stop")
	d.unsaid("broker.restart", "node siren@node2")
	for _, f := range d.found.Of("broker.members") {
		fix(d.T, first.Server, f.Fix)
	}
	d.until("three members", "broker.members", doctor.OK, "have 3 members or more")
	d.until("all of them online", "broker.restart", doctor.OK, "any one of the nodes can be stopped")
	d.found.Want(d, "broker.nodes", doctor.OK, "3 of 3 nodes run")
	d.found.Want(d, "broker.addresses", doctor.OK, "all 3 addresses let us in")
	d.content()
}

// homed gives a lane a classic queue, on the third node alone.
func (d *three) homed() {
	bulk := slices.IndexFunc(d.policy.Lanes, func(l lanes.Lane) bool { return l.Name == "bulk" })
	d.policy.Lanes[bulk].QueueType = lanes.Classic
	d.must(d.declare(d.Nodes[2], lanes.Queue{Lane: "bulk", Type: lanes.Quorum}))
	d.until("a queue on one node", "broker.restart", doctor.Note,
		"stopping node siren@node3 now would stop siren.lane.bulk")
	d.unsaid("broker.restart", "node siren@node1")
	d.content()
}

// down has the third node end: nobody says that its queue was never declared, and the others are declared past it.
func (d *three) down() {
	d.must(d.Nodes[2].Kill())
	d.until("a classic queue that is down", "broker.members", doctor.Error,
		"classic queues whose node is down: siren.lane.bulk (siren@node3)")
	d.found.Want(d, "broker.nodes", doctor.Error, "node siren@node3 doesn't run")
	says := "doesn't answer"
	if d.unbinds() {
		says = "is declared, and away with its node"
	}
	d.found.Want(d, "broker.queues", doctor.Error, `queue "siren.lane.bulk" `+says)
	d.found.Want(d, "broker.restart", doctor.Note, "stopping node siren@node1 now would stop")
	d.found.Want(d, "broker.restart", doctor.Note, "stopping node siren@node2 now would stop")
	d.found.Want(d, "broker.addresses", doctor.Warning, "1 of 3 addresses don't let us in: "+d.Nodes[2].Address(5672))
	d.unsaid("broker.restart", "can be stopped")
	d.unsaid("broker.queues", "not declared")

	late := d.policy.Lanes[0]
	late.Name = "late"
	d.policy.Lanes = append(d.policy.Lanes, late)
	err := d.declare(d.Nodes[0])
	var odd *topology.OddError
	if !errors.As(err, &odd) || len(odd.Troubles) != 1 || !strings.Contains(err.Error(), "siren.lane.bulk") ||
		!errors.Is(err, rabbitlink.ErrDown) && !errors.Is(err, rabbitlink.ErrSilent) {
		d.Errorf("declare: %v; want that the queue of lane bulk alone is down", err)
	}
	publish := rabbittest.Publisher(d, d.Nodes[0].URL())
	d.must(rabbittest.EnqueueOne(d.soon(), publish, "late", rabbittest.Job("1"), time.Now()))
	err = rabbittest.EnqueueOne(d.soon(), publish, "bulk", rabbittest.Job("2"), time.Now())
	if d.unbinds() != (err == nil) {
		d.Errorf("a job for the lane whose queue is down: %v", err)
	}
	d.see()
	d.found.Want(d, "broker.bindings", doctor.OK, "each lane is bound whose queue isn't away")
}

// back has it start again.
func (d *three) back() {
	d.must(d.Nodes[2].Restart(d.Context()))
	d.until("the members to be back", "broker.members", doctor.OK, "have 3 members or more")
	d.until("the queue to be back", "broker.restart", doctor.Note,
		"stopping node siren@node3 now would stop siren.lane.bulk")
	d.found.Want(d, "broker.addresses", doctor.OK, "all 3 addresses let us in")
	d.found.Want(d, "broker.bindings", doctor.OK, "each lane is bound, and")
	d.content()
}

// unbinds reports whether RabbitMQ says of a classic queue that its node is down, and has no bindings of it until it is
// back. Later versions don't answer for it, and refuse jobs for it.
func (d *three) unbinds() bool { return strings.Contains(d.Nodes[0].Server.Version(), " 3.") }

func (d *three) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// declare does what a scaler does that is connected to the node.
func (d *three) declare(at *cluster.Node, former ...lanes.Queue) error {
	return topology.Declare(d.soon(), rabbittest.Open(d, at.URL(), "declare"), d.policy, former)
}

// soon is later than on one node: a cluster's first answers take their time on a busy machine.
func (d *three) soon() context.Context {
	ctx, cancel := context.WithTimeout(d.Context(), time.Minute)
	d.Cleanup(cancel)
	return ctx
}

// see examines the cluster by the addresses of all nodes, and the management API of the first.
func (d *three) see() {
	d.Helper()
	e := broker.Examination{
		Dial: func(name string) (*rabbitlink.Conn, error) {
			return rabbitlink.Open(rabbitlink.Options{URL: d.URL(), Name: name})
		},
		Policy: d.policy, Roles: role.All(), Managed: true,
	}
	d.found = append(broker.Examine(d.soon(), e), management.Examine(d.soon(),
		"http://"+d.Nodes[0].Address(15672), nil, d.URL(), d.policy)...)
	d.found.WellFormed(d)
}

// until sees until there is that finding: the management API's facts are some seconds old.
func (d *three) until(what, check string, severity doctor.Severity, says string) {
	d.Helper()
	err := wait.Until(d.Context(), time.Minute, "doctor to see "+what, func() (bool, error) {
		d.see()
		return slices.ContainsFunc(d.found.Of(check), func(f doctor.Finding) bool {
			return f.Severity == severity && strings.Contains(f.What+f.Fix, says)
		}), nil
	})
	if err != nil {
		d.Fatalf("%v: %s, %s %q:\n%+v", err, check, severity, says, d.found)
	}
}

// unsaid fails the test if a finding of the check says that.
func (d *three) unsaid(check, says string) {
	d.Helper()
	for _, f := range d.found.Of(check) {
		if strings.Contains(f.What, says) {
			d.Errorf("%+v", f)
		}
	}
}

// content fails the test if anything is wrong but what the test does without: a scaler, and TLS.
func (d *three) content() {
	d.Helper()
	for _, f := range d.found {
		if f.Severity > doctor.Note && f.Check != "broker.delays" && f.Check != "broker.tls" {
			d.Errorf("%+v", f)
		}
	}
}
