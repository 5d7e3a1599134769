package walk

import (
	"context"

	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/worker"
)

// slots is what a worker of this process has.
type slots struct {
	shared, shoulder int
	wrap             func(worker.Source) worker.Source // of each shared slot; nil: as it is
}

// handlerFunc is a function as a worker.Handler.
type handlerFunc func(context.Context, work.Task) (work.Result, error)

func (f handlerFunc) Handle(ctx context.Context, t work.Task) (work.Result, error) {
	return f(ctx, t)
}

// serve runs a worker as `siren worker` does, but in this process and with another handler, until ctx ends; then what
// still runs is returned to its lane.
func serve(ctx context.Context, b *stand.Bench, name string, s slots, h worker.Handler) error {
	consume, err := b.Connect(name)
	if err != nil {
		return err
	}
	defer consume.Close()
	publish, err := b.Connect(name + " (publish)")
	if err != nil {
		return err
	}
	defer publish.Close()
	taker := take.NewTaker(consume, confirms.NewPublisher(publish, 0), stand.Pool)
	taker.Follow(b.Effective)
	var shared, shoulder []worker.Source
	for range s.shared {
		var source worker.Source = taker.Shared()
		if s.wrap != nil {
			source = s.wrap(source)
		}
		shared = append(shared, source)
	}
	for range s.shoulder {
		shoulder = append(shoulder, taker.Shoulder(stand.ExpressLane))
	}
	w := worker.New(worker.Options{
		Name: name, Pool: stand.Pool, Shared: shared, Shoulder: shoulder,
		Handler: h, Ledger: b.Ledger, Roster: redis.NewRoster(b.Store, b.Log), Policy: b.Effective, Online: consume.Up,
	})
	return w.Run(ctx, context.WithoutCancel(ctx)) // its drain time is 0
}
