package redistest

import (
	"context"
	"slices"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// RoundTrips is how many commands went to Redis in each round trip, but for what a new connection says, and the store
// by itself.
type RoundTrips struct {
	mu    sync.Mutex
	Sizes []int
}

// DialHook does nothing.
func (p *RoundTrips) DialHook(next goredis.DialHook) goredis.DialHook { return next }

// ProcessHook counts a command.
func (p *RoundTrips) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		p.sent(cmd)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook counts the commands of a pipeline.
func (p *RoundTrips) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		p.sent(cmds...)
		return next(ctx, cmds)
	}
}

func (p *RoundTrips) sent(cmds ...goredis.Cmder) {
	if !slices.Contains([]string{"hello", "client", "time", "info", "acl"}, cmds[0].Name()) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.Sizes = append(p.Sizes, len(cmds))
	}
}
