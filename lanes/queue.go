package lanes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Queue is one lane's queue. A lane has one for each queue type that it ever had; its policy says which of them it
// uses.
type Queue struct {
	Lane string
	Type string // Classic or Quorum
}

// quorumMark is what tells a lane's quorum queue from its classic one, by name. No lane's name has a dot.
const quorumMark = "." + Quorum

// String returns the queue's name: the lane's own for a classic queue (bulk), and with the type for a quorum queue
// (bulk.quorum).
func (q Queue) String() string {
	if q.Type == Quorum {
		return q.Lane + quorumMark
	}
	return q.Lane
}

// ParseQueue returns the queue with that name.
func ParseQueue(name string) Queue {
	if lane, ok := strings.CutSuffix(name, quorumMark); ok {
		return Queue{lane, Quorum}
	}
	return Queue{name, Classic}
}

// MarshalText encodes the queue as its name, for JSON.
func (q Queue) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText decodes what MarshalText wrote.
func (q *Queue) UnmarshalText(text []byte) error {
	*q = ParseQueue(string(text))
	if q.Lane == "" {
		return fmt.Errorf("%q is not a queue", text)
	}
	return nil
}

// QueueOf returns the queue that the lane uses. A lane that left the policy has the default type.
func (p *Policy) QueueOf(lane string) Queue {
	l, _ := p.Lane(lane)
	return Queue{lane, p.typeOf(l)}
}

// OtherQueues returns the queues that the policy's lanes would have with the other type.
func (p *Policy) OtherQueues() []Queue {
	queues := p.Queues()
	for i, q := range queues {
		if queues[i].Type = Quorum; q.Type == Quorum {
			queues[i].Type = Classic
		}
	}
	return queues
}

func (p *Policy) typeOf(l Lane) string { return cmp.Or(l.QueueType, p.Broker.QueueType, Classic) }

// Queues returns the queues that the lanes use, most urgent first.
func (p *Policy) Queues() []Queue {
	queues := make([]Queue, len(p.Lanes))
	for i, l := range p.Lanes {
		queues[i] = Queue{l.Name, p.typeOf(l)}
	}
	return queues
}

// Unused returns those of the queues that no lane uses.
func (p *Policy) Unused(known []Queue) []Queue {
	used := map[Queue]bool{}
	for _, q := range p.Queues() {
		used[q] = true
	}
	return slices.DeleteFunc(slices.Clone(known), func(q Queue) bool { return used[q] })
}

// ConsumerTimeout returns how long a worker may hold a job of the lane before the broker takes it away:
// broker.consumerTimeout, or as much as the lane's maxRuntime needs. A quorum queue on RabbitMQ 4.0 or newer gets it as
// an argument.
func (p *Policy) ConsumerTimeout(lane string) time.Duration {
	l, _ := p.Lane(lane)
	return max(p.Broker.ConsumerTimeout.D(), l.MaxRuntime.D()+runtimeMargin)
}
