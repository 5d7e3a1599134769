package worker_test

import (
	"context"
	"fmt"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker"
)

// queue is a Source in memory. It settles by printing, and calls empty when it has no more.
type queue struct {
	jobs  []string
	empty context.CancelFunc
}

func (q *queue) Next(ctx context.Context) (work.Delivery, error) {
	if len(q.jobs) == 0 {
		q.empty()
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return work.Delivery{}, ctx.Err()
	}
	id := q.jobs[0]
	q.jobs = q.jobs[1:]
	return work.Delivery{Job: job.Job{ID: id, Kind: "greet"}, Lane: "standard", Attempt: 1}, nil
}

func (q *queue) Settle(_ context.Context, d work.Delivery, disp work.Disposition) error {
	fmt.Printf("%s: %s\n", d.Job.ID, disp)
	return nil
}

// greeter is a Handler.
type greeter struct{}

func (greeter) Handle(_ context.Context, t work.Task) (work.Result, error) {
	if t.Job.ID == "nobody" {
		return work.Result{}, work.Fail(work.BadInput, fmt.Errorf("nobody to greet"))
	}
	fmt.Println("hello,", t.Job.ID)
	return work.Result{}, nil
}

// nobody is a Ledger that grants nothing, so every job runs without a claim, and a Roster that gives no orders.
type nobody struct{}

func (nobody) Claim(context.Context, work.Delivery, string, int) (work.Claim, error) {
	return work.Claim{State: work.Unclaimed}, nil
}
func (nobody) Renew(context.Context, work.Claim, job.Progress) error { return nil }
func (nobody) Close(context.Context, work.Claim, work.Outcome) error { return nil }
func (nobody) Leave(context.Context, string) error                   { return nil }
func (nobody) Beat(context.Context, fleet.Heartbeat) (fleet.Orders, error) {
	return fleet.Orders{}, nil
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
