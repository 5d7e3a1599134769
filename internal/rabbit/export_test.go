package rabbit

import (
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/topology"
)

// SetLongestDelay shortens how far the last delay queue with exact times reaches, until it is called again; it returns
// what it was.
func SetLongestDelay(d time.Duration) time.Duration {
	last := &topology.Buckets[len(topology.Buckets)-2]
	was := last.Reach
	last.Reach = d
	return was
}

// SetForwardPrefetch makes forwarders that begin now hold fewer jobs of each queue, until it is called again. It
// returns the value before.
func SetForwardPrefetch(n int) int {
	was := forwardPrefetch
	forwardPrefetch = n
	return was
}
