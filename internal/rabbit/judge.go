package rabbit

import (
	"fmt"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

// judgeVersion is what the broker's product and version mean for Siren.
func judgeVersion(product, version string) doctor.Finding {
	f := doctor.Finding{Check: "broker.version", What: strings.TrimSpace(product + " " + version)}
	r := releaseOf(version)
	switch {
	case product != "RabbitMQ":
		f.Severity = doctor.Warning
		f.Why = "Siren is tested with RabbitMQ 3.10 to 4.3; other brokers that speak AMQP 0-9-1 differ in priorities, redelivery and arguments of queues"
		f.Mend = "use RabbitMQ, or try each of your lanes with jobs that may get lost"
	case r == release{}:
		f.Severity = doctor.Warning
		f.Why = "what holds for priorities, delivery limits and timeouts depends on the version, and the broker doesn't say a readable one"
		f.Mend = "`rabbitmqctl version` on the broker must say 3.10 or newer"
	case r.before(3, 10):
		f.Severity = doctor.Error
		f.Why = "Siren is tested with RabbitMQ 3.10 to 4.3; older ones lack what it needs of quorum queues and message priorities"
		f.Mend = "upgrade RabbitMQ, best to a series that is still supported"
	case r.before(4, 0):
		f.Severity = doctor.Note
		f.What += ", of a series that gets no fixes any more"
		f.Why = "Siren works with it, but faults and holes in it stay"
		f.Mend = "upgrade RabbitMQ when you can, by way of 3.13 to 4.x, each time with all feature flags enabled (rabbitmqctl enable_feature_flag all)"
	case !r.before(4, 4):
		f.Severity = doctor.Note
		f.What += ", which is newer than what Siren was tested with (3.10 to 4.3)"
		f.Why = "RabbitMQ changes priorities, redelivery and timeouts between releases"
		f.Mend = "read the release notes of RabbitMQ for quorum queues, or ask Siren's for that version"
	}
	return f
}

// judgeTypes is what follows from the version for queues of these types: priorities, the delivery limit, and whom the consumer timeout concerns.
func judgeTypes(version string, types []string) (found []doctor.Finding) {
	r := releaseOf(version)
	for _, kind := range types {
		check := "broker." + kind
		if kind == lanes.Classic {
			found = append(found, doctor.Finding{
				Check: check, What: fmt.Sprintf("classic queues serve priorities strictly, keep a job's place when it is returned, and have no delivery limit; on one node: "+
					"a lane waits while that node is away, and is lost with its disk%s", map[bool]string{true: "; RabbitMQ 4.3 has no consumer timeout for them"}[!r.before(4, 3)]),
			})
			continue
		}
		f := doctor.Finding{Check: check, What: "lanes with quorum queues have no priorities"}
		if !r.before(4, 0) {
			f.What += "; Siren takes their delivery limit (20) off"
		}
		if !r.before(4, 3) {
			f.What += ", and sets their consumer timeout"
		}
		found = append(found, f)
	}
	return found
}

// askTimeout is the command that shows the consumer timeout of a node: no protocol does.
const askTimeout = "rabbitmqctl eval 'application:get_env(rabbit, consumer_timeout).'"

// judgeTimeout is what can be said of the broker's consumer timeout: it can be learnt neither over AMQP nor from the management API.
func judgeTimeout(version string, types []string, p *lanes.Policy) doctor.Finding {
	const check = "broker.consumertimeout"
	r := releaseOf(version)
	ours := true // every queue has what Siren sets, or none
	for _, kind := range types {
		ours = ours && (kind == lanes.Quorum && !r.before(4, 0) || kind == lanes.Classic && !r.before(4, 3))
	}
	if ours {
		return doctor.Finding{Check: check, What: "the node's consumer_timeout concerns no lane: quorum queues have one of their own, and classic ones of RabbitMQ 4.3 have none"}
	}
	stated := p.Broker.ConsumerTimeout
	return doctor.Finding{
		Check: check, Severity: doctor.Note,
		What: fmt.Sprintf("the policy says that the broker's consumer_timeout is %s; neither AMQP nor the management API tells whether it is", stated),
		Why:  "a job that runs longer than the real one loses its channel, is ready again while it still runs, and is done twice",
		Mend: fmt.Sprintf("on each node: %s must be {ok,%d} or more; else set consumer_timeout = %[2]d in rabbitmq.conf, or state the real one as broker.consumerTimeout",
			askTimeout, stated.D().Milliseconds()),
	}
}

// judgeAlarm is what the broker said when something was published.
func judgeAlarm(why string) doctor.Finding {
	if why == "" {
		return doctor.Finding{Check: "broker.alarm", What: "no alarm: the broker accepts jobs"}
	}
	return doctor.Finding{
		Check: "broker.alarm", Severity: doctor.Error, What: "the broker accepts no jobs: " + why,
		Why: "no job comes in, and no retry or dead letter can be written: workers can't settle what fails",
		Mend: "rabbitmq-diagnostics alarms says on which node; for memory raise vm_memory_high_watermark or take load off, for disk free some below " +
			"RabbitMQ's data (or lower disk_free_limit); it ends by itself then",
	}
}

// judgeDepths is what the queues' numbers say.
func judgeDepths(depths map[string]depth) (found []doctor.Finding) {
	waiting, idle := 0, []string{}
	for _, b := range buckets {
		d, there := depths[b.queue]
		waiting += d.ready
		if there && d.consumers == 0 {
			idle = append(idle, b.queue)
		}
	}
	switch {
	case len(idle) > 0 && waiting > 0:
		found = append(found, doctor.Finding{
			Check: "broker.delays", Severity: doctor.Error, What: fmt.Sprintf("%d jobs wait for their next attempt, and nobody forwards from %s", waiting, strings.Join(idle, ", ")),
			Why: "failed jobs are never tried again while no scaler runs", Mend: "start `siren scaler`; if one runs, its log says why it can't forward",
		})
	case len(idle) > 0:
		found = append(found, doctor.Finding{
			Check: "broker.delays", Severity: doctor.Warning, What: "nobody forwards from " + strings.Join(idle, ", "),
			Why: "a job that fails is never tried again while no scaler runs", Mend: "start `siren scaler`; if one runs, its log says why it can't forward",
		})
	case len(depths) > 0:
		found = append(found, doctor.Finding{Check: "broker.delays", What: fmt.Sprintf("the delay queues are served; %d jobs wait there behind those that the forwarder holds", waiting)})
	}
	if d := depths[deadQueue]; d.ready > 0 {
		found = append(found, doctor.Finding{
			Check: "broker.dead", Severity: doctor.Note, What: fmt.Sprintf("%d dead letters lie in %s", d.ready, deadQueue),
			Why: "these jobs have failed for good, and stay until somebody looks at them", Mend: "siren dead",
		})
	}
	return found
}

// depth is what a passive declare tells of a queue.
type depth struct{ ready, consumers int }

// rights is what a user may configure, write and read, as rabbitmqctl set_permissions takes it.
type rights struct{ configure, write, read string }

// rightsOf is what each role needs; docs/kubernetes.md has the same. The scaler's contain those of the others.
var rightsOf = map[string]rights{
	lanes.ScalerRole: {
		`^siren\.(jobs|default|dead|(lane|delay)\..+)$`, `^(amq\.default|siren\.(jobs|default|lane\..+))$`, `^siren\.(jobs|default|dead|(lane|delay)\..+)$`,
	},
	lanes.WorkerRole:   {`^$`, `^amq\.default$`, `^siren\.lane\..+$`},
	lanes.ProducerRole: {`^$`, `^siren\.jobs$`, `^$`},
}

// rightsOfAll is what a user needs that has every role.
var rightsOfAll = rightsOf[lanes.ScalerRole]

// judgeRights is what follows from the refusals of a user that is to be of that role.
func judgeRights(role, user, vhost string, others bool, refusals []string) doctor.Finding {
	f := doctor.Finding{Check: "broker.rights." + role, What: fmt.Sprintf("user %q may do what a %s does", user, role)}
	if len(refusals) == 0 {
		return f
	}
	needs := rightsOf[role]
	if others { // one user for several roles: the mend of one must not undo that of another
		needs = rightsOfAll
	}
	f.Severity = doctor.Error
	f.What = fmt.Sprintf("user %q may not %s", user, strings.Join(refusals, ", nor "))
	f.Why = map[string]string{
		lanes.ScalerRole:   "a scaler with this user can't declare the queues, or can't bring retries back",
		lanes.WorkerRole:   "a worker with this user can't take jobs, or can't put off or bury those that fail",
		lanes.ProducerRole: "a producer with this user can't enqueue a job",
	}[role]
	f.Mend = fmt.Sprintf("rabbitmqctl set_permissions --vhost '%s' '%s' '%s' '%s' '%s'", vhost, user, needs.configure, needs.write, needs.read)
	if others {
		f.Mend += fmt.Sprintf(" (for all roles at once); or, if nothing is a %s with this user, say what is: --role", role)
	}
	return f
}

// judgePlain is whether passwords and jobs travel in the clear.
func judgePlain(t target) doctor.Finding {
	f := doctor.Finding{Check: "broker.tls", What: "the connection is encrypted (TLS)"}
	switch {
	case t.uri.Scheme == "amqps":
	case t.uri.Host == "localhost", strings.HasPrefix(t.uri.Host, "127."), t.uri.Host == "::1":
		f.What = "the connection isn't encrypted, and stays on this machine"
	default:
		f.Severity = doctor.Note
		f.What = "the connection isn't encrypted"
		f.Why = "who can listen between here and the broker reads the password and every job"
		f.Mend = "give the broker a certificate (listeners.ssl.default = 5671, ssl_options.…), and write amqps://…:5671 in the URL"
	}
	return f
}

// judgeDelay is how fast the broker answers: each job takes some round trips.
func judgeDelay(check, what string, took time.Duration) doctor.Finding {
	f := doctor.Finding{Check: check, What: fmt.Sprintf("%s answers within %s", what, took.Round(10*time.Microsecond))}
	if took > 100*time.Millisecond {
		f.Severity = doctor.Warning
		f.Why = "each job takes some round trips before it starts"
		f.Mend = "run Siren near it: the same region, best the same zone"
	}
	return f
}
