package broker

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes/role"
)

// rights is what a user may configure, write and read, as rabbitmqctl set_permissions takes it.
type rights struct{ configure, write, read string }

// rightsOf is what each role needs; docs/rabbitmq.md has the same. The scaler's contain those of the others.
var rightsOf = map[string]rights{
	role.Scaler: {
		`^siren\.(jobs|default|dead|(lane|delay)\..+)$`, `^(amq\.default|siren\.(jobs|default|lane\..+))$`,
		`^siren\.(jobs|default|dead|(lane|delay)\..+)$`,
	},
	role.Gateway: {
		`^siren\.(jobs|default|dead|(lane|delay)\..+)$`, `^(amq\.default|siren\.(jobs|default|lane\..+))$`,
		`^siren\.(jobs|default|dead|(lane|delay)\..+)$`,
	},
	role.Worker:   {`^$`, `^amq\.default$`, `^siren\.lane\..+$`},
	role.Producer: {`^$`, `^siren\.jobs$`, `^$`},
}

// judgeRights says what follows from the refusals of a user that is to be of that role; others: and of others beside
// it.
func judgeRights(r, user, vhost string, others bool, refusals []string) doctor.Finding {
	check := doctor.Check("broker.rights." + r)
	if len(refusals) == 0 {
		return check.OK(fmt.Sprintf("user %q may do what a %s does", user, r))
	}
	needs := rightsOf[r]
	if others { // one user for several roles: the fix of one must not undo that of another
		needs = rightsOf[role.Scaler]
	}
	fix := fmt.Sprintf("rabbitmqctl set_permissions --vhost '%s' '%s' '%s' '%s' '%s'", vhost, user, needs.configure,
		needs.write, needs.read)
	if others {
		fix += fmt.Sprintf(" (for all roles at once); or, if nothing is a %s with this user, say what is: --role",
			r)
	}
	return check.Error(fmt.Sprintf("user %q may not %s", user, strings.Join(refusals, ", nor ")), map[string]string{
		role.Scaler:   "a scaler with this user can't declare the queues, or can't bring retries back",
		role.Worker:   "a worker with this user can't take jobs, or can't put off or bury those that fail",
		role.Gateway:  "a gateway with this user can't enqueue, move or look at jobs",
		role.Producer: "a producer with this user can't enqueue a job",
	}[r], fix)
}

// accessTo is how the broker names what it refuses.
var accessTo = regexp.MustCompile(`access to (\w+) '([^']*)'`)

// refusal says what a user may not do by an error of the broker.
func refusal(doing string, err error) string {
	found := accessTo.FindStringSubmatch(err.Error())
	if found == nil {
		return doing
	}
	name := found[2]
	if strings.Contains(name, "doctor-") {
		name = topology.LaneQueuePrefix
	}
	return fmt.Sprintf("%s (access to %s %s is refused)", doing, found[1], patternOf(name))
}

// patternOf names a queue as one of its kind: so that twenty lanes make one line.
func patternOf(queue string) string {
	for _, prefix := range []string{topology.LaneQueuePrefix, topology.DelayPrefix} {
		if strings.HasPrefix(queue, prefix) {
			return prefix + "…"
		}
	}
	return queue
}
