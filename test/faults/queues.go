package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	deadQueue  = "siren.dead"
	laneQueue  = "siren.lane." // and the lane's name, and perhaps more
	delayQueue = "siren.delay."
)

// direct returns a channel straight to the broker, past all proxies.
func (s *site) direct(use func(*amqp.Channel) error) error {
	conn, err := amqp.Dial(s.rabbitmq.URL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	return use(ch)
}

// queueNames lists every queue of Siren's.
func (s *site) queueNames(ctx context.Context) (names []string, err error) {
	said, err := s.rabbitmq.Rabbitmqctl(ctx, "-q", "list_queues", "name")
	for line := range strings.Lines(said) {
		if name := strings.TrimSpace(line); strings.HasPrefix(name, "siren.") {
			names = append(names, name)
		}
	}
	return names, err
}

// ready returns how many messages wait in each of the queues, as of now.
func (s *site) ready(names []string) (map[string]int, error) {
	queues := map[string]int{}
	return queues, s.direct(func(ch *amqp.Channel) error {
		for _, name := range names {
			q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			if err != nil {
				return fmt.Errorf("look at %s: %w", name, err)
			}
			queues[name] = q.Messages
		}
		return nil
	})
}

// unsettled returns how many messages somebody has taken and not settled yet, in all queues but siren.dead. What the
// broker says of a quorum queue may be some seconds old.
func (s *site) unsettled(ctx context.Context) (sum int, err error) {
	said, err := s.rabbitmq.Rabbitmqctl(ctx, "-q", "list_queues", "name", "messages_unacknowledged")
	for line := range strings.Lines(said) {
		name, count, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if !strings.HasPrefix(name, laneQueue) && !strings.HasPrefix(name, delayQueue) {
			continue
		}
		n, parsed := strconv.Atoi(count)
		if parsed != nil {
			return 0, fmt.Errorf("the broker says nothing of %s yet", name)
		}
		sum += n
	}
	return sum, err
}

// waiting leaves out siren.dead and what is empty.
func waiting(queues map[string]int) map[string]int {
	left := map[string]int{}
	for name, n := range queues {
		if name != deadQueue && n > 0 {
			left[name] = n
		}
	}
	return left
}

// queueOf returns the queue of a lane, whatever its type.
func queueOf(names []string, lane string) string {
	i := slices.IndexFunc(names, func(n string) bool {
		return n == laneQueue+lane || strings.HasPrefix(n, laneQueue+lane+".")
	})
	if i < 0 {
		return ""
	}
	return names[i]
}
