package broker

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/rabbit/probe"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

const reachable = doctor.Check("broker.reachable")

// judgeUnreachable says what to do about a broker that can't be reached, or lets nobody in.
func judgeUnreachable(err error) doctor.Finding {
	fix := "check the URL, the network on the way, and that RabbitMQ runs: rabbitmq-diagnostics " +
		"check_port_listener 5672"
	if errors.Is(err, lanes.ErrRefused) {
		fix = "check user, password and vhost in the URL: " +
			"rabbitmqctl authenticate_user USER, rabbitmqctl list_permissions --vhost VHOST"
	}
	return reachable.Error(err.Error(), "without RabbitMQ no job comes in, starts or is retried", fix)
}

// judgeReached says what the connection itself tells.
func judgeReached(s probe.Server) []doctor.Finding {
	found := []doctor.Finding{
		reachable.OK(fmt.Sprintf("connected to %s as %q in %s", s.Address, s.User,
			s.Reached.Round(100*time.Microsecond))),
		judgeEncryption(s),
	}
	found = append(found, judgeAddresses(s.Addresses)...)
	if s.DefaultPassword {
		found = append(found, doctor.Check("broker.guest").Warning("the user is guest with the "+
			"default password",
			"whoever reaches the broker may do everything there",
			"rabbitmqctl add_user siren PASSWORD, grant it what `siren doctor` says, then rabbitmqctl delete_user "+
				"guest"))
	}
	found = append(found, judgeVersion(s.Product, s.Version))
	if s.Delay > 0 {
		found = append(found, judgeDelay(s.Delay))
	}
	return found
}

// judgeAddresses says which of several addresses lead nowhere.
func judgeAddresses(all []rabbitlink.Tried) []doctor.Finding {
	const check = doctor.Check("broker.addresses")
	var names, away []string
	for _, a := range all {
		names = append(names, a.Address)
		if a.Err != nil {
			away = append(away, fmt.Sprintf("%s (%v)", a.Address, a.Err))
		}
	}
	switch {
	case len(all) < 2:
		return nil
	case len(away) == 0:
		return []doctor.Finding{check.OK(fmt.Sprintf("all %d addresses let us in: %s", len(all), say.Listed(names)))}
	}
	return []doctor.Finding{check.Warning(
		fmt.Sprintf("%d of %d addresses don't let us in: %s", len(away), len(all), strings.Join(away, "; ")),
		"connections use the others, and come back once these answer; until then fewer nodes carry all of them",
		"start what isn't running (rabbitmq-diagnostics check_running on each node), or take the address out of "+
			"the URL")}
}

// judgeEncryption says whether passwords and jobs travel in the clear.
func judgeEncryption(s probe.Server) doctor.Finding {
	const tls = doctor.Check("broker.tls")
	switch {
	case s.Encrypted:
		return tls.OK("the connection is encrypted (TLS)")
	case s.Local:
		return tls.OK("the connection isn't encrypted, and stays on this machine")
	}
	return tls.Note("the connection isn't encrypted",
		"whoever can listen between here and the broker reads the password and every job",
		"give the broker a certificate (listeners.ssl.default = 5671, ssl_options.…), and write amqps://…:5671 in "+
			"the URL")
}

// judgeDelay says how fast the broker answers: each job takes some round trips.
func judgeDelay(took time.Duration) doctor.Finding {
	return doctor.Delay("broker.delay", "RabbitMQ", took, "each job takes some round trips before it starts",
		"run Siren near it: the same region, best the same zone")
}

// judgeVersion says what the broker's product and version mean for Siren.
func judgeVersion(product, version string) doctor.Finding {
	const check = doctor.Check("broker.version")
	what := strings.TrimSpace(product + " " + version)
	switch r := topology.ReleaseOf(version); {
	case product != "RabbitMQ":
		return check.Warning(what, "Siren is tested with RabbitMQ 3.10 to 4.3; "+
			"other brokers that speak AMQP 0-9-1 differ in priorities, redelivery and arguments of queues",
			"use RabbitMQ, or try each of your lanes with jobs that may get lost")
	case r == topology.Release{}:
		return check.Warning(what, "what holds for priorities, delivery limits and timeouts depends on the version, "+
			"and the broker doesn't say a readable one", "`rabbitmqctl version` on the broker must say 3.10 or newer")
	case r.Before(3, 10):
		return check.Error(what, "Siren is tested with RabbitMQ 3.10 to 4.3; "+
			"older ones lack what it needs of quorum queues and message priorities",
			"upgrade RabbitMQ, best to a series that is still supported")
	case r.Before(4, 0):
		return check.Note(what+", of a series that gets no fixes any more",
			"Siren works with it, but its bugs and security holes stay",
			"upgrade RabbitMQ when you can, by way of 3.13 to 4.x, "+
				"each time with all feature flags enabled (rabbitmqctl enable_feature_flag all)")
	case !r.Before(4, 4):
		return check.Note(what+", which is newer than what Siren was tested with (3.10 to 4.3)",
			"RabbitMQ changes priorities, redelivery and timeouts between releases",
			"read the release notes of RabbitMQ for quorum queues, or ask Siren's for that version")
	}
	return check.OK(what)
}

// judgeTypes says what follows from the version for queues of these types: priorities, the delivery limit, and whom the
// consumer timeout concerns.
func judgeTypes(version string, types []string) (found []doctor.Finding) {
	r := topology.ReleaseOf(version)
	for _, kind := range types {
		what := "lanes with quorum queues have no priorities"
		if kind == lanes.Classic {
			what = "classic queues serve priorities strictly, keep a job's place when it is returned, and have no " +
				"delivery " +
				"limit; on one node: a lane waits while that node is away, and is lost with its disk"
			if !r.Before(4, 3) {
				what += "; RabbitMQ 4.3 has no consumer timeout for them"
			}
		} else {
			if !r.Before(4, 0) {
				what += "; Siren takes their delivery limit (20) off"
			}
			if !r.Before(4, 3) {
				what += ", and sets their consumer timeout"
			}
		}
		found = append(found, doctor.Check("broker."+kind).OK(what))
	}
	return found
}

// askTimeout is the command that shows the consumer timeout of a node: no protocol does.
const askTimeout = "rabbitmqctl eval 'application:get_env(rabbit, consumer_timeout).'"

// judgeTimeout says what can be said of the broker's consumer timeout: it can be learnt neither over AMQP nor from the
// management API.
func judgeTimeout(version string, types []string, p *lanes.Policy) doctor.Finding {
	const check = doctor.Check("broker.consumertimeout")
	r := topology.ReleaseOf(version)
	ours := true // every queue has what Siren sets, or none
	for _, kind := range types {
		ours = ours && (kind == lanes.Quorum && !r.Before(4, 0) || kind == lanes.Classic && !r.Before(4, 3))
	}
	if ours {
		return check.OK("the node's consumer_timeout concerns no lane: " +
			"quorum queues have one of their own, and classic ones of RabbitMQ 4.3 have none")
	}
	stated := p.Broker.ConsumerTimeout
	return check.Note(
		fmt.Sprintf("the policy says that the broker's consumer_timeout is %s; neither AMQP nor the management API "+
			"tells "+
			"whether it is", stated),
		"a job that runs longer than the real one loses its channel, is ready again while it still runs, and is "+
			"done twice",
		fmt.Sprintf("on each node: %s must be {ok,%d} or more; else set consumer_timeout = %[2]d in rabbitmq.conf, "+
			"or state the real one as broker.consumerTimeout", askTimeout, stated.D().Milliseconds()))
}

// judgeAlarm says what it means what the broker said when something was published.
func judgeAlarm(why string) doctor.Finding {
	const check = doctor.Check("broker.alarm")
	if why == "" {
		return check.OK("no alarm: the broker accepts jobs")
	}
	return check.Error("the broker accepts no jobs: "+why,
		"no job comes in, and no retry or dead letter can be written: workers can't settle what fails",
		"rabbitmq-diagnostics alarms says on which node; for memory raise vm_memory_high_watermark or take load off, "+
			"for disk free some below RabbitMQ's data (or lower disk_free_limit); it ends by itself then")
}
