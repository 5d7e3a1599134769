package rabbit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

// judgePolicies says which policies of the broker change Siren's queues (name → type) for the worse. Of several that match a queue, the one
// with the highest priority counts; an operator's counts beside it.
func judgePolicies(vhost string, all []brokerPolicy, queues map[string]string, p *lanes.Policy) (found []doctor.Finding) {
	applied := map[string][]string{} // what a policy is called → the queues
	byName := map[string]brokerPolicy{}
	var unread []string
	for _, queue := range slices.Sorted(maps.Keys(queues)) {
		for _, operator := range []bool{false, true} {
			var best *brokerPolicy
			for i, q := range all {
				if q.Operator != operator || !q.concerns(queues[queue]) || strings.HasPrefix(q.Pattern, spares) {
					continue
				}
				pattern, err := regexp.Compile(q.Pattern)
				if err != nil {
					if !slices.Contains(unread, q.Name) {
						unread = append(unread, q.Name)
					}
					continue
				}
				if pattern.MatchString(queue) && (best == nil || q.Priority > best.Priority) {
					best = &all[i]
				}
			}
			if best != nil {
				applied[best.title()] = append(applied[best.title()], queue)
				byName[best.title()] = *best
			}
		}
	}
	for _, title := range slices.Sorted(maps.Keys(applied)) {
		q := byName[title]
		for _, key := range slices.Sorted(maps.Keys(q.Definition)) {
			if f, harms := q.judge(key, applied[title], queues, p); harms {
				f.Check, f.Mend = "broker.policies", q.mend(vhost, f.Mend)
				found = append(found, f)
			}
		}
	}
	for _, name := range unread {
		found = append(found, doctor.Finding{
			Check: "broker.policies", Severity: doctor.Note, What: fmt.Sprintf("the pattern of the broker's policy %q couldn't be read here", name),
			Why: "it may put a TTL or a length limit on Siren's queues", Mend: "rabbitmqctl list_queues name policy operator_policy must not name it for siren.…",
		})
	}
	if len(found) == 0 {
		found = append(found, doctor.Finding{Check: "broker.policies", What: fmt.Sprintf("none of the broker's policies (%d in vhost %q) harms Siren's queues", len(all), vhost)})
	}
	return found
}

// spares begins a pattern that leaves Siren's queues out. RabbitMQ knows it, Go's regular expressions don't.
const spares = `^(?!siren\.)`

func (q brokerPolicy) title() string {
	if q.Operator {
		return "operator policy " + q.Name
	}
	return "policy " + q.Name
}

// concerns is whether the policy is for queues of that type.
func (q brokerPolicy) concerns(kind string) bool {
	switch q.ApplyTo {
	case "", "all", "queues":
		return true
	default:
		return q.ApplyTo == kind+"_queues"
	}
}

// mend is how the policy is made to spare Siren: by the given mend if there is one, else by taking it off, if it is for Siren's queues alone, or
// else by a pattern that leaves them out.
func (q brokerPolicy) mend(vhost, given string) string {
	kind := ""
	if q.Operator {
		kind = "operator_"
	}
	off := fmt.Sprintf("rabbitmqctl clear_%spolicy --vhost '%s' '%s'", kind, vhost, q.Name)
	if strings.HasPrefix(q.Pattern, "^siren") {
		return given + off
	}
	definition, _ := json.Marshal(q.Definition)
	return given + fmt.Sprintf(`rabbitmqctl set_%spolicy --vhost '%s' --priority %d --apply-to %s '%s' '%s(?:.*(?:%s))' '%s'`,
		kind, vhost, q.Priority, cmp.Or(q.ApplyTo, "all"), q.Name, spares, q.Pattern, definition)
}

// judge is what one setting of the policy does to these queues; false when that is no harm.
func (q brokerPolicy) judge(key string, queues []string, kinds map[string]string, p *lanes.Policy) (f doctor.Finding, harms bool) {
	value := q.Definition[key]
	names := listed(queues)
	f.What = fmt.Sprintf("the broker's %s sets %s = %s on %s", q.title(), key, spelled(value), names)
	switch key {
	case "message-ttl":
		f.Severity = doctor.Error
		f.Why = "the broker takes out jobs that wait longer, also those that were confirmed: from lanes to the dead letters, from the delays and the dead letters for good"
	case "expires":
		f.Severity = doctor.Error
		f.Why = "the broker deletes a queue that nobody uses for so long, with every job in it: a lane whose pool has shrunk to 0, or the dead letters"
	case "max-length", "max-length-bytes":
		f.Severity = doctor.Error
		f.Why = "a full queue drops its oldest jobs, also those that were confirmed: from lanes to the dead letters, from the delays and the dead letters for good"
		if overflow, _ := q.Definition["overflow"].(string); strings.HasPrefix(overflow, "reject-publish") {
			f.Severity = doctor.Warning
			f.Why = "a full queue refuses what is published: producers get errors, and workers can't put off or bury a failed job"
		}
	case "dead-letter-exchange", "dead-letter-routing-key":
		others := slices.DeleteFunc(slices.Clone(queues), func(name string) bool { return strings.HasPrefix(name, laneQueuePrefix) })
		if len(others) == 0 {
			return f, false // a lane's own arguments count
		}
		f.Severity = doctor.Warning
		f.What = fmt.Sprintf("the broker's %s sets %s = %s on %s", q.title(), key, spelled(value), listed(others))
		f.Why = "whatever the broker takes out of them goes where Siren doesn't look for it"
	case "delivery-limit":
		quorum := slices.DeleteFunc(slices.Clone(queues), func(name string) bool { return kinds[name] != lanes.Quorum })
		if limit, _ := value.(float64); len(quorum) == 0 || limit >= unlimited {
			return f, false
		}
		f.Severity = doctor.Error
		f.What = fmt.Sprintf("the broker's %s sets %s = %s on %s", q.title(), key, spelled(value), listed(quorum))
		f.Why = "a job whose workers stop or lose their connection so often is dead-lettered by the broker, though nothing is wrong with it"
	case "consumer-timeout":
		ms, _ := value.(float64)
		limit := time.Duration(ms) * time.Millisecond
		if p == nil || ms <= 0 || limit >= p.Broker.ConsumerTimeout.D() {
			return f, false
		}
		f.Severity = doctor.Error
		f.Why = fmt.Sprintf("the policy counts on %s: a job that runs longer than %s is ready again while it still runs, and is done twice", p.Broker.ConsumerTimeout, limit)
		if limit >= longestHold+5*time.Minute { // less is refused there
			f.Mend = fmt.Sprintf("set broker.consumerTimeout: %s in Siren's policy, or ", lanes.Duration(limit))
		}
	case "federation-upstream", "federation-upstream-set", "federation-upstream-pattern":
		f.Severity = doctor.Warning
		f.Why = "a federated queue moves jobs between brokers, where Siren neither counts nor claims them"
	case "ha-mode":
		f.Severity = doctor.Note
		f.Why = "mirrored classic queues can lose confirmed jobs when a mirror takes over, and RabbitMQ 4 has none any more"
		f.Mend = "set broker.queueType: quorum in Siren's policy, and then "
	default:
		return f, false
	}
	return f, true
}

// listed names a few, and counts the others.
func listed(names []string) string {
	const most = 3
	if len(names) > most+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

func spelled(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// judgeNodes is what the broker's nodes say of themselves.
func judgeNodes(nodes []brokerNode, p *lanes.Policy) (found []doctor.Finding) {
	running := 0
	for _, n := range nodes {
		add := func(severity doctor.Severity, what, why, mend string) {
			found = append(found, doctor.Finding{Check: "broker.nodes", Severity: severity, What: fmt.Sprintf("node %s %s", n.Name, what), Why: why, Mend: mend})
		}
		if !n.Running {
			add(doctor.Error, "doesn't run", "classic queues on it are away, and quorum queues have one member less", "start it; rabbitmqctl cluster_status")
			continue
		}
		running++
		if n.MemAlarm {
			add(doctor.Error, "has the memory alarm", "the whole cluster accepts no jobs", "take load off, or raise vm_memory_high_watermark")
		}
		if n.DiskAlarm {
			add(doctor.Error, "has the disk alarm", "the whole cluster accepts no jobs", "free disk below RabbitMQ's data, or lower disk_free_limit")
		} else if n.DiskFreeLimit > 0 && n.DiskFree > 0 && n.DiskFree < 2*n.DiskFreeLimit {
			add(doctor.Warning, fmt.Sprintf("has %s of disk free, and the alarm comes at %s", mebi(n.DiskFree), mebi(n.DiskFreeLimit)),
				"at the alarm the whole cluster accepts no jobs", "free disk below RabbitMQ's data, or give it more")
		} else if n.DiskFreeLimit > 0 && n.DiskFreeLimit < 1<<30 {
			add(doctor.Note, "has a disk_free_limit of "+mebi(n.DiskFreeLimit), "that near to a full disk RabbitMQ may not be able to write what it has confirmed",
				"disk_free_limit.absolute = 2GB in rabbitmq.conf")
		}
		if len(n.Partitions) > 0 {
			add(doctor.Error, "sees no connection to "+strings.Join(n.Partitions, ", ")+" (a partition)", "both sides serve the same classic queues: jobs run twice, or are lost when they join",
				"mend the network, then restart the nodes of the smaller side; cluster_partition_handling = pause_minority")
		}
	}
	quorum := p != nil && (p.Broker.QueueType == lanes.Quorum || slices.ContainsFunc(p.Queues(), func(q lanes.Queue) bool { return q.Type == lanes.Quorum }))
	switch {
	case quorum && len(nodes) == 2:
		found = append(found, doctor.Finding{
			Check: "broker.nodes", Severity: doctor.Warning, What: "quorum queues on 2 nodes stop when one of them is away",
			Why: "they need more than half of their members", Mend: "add a third node, then rabbitmq-queues grow <node> all",
		})
	case quorum && len(nodes) == 1:
		found = append(found, doctor.Finding{
			Check: "broker.nodes", Severity: doctor.Note, What: "quorum queues on a single node are no safer than classic ones",
			Why: "there is no second copy", Mend: "run three nodes, or set broker.queueType: classic, which is faster",
		})
	}
	if doctor.Worst(found) < doctor.Warning {
		found = append(found, doctor.Finding{Check: "broker.nodes", What: fmt.Sprintf("%d of %d nodes run, without alarm or partition", running, len(nodes))})
	}
	return found
}

func mebi(a amount) string { return fmt.Sprintf("%d MiB", int64(a)>>20) }

// judgeUnacknowledged tells how many jobs are out of the queues: with workers, or with whoever forgot them.
func judgeUnacknowledged(queues []brokerQueue) doctor.Finding {
	running, held := 0, 0
	for _, q := range queues {
		switch {
		case strings.HasPrefix(q.Name, laneQueuePrefix):
			running += q.Unacknowledged
		case strings.HasPrefix(q.Name, delayPrefix):
			held += q.Unacknowledged
		}
	}
	return doctor.Finding{Check: "broker.unacknowledged", What: fmt.Sprintf("workers hold %d jobs, the forwarder %d until they are due", running, held)}
}

// judgeBindings is whether each lane gets its jobs, and the default lane alone what no lane wants.
func judgeBindings(jobs, stray []binding, p *lanes.Policy) doctor.Finding {
	f := doctor.Finding{Check: "broker.bindings", What: "each lane is bound, and what no lane wants goes to the default lane"}
	var wrong []string
	for _, q := range p.Queues() {
		if !slices.ContainsFunc(jobs, func(b binding) bool { return b.Key == q.Lane && b.Destination == queueName(q) }) {
			wrong = append(wrong, fmt.Sprintf("%s isn't bound to lane %q", jobsExchange, q.Lane))
		}
	}
	for _, b := range jobs {
		if !strings.HasPrefix(b.Destination, laneQueuePrefix) {
			wrong = append(wrong, fmt.Sprintf("%s is bound to %s too, by the key %q", jobsExchange, b.Destination, b.Key))
		}
	}
	if !slices.ContainsFunc(stray, func(b binding) bool { return b.Destination == queueName(p.QueueOf(p.DefaultLane())) }) {
		wrong = append(wrong, fmt.Sprintf("%s isn't bound to the default lane %q", defaultExchange, p.DefaultLane()))
	}
	if len(stray) > 1 {
		wrong = append(wrong, fmt.Sprintf("%s is bound to %d queues", defaultExchange, len(stray)))
	}
	if len(wrong) > 0 {
		f.Severity = doctor.Error
		f.What = strings.Join(wrong, "; ")
		f.Why = "jobs don't arrive, or arrive twice, or in a queue that nobody serves"
		f.Mend = "a running scaler binds what is missing within seconds, and its log says why it doesn't; take off a binding of somebody else's in the management page"
	}
	return f
}
