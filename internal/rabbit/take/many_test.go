package take_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
)

// A pool has more lanes than a connection has channels for all its slots: each slot's lanes share them.
func TestVeryManyLanes(t *testing.T) {
	probe := rabbittest.Fresh(t)
	policy := rabbittest.Policy(t)
	lane := policy.Lanes[len(policy.Lanes)-1]
	for i := range 350 {
		lane.Name = fmt.Sprintf("many-%d", i)
		policy.Lanes = append(policy.Lanes, lane)
		policy.Pools[0].Lanes = append(policy.Pools[0].Lanes, lane.Name)
		queue := topology.QueueName(rabbittest.Queue("siren.lane." + lane.Name))
		t.Cleanup(func() { probe.Delete(queue) })
	}
	rabbittest.Declare(t, policy)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	k.Follow(&lanes.Effective{Revision: 1, Policy: *policy})
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)

	taken := make(chan string, 3)
	ctx := rabbittest.Soon(t)
	var listening sync.WaitGroup
	for _, s := range []*take.Slot{k.Shared(), k.Shared(), k.Shared()} {
		listening.Go(func() {
			d, err := s.Next(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			rabbittest.Settle(t, s, d, rabbittest.Ack)
			taken <- d.Lane
		})
	}
	rabbittest.Until(t, "all slots listen to all lanes", func() bool {
		return probe.Consumers("siren.lane."+lane.Name) == 3
	})
	for _, lane := range []string{"many-0", "express", lane.Name} {
		rabbittest.Enqueue(t, p, lane, lane)
		if got := <-taken; got != lane {
			t.Errorf("took a job of lane %s, want one of %s", got, lane)
		}
	}
	listening.Wait()
}
