package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/work"
)

// Whatever happens to worker, ledger, roster and broker: no job is lost, none is acknowledged without having been
// completed, and a worker that was told to stop holds none.
func TestNoJobIsLost(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) { chaos(t, r, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func chaos(t *testing.T, r *rig, dice *rand.Rand) {
	const jobs = 40
	done := map[string]bool{} // each written by the one handler that runs the job
	ids := make([]string, jobs)
	for i := range ids {
		id := fmt.Sprint("j", i)
		ids[i] = id
		takes := time.Duration(dice.IntN(20000)) * time.Millisecond
		kinds := []work.ErrorKind{"", "", "", work.Transient, work.BadInput, work.Interrupted}
		kind := kinds[dice.IntN(len(kinds))]
		panics := dice.IntN(10) == 0
		r.handler.will(id, func(ctx context.Context, task work.Task) (work.Result, error) {
			result, err := lasts(takes)(ctx, task)
			switch {
			case err != nil:
				return result, err
			case panics:
				panic("bad luck")
			case kind != "":
				return work.Result{}, work.Fail(kind, errors.New("it went wrong"))
			}
			r.handler.mu.Lock()
			defer r.handler.mu.Unlock()
			done[id] = true
			return result, nil
		})
	}
	r.broker.put("standard", ids...)
	var settles atomic.Int64
	r.broker.refuse = func(work.Delivery, work.Disposition) error {
		if settles.Add(1)%5 == 0 {
			return errors.New("the session is over")
		}
		return nil
	}
	r.start()
	for range 30 {
		r.at(r.passed() + time.Duration(dice.IntN(4000))*time.Millisecond)
		switch dice.IntN(4) {
		case 0:
			r.ledger.fail(dice.IntN(2) == 0, dice.IntN(4) == 0)
		case 1:
			r.roster.order(dice.IntN(2) == 0, false)
		case 2:
			r.roster.silent(dice.IntN(2) == 0)
		case 3:
			r.broker.mu.Lock()
			r.broker.late = true
			r.broker.mu.Unlock()
		}
	}
	r.stop()
	if dice.IntN(2) == 0 {
		r.at(r.passed() + time.Duration(dice.IntN(10))*time.Second)
		r.kill(nil)
	}
	r.over()

	acked := map[string]bool{}
	for _, s := range r.broker.settled {
		if s.disp.Action != work.Ack {
			continue
		}
		if !done[s.job] {
			t.Errorf("%s was acknowledged, but never done", s.job)
		}
		if acked[s.job] {
			t.Errorf("%s was acknowledged twice", s.job)
		}
		acked[s.job] = true
	}
	ready, out, dead := r.broker.counts()
	if sum := len(acked) + ready + r.broker.delayed + dead; sum != jobs || out != 0 {
		t.Errorf("of %d jobs %d are done, %d ready, %d delayed, %d dead; %d out", jobs, len(acked), ready,
			r.broker.delayed, dead, out)
	}
}
