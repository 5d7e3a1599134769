package management

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
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
)

const policies = doctor.Check("broker.policies")

// judgePolicies says which policies of the broker change Siren's queues (name → type) for the worse.
func judgePolicies(
	vhost string, all []brokerPolicy, queues map[string]string, p *lanes.Policy,
) (found []doctor.Finding) {
	applied, unread := inEffect(all, queues)
	for _, title := range slices.Sorted(maps.Keys(applied)) {
		a := applied[title]
		for _, key := range slices.Sorted(maps.Keys(a.Definition)) {
			if f, harms := a.judge(key, vhost, queues, p); harms {
				found = append(found, f)
			}
		}
	}
	for _, name := range unread {
		found = append(found, policies.Note(fmt.Sprintf("the pattern of the broker's policy %q couldn't be read here",
			name),
			"it may put a TTL or a length limit on Siren's queues",
			"rabbitmqctl list_queues name policy operator_policy must not name it for siren.…"))
	}
	if len(found) == 0 {
		found = append(found, policies.OK(
			fmt.Sprintf("none of the broker's policies (%d in vhost %q) harms Siren's queues", len(all), vhost)))
	}
	return found
}

// applied is a policy of the broker's, and those of Siren's queues that it is in effect for.
type applied struct {
	brokerPolicy
	queues []string
}

// inEffect finds out which policies are in effect, by what they are called, and which have a pattern that Go can't
// read. Of several that match a queue, the one with the highest priority counts; an operator's counts beside it.
func inEffect(all []brokerPolicy, queues map[string]string) (effect map[string]applied, unread []string) {
	effect = map[string]applied{}
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
				effect[best.title()] = applied{*best, append(effect[best.title()].queues, queue)}
			}
		}
	}
	return effect, unread
}

// spares begins a pattern that leaves Siren's queues out. RabbitMQ knows it, Go's regular expressions don't.
const spares = `^(?!siren\.)`

func (q brokerPolicy) title() string {
	if q.Operator {
		return "operator policy " + q.Name
	}
	return "policy " + q.Name
}

// concerns reports whether the policy is for queues of that type.
func (q brokerPolicy) concerns(kind string) bool {
	switch q.ApplyTo {
	case "", "all", "queues":
		return true
	default:
		return q.ApplyTo == kind+"_queues"
	}
}

// fix says how the policy is made to spare Siren: by taking it off, if it is for Siren's queues alone, else by a
// pattern that leaves them out.
func (q brokerPolicy) fix(vhost string) string {
	kind := ""
	if q.Operator {
		kind = "operator_"
	}
	if strings.HasPrefix(q.Pattern, "^siren") {
		return fmt.Sprintf("rabbitmqctl clear_%spolicy --vhost '%s' '%s'", kind, vhost, q.Name)
	}
	return fmt.Sprintf(`rabbitmqctl set_%spolicy --vhost '%s' --priority %d --apply-to %s '%s' '%s(?:.*(?:%s))' '%s'`,
		kind, vhost, q.Priority, cmp.Or(q.ApplyTo, "all"), q.Name, spares, q.Pattern, spelled(q.Definition))
}

// judge says what one setting of the policy does to its queues; false when that is no harm.
func (a applied) judge(key, vhost string, kinds map[string]string, p *lanes.Policy) (f doctor.Finding, harms bool) {
	value := a.Definition[key]
	number, _ := value.(float64)
	severity, why, instead, harmed := doctor.Error, "", "", a.queues
	but := func(spared func(name string) bool) []string { return slices.DeleteFunc(slices.Clone(a.queues), spared) }
	switch key {
	case "message-ttl":
		why = "the broker takes out jobs that wait longer, also those that were confirmed: " + lost
	case "expires":
		why = "the broker deletes a queue that nobody uses for so long, with every job in it: " +
			"a lane whose pool has shrunk to 0, or the dead letters"
	case "max-length", "max-length-bytes":
		why = "a full queue drops its oldest jobs, also those that were confirmed: " + lost
		if overflow, _ := a.Definition["overflow"].(string); strings.HasPrefix(overflow, "reject-publish") {
			severity = doctor.Warning
			why = "a full queue refuses what is published: producers get errors, and workers can't put off or bury " +
				"a failed job"
		}
	case "dead-letter-exchange", "dead-letter-routing-key":
		severity, why = doctor.Warning, "whatever the broker takes out of them goes where Siren doesn't look for it"
		// a lane's own arguments count
		harmed = but(func(name string) bool { return strings.HasPrefix(name, topology.LaneQueuePrefix) })
	case "delivery-limit":
		why = "a job whose workers stop or lose their connection so often is dead-lettered by the broker, though " +
			"nothing " +
			"is wrong with it"
		harmed = but(func(name string) bool { return kinds[name] != lanes.Quorum || number >= topology.Unlimited })
	case "consumer-timeout":
		limit := time.Duration(number) * time.Millisecond
		if p == nil || limit <= 0 || limit >= p.Broker.ConsumerTimeout.D() {
			return f, false
		}
		why = fmt.Sprintf("the policy counts on %s: a job that runs longer than %s is ready again while it still "+
			"runs, and "+
			"is done twice",
			p.Broker.ConsumerTimeout, limit)
		if limit >= rabbit.LongestHold+5*time.Minute { // less is refused there
			instead = fmt.Sprintf("set broker.consumerTimeout: %s in Siren's policy, or ", lanes.Duration(limit))
		}
	case "federation-upstream", "federation-upstream-set", "federation-upstream-pattern":
		severity, why = doctor.Warning,
			"a federated queue moves jobs between brokers, where Siren neither counts nor claims them"
	case "ha-mode":
		severity = doctor.Note
		why = "mirrored classic queues can lose confirmed jobs when a mirror takes over, and RabbitMQ 4 has none " +
			"any more"
		instead = "set broker.queueType: quorum in Siren's policy, and then "
	default:
		return f, false
	}
	what := fmt.Sprintf("the broker's %s sets %s = %s on %s", a.title(), key, spelled(value), doctor.Few(harmed, 3))
	return doctor.Finding{Check: string(policies), Severity: severity, What: what, Why: why, Fix: instead +
		a.fix(vhost)}, len(harmed) > 0
}

// lost says where the jobs go that the broker takes out of Siren's queues.
const lost = "from lanes to the dead letters, from the delays and the dead letters for good"

// spelled writes a value as rabbitmqctl takes it.
func spelled(value any) string {
	text, _ := json.Marshal(value) // it came as JSON
	return string(text)
}
