package lanes

import (
	"encoding/json"
	"time"
)

// Defaults of what a policy leaves out. Default is the only reader.
const (
	defaultMaxRuntime      = Duration(20 * time.Minute)
	defaultMaxCrashes      = 3
	defaultConsumerTimeout = Duration(30 * time.Minute) // RabbitMQ's own default
)

var (
	defaultRetry  = Retries{Attempts: 5, First: Duration(5 * time.Second), Factor: 3, Max: Duration(15 * time.Minute)}
	defaultSlot   = SlotLimits{Memory: 2 << 30, Scratch: 4 << 30, Cores: 1}
	defaultTiming = Timing{
		Heartbeat: Duration(time.Second), GoneAfter: Duration(5 * time.Second), Lease: Duration(15 * time.Second),
		Keep: Duration(24 * time.Hour), ServiceTime: Duration(10 * time.Second), ColdStart: Duration(10 * time.Second),
	}
)

// Default fills in everything that the policy leaves out. It is idempotent.
func (p *Policy) Default() {
	or(&p.Broker.QueueType, Classic)
	or(&p.Broker.ConsumerTimeout, defaultConsumerTimeout)
	for i := range p.Lanes {
		l := &p.Lanes[i]
		or(&l.QueueType, p.Broker.QueueType)
		or(&l.MaxRuntime, defaultMaxRuntime)
		or(&l.MaxCrashes, defaultMaxCrashes)
		or(&l.Retry.Attempts, defaultRetry.Attempts)
		or(&l.Retry.First, defaultRetry.First)
		or(&l.Retry.Factor, defaultRetry.Factor)
		or(&l.Retry.Max, defaultRetry.Max)
	}
	for i := range p.Pools {
		q := &p.Pools[i]
		or(&q.Slots, 1)
		or(&q.Slot.Memory, defaultSlot.Memory)
		or(&q.Slot.Scratch, defaultSlot.Scratch)
		or(&q.Slot.Cores, defaultSlot.Cores)
	}
	for _, s := range p.Schedules {
		for field, value := range s.Set {
			if value == nil { // promote: null
				s.Set[field] = json.RawMessage("null")
			}
		}
	}
	t := &p.Timing
	or(&t.Heartbeat, defaultTiming.Heartbeat)
	or(&t.GoneAfter, defaultTiming.GoneAfter)
	or(&t.Lease, defaultTiming.Lease)
	or(&t.Keep, defaultTiming.Keep)
	or(&t.ServiceTime, defaultTiming.ServiceTime)
	or(&t.ColdStart, defaultTiming.ColdStart)
}

// or sets *field to value when it is zero.
func or[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
