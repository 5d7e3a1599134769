package management

import (
	"fmt"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

// judgeNodes says what the broker's nodes tell of themselves.
func judgeNodes(nodes []brokerNode, p *lanes.Policy) (found []doctor.Finding) {
	const check = doctor.Check("broker.nodes")
	running := 0
	for _, n := range nodes {
		if n.Running {
			running++
		}
		found = append(found, n.judge(check)...)
	}
	quorum := p != nil && (p.Broker.QueueType == lanes.Quorum ||
		slices.ContainsFunc(p.Queues(), func(q lanes.Queue) bool { return q.Type == lanes.Quorum }))
	switch {
	case quorum && len(nodes) == 2:
		found = append(found, check.Warning("quorum queues on 2 nodes stop when one of them is away",
			"they need more than half of their members", "add a third node, then rabbitmq-queues grow <node> all"))
	case quorum && len(nodes) == 1:
		found = append(found, check.Note("quorum queues on a single node are no safer than classic ones",
			"there is no second copy",
			"run three nodes, or set broker.queueType: classic, which is faster"))
	}
	if doctor.Worst(found) < doctor.Warning {
		found = append(found, check.OK(fmt.Sprintf("%d of %s %s, without alarm or partition", running,
			say.Plural(len(nodes), "node"), say.Verb(running, "runs", "run"))))
	}
	return found
}

// judge says what is wrong with one node.
func (n brokerNode) judge(check doctor.Check) (found []doctor.Finding) {
	const none, room = "the whole cluster accepts no jobs", "free disk below RabbitMQ's data, or "
	node := "node " + n.Name + " "
	if !n.Running {
		return []doctor.Finding{check.Error(node+"doesn't run",
			"classic queues on it are away, and quorum queues have one member less",
			"start it; rabbitmqctl cluster_status")}
	}
	if n.MemAlarm {
		found = append(found, check.Error(node+"has the memory alarm", none,
			"take load off, or raise vm_memory_high_watermark"))
	}
	switch {
	case n.DiskAlarm:
		found = append(found, check.Error(node+"has the disk alarm", none, room+"lower disk_free_limit"))
	case n.DiskFreeLimit > 0 && n.DiskFree > 0 && n.DiskFree < 2*n.DiskFreeLimit:
		found = append(found, check.Warning(
			fmt.Sprintf("%shas %s of disk free, and the alarm comes at %s", node, n.DiskFree, n.DiskFreeLimit),
			"at the alarm "+none, room+"give it more"))
	case n.DiskFreeLimit > 0 && n.DiskFreeLimit < 1<<30:
		found = append(found, check.Note(fmt.Sprintf("%shas a disk_free_limit of %s", node, n.DiskFreeLimit),
			"that near to a full disk RabbitMQ may not be able to write what it has confirmed",
			"disk_free_limit.absolute = 2GB in rabbitmq.conf"))
	}
	if len(n.Partitions) > 0 {
		found = append(found, check.Error(node+"sees no connection to "+strings.Join(n.Partitions, ", ")+
			" (a partition)",
			"both sides serve the same classic queues: jobs run twice, or are lost when they join",
			"fix the network, then restart the nodes of the smaller side; cluster_partition_handling = "+
				"pause_minority"))
	}
	return found
}

// judgeUnacknowledged says how many jobs are out of the queues: with workers, or with whoever forgot them.
func judgeUnacknowledged(queues []brokerQueue) doctor.Finding {
	running, held := 0, 0
	for _, q := range queues {
		switch {
		case strings.HasPrefix(q.Name, topology.LaneQueuePrefix):
			running += q.Unacknowledged
		case strings.HasPrefix(q.Name, topology.DelayPrefix):
			held += q.Unacknowledged
		}
	}
	return doctor.Check("broker.unacknowledged").OK(
		fmt.Sprintf("workers have %s, the forwarder keeps %d until due", say.Plural(running, "job"), held))
}

// judgeBindings says whether each lane gets its jobs, and the default lane alone what no lane wants. away are queues
// that are down with their node: some versions of RabbitMQ tell of no bindings of theirs until it is back.
func judgeBindings(jobs, stray []binding, p *lanes.Policy, away []string) doctor.Finding {
	const check = doctor.Check("broker.bindings")
	var wrong []string
	for _, q := range p.Queues() {
		name := topology.QueueName(q)
		if !slices.Contains(jobs, binding{name, q.Lane}) && !slices.Contains(away, name) {
			wrong = append(wrong, fmt.Sprintf("%s isn't bound to lane %q", topology.JobsExchange, q.Lane))
		}
	}
	for _, b := range jobs {
		if !strings.HasPrefix(b.Destination, topology.LaneQueuePrefix) {
			wrong = append(wrong, fmt.Sprintf("%s is bound to %s too, by the key %q", topology.JobsExchange,
				b.Destination, b.Key))
		}
	}
	fallback := topology.QueueName(p.QueueOf(p.DefaultLane()))
	if !slices.ContainsFunc(stray, func(b binding) bool { return b.Destination == fallback }) &&
		!slices.Contains(away, fallback) {
		wrong = append(wrong, fmt.Sprintf("%s isn't bound to the default lane %q", topology.DefaultExchange,
			p.DefaultLane()))
	}
	if len(stray) > 1 {
		wrong = append(wrong, fmt.Sprintf("%s is bound to %d queues", topology.DefaultExchange, len(stray)))
	}
	if len(wrong) == 0 && len(away) > 0 {
		return check.OK("each lane is bound whose queue isn't away with its node")
	}
	if len(wrong) == 0 {
		return check.OK("each lane is bound, and what no lane wants goes to the default lane")
	}
	return check.Error(strings.Join(wrong, "; "), "jobs don't arrive, or arrive twice, or in a queue that nobody "+
		"serves",
		"a running scaler binds what is missing within seconds, and its log says why it doesn't; "+
			"take off a binding of somebody else's in the management page")
}
