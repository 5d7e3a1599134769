package redislink

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// libraryLog sends what go-redis itself has to say to slog at Debug: its errors reach us as errors anyway. go-redis has
// one logger for the process, so the first store's log gets it all.
type libraryLog struct{ log *slog.Logger }

// Printf implements go-redis' logger.
func (l libraryLog) Printf(ctx context.Context, format string, args ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "go-redis: "+fmt.Sprintf(format, args...))
	}
}

var logOnce sync.Once

func logLibrary(log *slog.Logger) {
	logOnce.Do(func() { goredis.SetLogger(libraryLog{log}) })
}
