package topology

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// MismatchError is a queue or exchange that exists with another argument than the policy asks for. RabbitMQ fixes
// arguments when a queue is made, so a person has to choose between the queue and the policy. Until then the queue is
// used as it is.
type MismatchError struct {
	Kind     string // queue or exchange
	Name     string
	Argument string // x-max-priority; "" when the broker's answer couldn't be read
	Is       string // what it is: 5, or none
	Want     string // what it should be
	Reason   string // the broker's own words
}

func (e *MismatchError) Error() string { return e.What() + "; " + e.Fix() }

// What says what is wrong, without what to do about it.
func (e *MismatchError) What() string {
	if e.Argument == "" {
		return fmt.Sprintf("%s %q exists with other arguments than the policy asks for (%s)", e.Kind, e.Name, e.Reason)
	}
	return fmt.Sprintf("%s %q exists with %s %s, but the policy asks for %s", e.Kind, e.Name, e.Argument, e.Is, e.Want)
}

// Fix says what to do about it.
func (e *MismatchError) Fix() string {
	if e.Kind == "exchange" {
		return fmt.Sprintf("delete the exchange %q: the scaler, once it runs, declares it again within seconds "+
			"(jobs published in between are refused, not lost)", e.Name)
	}
	drain := fmt.Sprintf("let it drain, and delete it once it is empty (rabbitmqctl delete_queue --if-empty %s): "+
		"the scaler declares it again within seconds", e.Name)
	if e.Lane() != "" {
		drain = fmt.Sprintf("`siren lanes migrate %s --to …` to the other queue type, and delete %s once it is empty",
			e.Lane(), e.Name)
	}
	switch e.Argument {
	case argType, "type":
		return fmt.Sprintf("either set broker.queueType: %s in the policy, or %s", e.Is, drain)
	case argConsumerTimeout:
		return "lower the lane's maxRuntime or broker.consumerTimeout; or, on RabbitMQ 4.0 or newer, " + drain
	case argDeliveryLimit:
		return fmt.Sprintf("until then RabbitMQ 4.0 and newer dead-letter a job that was delivered 20 times over: "+
			"rabbitmqctl set_policy --apply-to queues --priority 1 "+
			"siren-deliveries '^siren\\.' '{\"delivery-limit\": %d}'; or %s", Unlimited, drain)
	default:
		return drain
	}
}

// Lane returns the lane whose queue it is, "" for another queue.
func (e *MismatchError) Lane() string {
	name, ok := strings.CutPrefix(e.Name, LaneQueuePrefix)
	if !ok {
		return ""
	}
	return lanes.ParseQueue(name).Lane
}

// inequivalent is how RabbitMQ says it, with the value bare or spelt out: inequivalent arg 'x-max-priority' for queue
// 'q' in vhost '/': received '9' but current is '5' inequivalent arg 'x-max-priority' for queue 'q' in vhost '/':
// received the value '9' of type 'signedint' but current is none.
var inequivalent = regexp.MustCompile(`inequivalent arg '([^']*)' for .*: received (.*) but current is (.*)`)

var argumentValue = regexp.MustCompile(`^(?:the value )?'(.*?)'(?: of type '[^']*')?$`)

func Mismatch(kind, name string, err error) *MismatchError {
	m := &MismatchError{Kind: kind, Name: name, Reason: err.Error()}
	var refusal *amqp.Error
	if errors.As(err, &refusal) {
		m.Reason = refusal.Reason
	}
	if found := inequivalent.FindStringSubmatch(m.Reason); found != nil {
		m.Argument, m.Want, m.Is = found[1], bare(found[2]), bare(found[3])
	}
	return m
}

// bare strips RabbitMQ's wording from a value.
func bare(value string) string {
	if found := argumentValue.FindStringSubmatch(value); found != nil {
		value = found[1]
	}
	if value == "" {
		return `""`
	}
	return value
}
