package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/test/wait"
)

// The names of queues.
const (
	DeadQueue  = "siren.dead"
	laneQueue  = "siren.lane." // and the lane's name, and perhaps more
	delayQueue = "siren.delay."
)

// LearnQueues notes every queue of Siren's that there is.
func (s *Site) LearnQueues(ctx context.Context) error {
	said, err := s.ctl(ctx, "-q", "list_queues", "name")
	s.queues = nil
	for line := range strings.Lines(said) {
		if name := strings.TrimSpace(line); strings.HasPrefix(name, "siren.") {
			s.queues = append(s.queues, name)
		}
	}
	return err
}

// Ready returns how many messages wait in each queue, as of now.
func (s *Site) Ready() (map[string]int, error) {
	depths := map[string]int{}
	return depths, s.Direct(func(ch *amqp.Channel) error {
		for _, name := range s.queues {
			q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			if err != nil {
				return fmt.Errorf("look at %s: %w", name, err)
			}
			depths[name] = q.Messages
		}
		return nil
	})
}

// unsettled returns how many messages somebody has taken and not settled yet, in all queues but siren.dead that have
// any. What the broker says of a quorum queue may be some seconds old.
func (s *Site) unsettled(ctx context.Context) (map[string]int, error) {
	taken := map[string]int{}
	said, err := s.ctl(ctx, "-q", "list_queues", "name", "messages_unacknowledged")
	for line := range strings.Lines(said) {
		name, count, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if !strings.HasPrefix(name, laneQueue) && !strings.HasPrefix(name, delayQueue) {
			continue
		}
		n, parsed := strconv.Atoi(count)
		if parsed != nil {
			return nil, fmt.Errorf("the broker says nothing of %s yet", name)
		}
		if n > 0 {
			taken[name] = n
		}
	}
	return taken, err
}

// Waiting leaves out siren.dead and what is empty.
func Waiting(queues map[string]int) map[string]int {
	left := map[string]int{}
	for name, n := range queues {
		if name != DeadQueue && n > 0 {
			left[name] = n
		}
	}
	return left
}

// QueueOf returns the queue of a lane, whatever its type.
func (s *Site) QueueOf(lane string) string {
	for _, n := range s.queues {
		if n == laneQueue+lane || strings.HasPrefix(n, laneQueue+lane+".") {
			return n
		}
	}
	return ""
}

// restFor is how long all queues must have been empty: the broker refreshes what it says of unsettled messages every
// 5 s.
const restFor = 7 * time.Second

// staleAfter is how long all queues must have been empty for what the broker says of unsettled messages not to count:
// of a quorum queue whose leader was cut off or hung it may say so for ever. What really is taken comes back once the
// workers have stopped, and is judged then.
const staleAfter = time.Minute

// Rest waits until nothing is on its way in any queue but the one that is left out, and it is enough: nothing was for
// calm, and so many messages are dead. When ctx ends first, the error says what wasn't at rest when last looked at.
func (s *Site) Rest(ctx context.Context, but string, enough func(calm time.Duration, dead int) bool) error {
	unrest := errors.New("nobody has looked yet")
	for empty := time.Now(); wait.Pause(ctx, time.Second) == nil; {
		queues, err := s.Ready()
		delete(queues, but)
		if left := Waiting(queues); err != nil || len(left) > 0 {
			empty = time.Now()
			unrest = cmp.Or(err, fmt.Errorf("messages wait: %v", left))
			continue
		}
		calm := time.Since(empty)
		if calm < restFor || !enough(calm, queues[DeadQueue]) {
			unrest = fmt.Errorf("nothing waits for %s, but that isn't enough", calm.Round(time.Second))
			continue
		}
		taken, err := s.unsettled(ctx)
		switch {
		case ctx.Err() != nil: // it was cut short, and says nothing
		case err == nil && len(taken) == 0, calm >= staleAfter:
			return nil
		case err != nil:
			unrest = err
		default:
			unrest = fmt.Errorf("messages are taken and not settled: %v", taken)
		}
	}
	return unrest
}
