package upkeep

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// QueueMemory remembers every queue that a lane ever had: in Redis, in this process and, on Kubernetes, in a ConfigMap,
// so that a flushed Redis forgets none. What is in the queue of a lane that left the policy, or has another queue type
// now, still has to be served.
type QueueMemory struct {
	Board *redis.Board
	State *kube.State // nil: no ConfigMap

	mu   sync.Mutex
	kept []lanes.Queue // as last seen; with a ConfigMap, in it
	seen time.Time
}

const (
	lanesEntry = "lanes"          // of the ConfigMap: queues by name, one a line
	seenFor    = 30 * time.Second // how long the ConfigMap is taken to be as it was
)

// Known remembers the current queues and answers with all there ever were.
func (m *QueueMemory) Known(ctx context.Context, current []lanes.Queue) ([]lanes.Queue, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.State != nil && time.Since(m.seen) > seenFor {
		data, err := m.State.Load(ctx)
		if err != nil {
			return nil, fmt.Errorf("look up the lanes' queues there were: %w", err)
		}
		m.kept = nil
		for _, name := range strings.Fields(data[lanesEntry]) {
			m.kept = append(m.kept, lanes.ParseQueue(name))
		}
		m.seen = time.Now()
	}
	all, err := m.Board.KnownQueues(ctx, union(current, m.kept)...)
	switch {
	case err != nil && m.kept == nil:
		return nil, err
	case err != nil: // what was seen last is enough
		return union(current, m.kept), nil
	case len(all) <= len(m.kept):
		return all, nil
	}
	if m.State != nil {
		names := ""
		for _, q := range all {
			names += q.String() + "\n"
		}
		if err := m.State.Save(ctx, map[string]string{lanesEntry: names}); err != nil {
			return all, fmt.Errorf("keep the lanes' queues there were: %w", err)
		}
	}
	m.kept = all
	return all, nil
}

// union returns the queues of both, each once, sorted by name.
func union(a, b []lanes.Queue) []lanes.Queue {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y lanes.Queue) int { return strings.Compare(x.String(), y.String()) })
	return slices.Compact(all)
}
