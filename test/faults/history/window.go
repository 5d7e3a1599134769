package history

import (
	"fmt"
	"time"
)

// Fault is one thing that is broken for a while.
type Fault struct {
	Number int
	Kind   string
	Target string // w2, s1, w2/amqp, …; "" where there is no choice
	At     time.Duration
	Lasts  time.Duration
	Seed   uint64 // for the small choices of the kind itself
}

func (f Fault) String() string {
	return fmt.Sprintf("fault %d: %s %s", f.Number, f.Kind, f.Target)
}

// Window is a fault that has been there, in real time.
type Window struct {
	Fault
	From, To time.Time // To: when it was undone, and what recovers from it has had its time
	Outage   string    // what was away for all; "": only these:
	Lives    []string  // of workers that it hit
	Link     string
	// Of a broken node of RabbitMQ: its name, the lanes whose queues it led, the processes that were connected to it.
	Node      string
	Led       []string
	Connected []string
}
