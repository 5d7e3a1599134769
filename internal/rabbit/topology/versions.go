package topology

import (
	"math"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// This file is all that Siren does differently by the broker's version or a queue's type. docs/rabbitmq.md has the
// differences that need nothing done, too.

// priorityLevels is x-max-priority of a classic lane queue. It can't be changed once a queue exists. Jobs have 0 to
// lanes.MaxPriority; the levels above are Siren's own. Quorum queues have priorities without saying (from 4.0 on), and
// refuse the argument.
const priorityLevels = 9

// Ordered reports whether the messages of a queue come by their priority.
func (r Release) Ordered(queueType string) bool { return queueType == lanes.Classic || !r.Before(4, 0) }

// Unlimited is x-delivery-limit of a quorum queue: how often a job may be delivered before the broker dead-letters it.
// It stands for "no limit", on every version alike, so that a queue made on 3.x fits after an upgrade: Siren keeps
// count itself. None at all means 20 on 4.0 and newer. -1 means none there, but "never again" on 3.x; and with -1, as
// without a limit on 3.x, what is given back goes to the end of the queue (up to 4.0), instead of to its front.
const Unlimited = math.MaxInt32

// Release is a version of RabbitMQ without its last number: 3.10, 4.3.
type Release struct{ major, minor int }

func (r Release) Before(major, minor int) bool {
	return r.major < major || r.major == major && r.minor < minor
}

// ReleaseOf parses the release of a version such as 3.10.8; zero when it can't be read.
func ReleaseOf(version string) Release {
	var numbers [2]int
	for i, part := range strings.SplitN(version, ".", 3)[:min(2, strings.Count(version, ".")+1)] {
		numbers[i], _ = strconv.Atoi(part)
	}
	return Release{numbers[0], numbers[1]}
}

// ownTimeout reports whether a quorum queue can have a consumer timeout of its own. (3.10 takes the argument and
// ignores it; 4.3 refuses it for classic queues.)
func (r Release) ownTimeout() bool { return !r.Before(4, 0) }

// The arguments of a queue that differ by version and type.
const (
	argType            = "x-queue-type"
	argMaxPriority     = "x-max-priority"
	argDeliveryLimit   = "x-delivery-limit"
	argConsumerTimeout = "x-consumer-timeout"
)

// QueueRules are the queue arguments for a policy on a broker.
type QueueRules struct {
	Policy *lanes.Policy
	Broker Release
}

// Lane returns the arguments of a lane queue. Dead-lettering is a safety net only: Siren publishes its dead letters
// itself.
func (r QueueRules) Lane(q lanes.Queue) amqp.Table {
	args := r.Plain(q.Type)
	args["x-dead-letter-exchange"] = ""
	args["x-dead-letter-routing-key"] = DeadQueue
	if q.Type == lanes.Classic {
		args[argMaxPriority] = int32(priorityLevels)
	}
	if _, ok := args[argConsumerTimeout]; ok {
		args[argConsumerTimeout] = r.Policy.ConsumerTimeout(q.Lane).Milliseconds()
	}
	return args
}

// Delay returns the arguments of a delay queue: one forwarder at a time gets its jobs, the others stand by.
func (r QueueRules) Delay() amqp.Table {
	args := r.Plain(r.Policy.Broker.QueueType)
	args["x-single-active-consumer"] = true
	return args
}

func (r QueueRules) Plain(queueType string) amqp.Table {
	args := amqp.Table{argType: queueType}
	if queueType == lanes.Quorum {
		args[argDeliveryLimit] = int32(Unlimited)
	}
	if queueType == lanes.Quorum && r.Broker.ownTimeout() {
		args[argConsumerTimeout] = r.Policy.Broker.ConsumerTimeout.D().Milliseconds()
	}
	return args
}

// tooLong reports that jobs of a quorum lane run longer than this broker lets a worker hold them.
func (r QueueRules) tooLong(q lanes.Queue) *MismatchError {
	need, states := r.Policy.ConsumerTimeout(q.Lane), r.Policy.Broker.ConsumerTimeout.D()
	if r.Broker.ownTimeout() || q.Type != lanes.Quorum || need <= states {
		return nil
	}
	return &MismatchError{
		Kind: "queue", Name: QueueName(q), Argument: argConsumerTimeout, Is: "none on this RabbitMQ",
		Want: strconv.FormatInt(need.Milliseconds(), 10),
	}
}
