package worker_test

import (
	"context"
	"fmt"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/worker"
)

// queue is a Source in memory. It settles by printing, and calls empty when it has no more.
type queue struct {
	jobs  []string
	empty context.CancelFunc
}

func (q *queue) Next(ctx context.Context) (lanes.Delivery, error) {
	if len(q.jobs) == 0 {
		q.empty()
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return lanes.Delivery{}, ctx.Err()
	}
	id := q.jobs[0]
	q.jobs = q.jobs[1:]
	return lanes.Delivery{Job: lanes.Job{ID: id, Kind: "greet"}, Lane: "standard", Attempt: 1}, nil
}

func (q *queue) Settle(_ context.Context, d lanes.Delivery, disp lanes.Disposition) error {
	fmt.Printf("%s: %s\n", d.Job.ID, disp)
	return nil
}

// greeter is a Handler.
type greeter struct{}

func (greeter) Handle(_ context.Context, t lanes.Task) (lanes.Result, error) {
	if t.Job.ID == "nobody" {
		return lanes.Result{}, lanes.Fail(lanes.BadInput, fmt.Errorf("nobody to greet"))
	}
	fmt.Println("hello,", t.Job.ID)
	return lanes.Result{}, nil
}

// nobody is a Ledger that grants nothing, so every job runs without a claim, and a Roster that gives no orders.
type nobody struct{}

func (nobody) Claim(context.Context, lanes.Delivery, string, int) (lanes.Claim, error) {
	return lanes.Claim{State: lanes.Unclaimed}, nil
}
func (nobody) Renew(context.Context, lanes.Claim, lanes.Progress) error { return nil }
func (nobody) Close(context.Context, lanes.Claim, lanes.Outcome) error  { return nil }
func (nobody) Leave(context.Context, string) error                      { return nil }
func (nobody) Beat(context.Context, lanes.Heartbeat) (lanes.Orders, error) {
	return lanes.Orders{}, nil
}

// A worker with one slot serves a queue in memory until that is empty.
func Example() {
	policy, err := lanes.Parse([]byte(`
lanes: [{name: standard, startWithin: 30s}]
pools: [{name: general, lanes: [standard], max: 1}]
budget: 1`))
	if err != nil {
		fmt.Println(err)
		return
	}
	take, stop := context.WithCancel(context.Background())
	w := worker.New(worker.Options{
		Name: "general-1", Pool: "general", Policy: &lanes.Effective{Policy: *policy},
		Shared:  []worker.Source{&queue{jobs: []string{"ada", "nobody", "grace"}, empty: stop}},
		Handler: greeter{}, Ledger: nobody{}, Roster: nobody{},
	})
	fmt.Println(w.Run(take, context.Background()))
	// Output:
	// hello, ada
	// ada: ack
	// nobody: dead letter: bad input
	// hello, grace
	// grace: ack
	// <nil>
}
