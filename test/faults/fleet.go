package main

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/test/wait"
)

// lead starts the scalers.
func (s *site) lead() error {
	for _, name := range scalerNames {
		p, err := s.launch(name, "scaler", "--policy", s.policy(), "--data", s.path("scratch", name))
		if err != nil {
			return err
		}
		s.scalers = append(s.scalers, p)
	}
	return nil
}

// start starts scalers and workers, and returns when all workers take jobs.
func (s *site) start(ctx context.Context) error {
	if err := s.lead(); err != nil {
		return err
	}
	for _, name := range workerNames {
		pool := "general"
		if name == workerNames[len(workerNames)-1] {
			pool = "batch"
		}
		p, err := s.launch(name, "worker", "--pool", pool, "--name", "@NAME@", "--threads", "1", "--drain-timeout",
			"5s", "--scratch", s.path("scratch", name))
		if err != nil {
			return err
		}
		s.workers = append(s.workers, p)
	}
	var last error
	err := wait.Until(ctx, time.Minute, "all workers to take jobs", func() (bool, error) {
		last = s.staffed(ctx)
		return last == nil, nil
	})
	if err != nil {
		err = fmt.Errorf("the fleet doesn't start: %w: %w; its logs are in %s", err, last, s.path("log"))
	}
	return err
}

// staffed returns nil once all workers take jobs.
func (s *site) staffed(ctx context.Context) error {
	if err := s.learnQueues(ctx); err != nil {
		return err
	}
	return s.direct(func(ch *amqp.Channel) error {
		for lane, want := range map[string]int{"express": 2 * (len(workerNames) - 1), "bulk": len(workerNames)} {
			// a shared slot and one of the shoulder, but for the last worker
			q, err := ch.QueueDeclarePassive(s.queueOf(lane), true, false, false, false, nil)
			if err != nil {
				return err
			}
			if q.Consumers < want {
				return fmt.Errorf("%d consumers of lane %s, want %d", q.Consumers, lane, want)
			}
		}
		return nil
	})
}

// The processes of a fleet, and the ends of its links.
var (
	workerNames   = []string{"w1", "w2", "w3", "w4"}
	scalerNames   = []string{"s1", "s2"}
	producerNames = []string{"client", "raw"}
)
