package site

import (
	"context"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/test/processes"
	"github.com/polyglot-media/siren/test/wait"
)

// The processes of a fleet. The last worker is the batch pool's.
var (
	WorkerNames = []string{"w1", "w2", "w3", "w4"}
	ScalerNames = []string{"s1", "s2"}
)

// Lead starts the scalers.
func (s *Site) Lead() error {
	for _, name := range ScalerNames {
		p, err := s.launch(name, "scaler", "--policy", s.policy(), "--data", s.Path("scratch", name),
			"--drain-timeout", "5s")
		if err != nil {
			return err
		}
		s.Scalers = append(s.Scalers, p)
	}
	return nil
}

// MostSized is how many workers the pool elastic may have, and all that the budget leaves for it.
const MostSized = 2

// Sized returns the workers that scalers have started.
func (s *Site) Sized() []processes.Process {
	return processes.Running(func(p processes.Process) bool {
		return p.Cwd == s.Dir && slices.Contains(p.Args, "worker") && slices.Contains(p.Args, "elastic")
	})
}

// Start starts scalers and workers, and returns when all workers take jobs.
func (s *Site) Start(ctx context.Context) error {
	if err := s.Lead(); err != nil {
		return err
	}
	for _, name := range WorkerNames {
		pool := "general"
		if name == WorkerNames[len(WorkerNames)-1] {
			pool = "batch"
		}
		p, err := s.launch(name, "worker", "--pool", pool, "--name", "@NAME@", "--threads", "1", "--drain-timeout",
			"5s", "--scratch", s.Path("scratch", name))
		if err != nil {
			return err
		}
		s.Workers = append(s.Workers, p)
	}
	var last error
	err := wait.Until(ctx, time.Minute, "all workers to take jobs", func() (bool, error) {
		last = s.staffed(ctx)
		return last == nil, nil
	})
	if err != nil {
		err = fmt.Errorf("the fleet doesn't start: %w: %w; its logs are in %s", err, last, s.Path("log"))
	}
	return err
}

// staffed returns nil once all workers take jobs.
func (s *Site) staffed(ctx context.Context) error {
	if err := s.LearnQueues(ctx); err != nil {
		return err
	}
	return s.Direct(func(ch *amqp.Channel) error {
		for lane, want := range map[string]int{"express": 2 * (len(WorkerNames) - 1), "bulk": len(WorkerNames)} {
			// a shared slot and one of the shoulder, but for the last worker
			q, err := ch.QueueDeclarePassive(s.QueueOf(lane), true, false, false, false, nil)
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
