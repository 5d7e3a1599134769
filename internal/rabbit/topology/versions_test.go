package topology

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

func TestQueueArguments(t *testing.T) {
	policy := &lanes.Policy{Lanes: []lanes.Lane{
		{Name: "bulk"},
		{Name: "long", MaxRuntime: lanes.Duration(2 * time.Hour)},
	}}
	policy.Default()
	quorum := &lanes.Policy{Broker: lanes.Broker{QueueType: lanes.Quorum}}
	quorum.Default()
	old, modern := QueueRules{Policy: quorum}, QueueRules{Policy: quorum, Broker: ReleaseOf("4.0.5")}
	rules := QueueRules{Policy: policy, Broker: ReleaseOf("4.3.6")}
	bulk, long := lanes.Queue{Lane: "bulk", Type: lanes.Quorum}, lanes.Queue{Lane: "long", Type: lanes.Quorum}
	net := func(t amqp.Table) amqp.Table {
		t["x-dead-letter-exchange"], t["x-dead-letter-routing-key"] = "", "siren.dead"
		return t
	}
	for _, c := range []struct {
		name      string
		got, want amqp.Table
	}{
		{
			"classic lane", rules.Lane(lanes.Queue{Lane: "bulk", Type: lanes.Classic}),
			net(amqp.Table{"x-queue-type": "classic", "x-max-priority": int32(9)}),
		},
		{"classic delay", rules.Delay(), amqp.Table{"x-queue-type": "classic", "x-single-active-consumer": true}},
		{"quorum lane on 3.x", old.Lane(bulk), net(amqp.Table{
			"x-queue-type":     "quorum",
			"x-delivery-limit": int32(math.MaxInt32),
		})},
		{"quorum lane on 4.x", rules.Lane(bulk), net(amqp.Table{
			"x-queue-type":     "quorum",
			"x-delivery-limit": int32(math.MaxInt32), "x-consumer-timeout": int64(1_800_000),
		})},
		{"a lane of long jobs", rules.Lane(long), net(amqp.Table{
			"x-queue-type":     "quorum",
			"x-delivery-limit": int32(math.MaxInt32), "x-consumer-timeout": int64(7_500_000),
		})},
		{"quorum delay on 3.x", old.Delay(), amqp.Table{
			"x-queue-type":     "quorum",
			"x-delivery-limit": int32(math.MaxInt32), "x-single-active-consumer": true,
		}},
		{
			"quorum dead letters on 4.x", modern.Plain(lanes.Quorum),
			amqp.Table{
				"x-queue-type": "quorum", "x-delivery-limit": int32(math.MaxInt32),
				"x-consumer-timeout": int64(1_800_000),
			},
		},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	for text, want := range map[string]Release{
		"3.10.8": {3, 10}, "4.0.5": {4, 0}, "4.3.6": {4, 3},
		"4.1.0-rc.1": {4, 1}, "4": {4, 0}, "": {}, "unknown": {},
	} {
		if got := ReleaseOf(text); got != want {
			t.Errorf("version %q: %v, want %v", text, got, want)
		}
	}
}

func TestMismatchWording(t *testing.T) {
	for reason, want := range map[string]string{
		"PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'siren.lane.bulk' in vhost '/': " +
			"received the value '2147483647' of type 'signedint' but current is none": `queue "siren.lane.bulk" ` +
			`exists with x-delivery-limit none, but the policy asks for 2147483647; until then RabbitMQ 4.0 and ` +
			`newer dead-letter a job that was delivered 20 times over: rabbitmqctl set_policy`,
		"PRECONDITION_FAILED - inequivalent arg 'x-consumer-timeout' for queue 'siren.lane.bulk' in vhost '/': " +
			"received '1800000' but current is '3600000'": `exists with x-consumer-timeout 3600000, ` +
			`but the policy asks for 1800000; lower the lane's maxRuntime or broker.consumerTimeout`,
		"PRECONDITION_FAILED - something new": `exists with other arguments than the policy asks for ` +
			`(PRECONDITION_FAILED - something new); ` + "`siren lanes migrate bulk --to …` to the other queue type",
	} {
		err := Mismatch("queue", "siren.lane.bulk", &amqp.Error{Code: amqp.PreconditionFailed, Reason: reason})
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}
