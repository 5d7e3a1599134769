package management

import (
	"fmt"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

// judgeMembers says on which nodes the queues are, and which of them can be stopped. On a single node there is nothing
// to say.
func judgeMembers(vhost string, nodes []brokerNode, queues []brokerQueue) (found []doctor.Finding) {
	if len(nodes) < 2 {
		return nil
	}
	running := map[string]bool{}
	for _, n := range nodes {
		running[n.Name] = n.Running
	}
	var away, down []string
	for i, q := range queues {
		// what is said of a member that has just stopped is seconds old
		queues[i].Online = slices.DeleteFunc(slices.Clone(q.Online), func(n string) bool { return !running[n] })
		switch {
		case q.Type == lanes.Quorum && !queues[i].led(""):
			away = append(away, fmt.Sprintf("%s (%d of %d)", q.Name, len(queues[i].Online), len(q.Members)))
		case q.down(nodes):
			down = append(down, q.Name+" ("+q.Node+")")
		}
	}
	const check = doctor.Check("broker.members")
	if len(away) > 0 {
		found = append(found, check.Error("quorum queues without a majority of their members: "+doctor.Few(away, 3),
			"their jobs wait, and the broker says 0 of them whatever is in them", "start the missing nodes; "+
				"rabbitmq-queues quorum_status QUEUE names the members"))
	}
	if len(down) > 0 {
		found = append(found, check.Error("classic queues whose node is down: "+doctor.Few(down, 3),
			"what waits in them waits for that node; new jobs of their lanes go to the default lane on RabbitMQ 3.x, "+
				"and are refused on 4.x",
			"start that node; lanes that have to go on without a node need quorum queues (siren lanes migrate LANE "+
				"--to quorum)"))
	}
	found = append(found, judgeFew(check, vhost, nodes, queues)...)
	if stops := judgeStops(nodes, queues); len(stops) > 0 || doctor.Worst(found) == doctor.Error {
		return append(found, stops...)
	}
	return append(found, checkRestart.OK("any one of the nodes can be stopped: every queue goes on without it"))
}

// down reports whether it is a classic queue whose only node doesn't run.
func (q brokerQueue) down(nodes []brokerNode) bool {
	return q.Type != lanes.Quorum && q.Node != "" &&
		!slices.ContainsFunc(nodes, func(n brokerNode) bool { return n.Name == q.Node && n.Running })
}

const checkRestart = doctor.Check("broker.restart")

// led reports whether a quorum queue has a majority of its members without that node.
func (q brokerQueue) led(without string) bool {
	online := len(q.Online)
	if slices.Contains(q.Online, without) {
		online--
	}
	return 2*online > len(q.Members)
}

// judgeFew finds quorum queues that have fewer members than there are nodes for, such as those that were declared
// before the other nodes joined.
func judgeFew(check doctor.Check, vhost string, nodes []brokerNode, queues []brokerQueue) []doctor.Finding {
	var few, onto []string
	quorum, least := 0, min(3, len(nodes))
	for _, q := range queues {
		if q.Type != lanes.Quorum {
			continue
		}
		if quorum++; len(q.Members) >= least {
			continue
		}
		few = append(few, fmt.Sprintf("%s (%d)", q.Name, len(q.Members)))
		for _, n := range nodes {
			if !slices.Contains(q.Members, n.Name) && !slices.Contains(onto, n.Name) {
				onto = append(onto, n.Name)
			}
		}
	}
	switch {
	case quorum == 0:
		return nil
	case len(few) == 0:
		return []doctor.Finding{check.OK(fmt.Sprintf("all %d quorum queues have %d members or more", quorum, least))}
	}
	grow := make([]string, len(onto))
	for i, n := range onto {
		grow[i] = fmt.Sprintf(`rabbitmq-queues grow %s all --vhost-pattern '^%s$' --queue-pattern '^siren\.'`, n, vhost)
	}
	return []doctor.Finding{check.Warning(
		fmt.Sprintf("quorum queues with fewer members than the %d nodes would have: %s", len(nodes),
			doctor.Few(few, 3)),
		"a queue that was declared before the other nodes joined stays on the first one: with one member it stops "+
			"with that node, with two when either is away", strings.Join(grow, "; "))}
}

// judgeStops says which nodes can't be stopped now without stopping a lane.
func judgeStops(nodes []brokerNode, queues []brokerQueue) (found []doctor.Finding) {
	for _, n := range nodes {
		var stop []string
		for _, q := range queues {
			if q.Type == lanes.Quorum && q.led("") && !q.led(n.Name) || q.Type != lanes.Quorum && q.Node == n.Name {
				stop = append(stop, q.Name)
			}
		}
		if n.Running && len(stop) > 0 {
			found = append(found, checkRestart.Note(fmt.Sprintf("stopping node %s now would stop %s", n.Name,
				doctor.Few(stop, 3)),
				"a quorum queue needs more than half of its members, a classic one its only node",
				"before a rolling restart: start nodes that are down, wait until all members are online, grow queues "+
					"with too few of them; on the node, rabbitmq-queues check_if_node_is_quorum_critical"))
		}
	}
	return found
}
