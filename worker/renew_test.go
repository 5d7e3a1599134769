package worker

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// reports returns a job that reports progress every so often.
func reports(every, until time.Duration) handling {
	return func(ctx context.Context, t work.Task) (work.Result, error) {
		began := time.Now()
		for time.Since(began) < until {
			if _, err := lasts(every)(ctx, t); err != nil {
				return work.Result{}, err
			}
			t.Report(job.Progress{Fraction: float64(time.Since(began)) / float64(until)})
		}
		return work.Result{}, nil
	}
}

func TestProgressIsThrottled(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.handler.will("a", reports(100*time.Millisecond, 10*time.Second))
		r.broker.put("standard", "a")
		r.start()
		r.at(5500 * time.Millisecond)
		if got := r.ledger.record("a").progress.Fraction; got < 0.48 || got > 0.51 {
			t.Errorf("after 5.5 of 10 s the ledger knows of %v", got)
		}
		r.at(11 * time.Second)
		all := r.ledger.renewed()
		if len(all) < 9 || len(all) > 10 {
			t.Errorf("%d renewals in 10 s", len(all))
		}
		for i := 1; i < len(all); i++ {
			if all[i].at.Sub(all[i-1].at) < time.Second || all[i].progress.Fraction <= all[i-1].progress.Fraction {
				t.Errorf("renewal %d after %d: %+v, %+v", i, i-1, all[i], all[i-1])
			}
		}
	})
}

// A job that says nothing must hear of its cancellation as soon as any other.
func TestRenewsEverySecond(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.handler.will("a", lasts(57500*time.Millisecond))
		r.broker.put("standard", "a")
		r.start()
		r.at(2 * time.Minute)
		var at, want []time.Duration
		for _, n := range r.ledger.renewed() {
			at = append(at, n.at.Sub(r.began))
		}
		for s := range 57 {
			want = append(want, time.Duration(s+1)*time.Second)
		}
		if !slices.Equal(at, want) {
			t.Errorf("renewed at %v, want %v", at, want)
		}
		if d := r.settledOnce("a").disp; d.Action != work.Ack {
			t.Errorf("settled %+v", d)
		}
	})
}

func TestLostClaim(t *testing.T) {
	lost := work.Disposition{Action: work.Retry, After: time.Second}
	for _, c := range []struct {
		name string
		job  handling
		at   time.Duration // when another worker takes the job over
		ends time.Duration
		want work.Disposition
	}{
		{"stops the job at the next renewal", lasts(time.Hour), 12 * time.Second, 13 * time.Second, lost},
		{
			"noticed at the end of a job that fails", fails(2500*time.Millisecond, work.Transient), 2 * time.Second,
			2500 * time.Millisecond, lost,
		},
		{
			"noticed at the end of a job that can't succeed", fails(2500*time.Millisecond, work.BadInput),
			2 * time.Second,
			2500 * time.Millisecond, lost,
		},
		{
			"after the commit it doesn't matter", lasts(2500 * time.Millisecond), 2 * time.Second,
			2500 * time.Millisecond,
			work.Disposition{Action: work.Ack},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.handler.will("a", c.job)
				r.broker.put("standard", "a")
				r.start()
				r.at(c.at)
				r.ledger.takeOver("a")
				r.at(c.ends)
				s := r.settledOnce("a")
				if s.disp.Action != c.want.Action || s.disp.After != c.want.After || s.disp.Counted ||
					s.at.Sub(r.began) != c.ends {
					t.Errorf("after %s: %+v", s.at.Sub(r.began), s.disp)
				}
				if got := r.ledger.record("a"); got.state != job.Running || got.worker != "another" {
					t.Errorf("the loser closed the record: %+v", got)
				}
			})
		})
	}
	t.Run("the loser doesn't even try to close the record", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.handler.will("a", lasts(time.Hour))
			r.broker.put("standard", "a")
			r.start()
			r.ledger.takeOver("a")
			r.at(time.Second)
			r.expect("a", "claim a granted", "handle a", "settle a retry in 1s")
		})
	})
}

// A cancelled job is stopped within a second. Its record hears so once nothing of it runs any more, and only then the
// broker; a job whose output is committed already is completed.
func TestCancelled(t *testing.T) {
	lingers := func(ctx context.Context, _ work.Task) (work.Result, error) {
		// as ffmpeg does between SIGTERM and SIGKILL
		<-ctx.Done()
		time.Sleep(700 * time.Millisecond)
		return work.Result{}, errKilled
	}
	commits := func(ctx context.Context, t work.Task) (work.Result, error) {
		<-ctx.Done()
		return lasts(0)(context.Background(), t)
	}
	stopped := []string{"close a cancelled", "settle a ack"}
	for _, c := range []struct {
		name string
		job  handling
		at   time.Duration // when it is cancelled
		ends time.Duration
		want []string // after its start
	}{
		{"a job that says nothing", lasts(time.Hour), 11200 * time.Millisecond, 12 * time.Second, stopped},
		{
			"a job that reports", reports(100*time.Millisecond, time.Hour), 2500 * time.Millisecond, 3 * time.Second,
			stopped,
		},
		{"a job that takes its time to stop", lingers, 2500 * time.Millisecond, 3700 * time.Millisecond, stopped},
		{
			"a job that is past its commit", commits, 2500 * time.Millisecond, 3 * time.Second,
			[]string{"close a completed", "settle a ack"},
		},
		{
			"noticed at the end of a job that fails", fails(500*time.Millisecond, work.BadInput), 0,
			500 * time.Millisecond,
			[]string{"close a dead", "close a cancelled", "settle a ack"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.handler.will("a", c.job)
				r.broker.put("standard", "a")
				r.start()
				r.at(c.at)
				r.ledger.cancel("a")
				r.at(c.ends - time.Millisecond)
				if n := len(r.broker.settles("a")); n != 0 {
					t.Fatal("settled while it still ran")
				}
				r.at(c.ends)
				if s := r.settledOnce("a"); s.disp.Action != work.Ack {
					t.Errorf("got %+v", s.disp)
				}
				r.expect("a", append([]string{"claim a granted", "handle a"}, c.want...)...)
				if got := r.ledger.record("a"); got.until.After(time.Now()) {
					t.Errorf("its lease holds until %s", got.until)
				}
			})
		})
	}
	t.Run("neither finished nor failed", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.handler.will("a", lasts(time.Hour))
			r.broker.put("standard", "a")
			r.start()
			r.ledger.cancel("a")
			r.at(time.Second)
			if l := r.w.heartbeat().Lanes["standard"]; l.Finished != 0 || l.Failed != 0 {
				t.Errorf("counted as an end: %+v", l)
			}
		})
	})
}

// When the claim can't be renewed for two thirds of the lease, somebody else may soon have the job: it is stopped and
// returned, whether the ledger refuses or doesn't answer at all.
func TestFailingRenewals(t *testing.T) {
	for _, c := range []struct {
		name       string
		away, hang bool
	}{{"refused", true, false}, {"unanswered", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.handler.will("a", lasts(time.Hour))
				r.broker.put("standard", "a")
				r.start()
				r.at(5 * time.Second) // renewed just now
				r.ledger.fail(c.away, c.hang)
				r.at(15*time.Second - time.Millisecond)
				if n := len(r.broker.settles("a")); n != 0 {
					t.Fatal("stopped too early")
				}
				r.at(15 * time.Second)
				if s := r.broker.settles("a")[0]; s.disp.Action != work.Return || s.at.Sub(r.began) != 15*time.Second {
					t.Errorf("after %s: %+v", s.at.Sub(r.began), s.disp)
				}
				if n := r.count("close a queued"); n != 1 {
					t.Errorf("the claim was given back %d times", n)
				}
			})
		})
	}
	t.Run("back in time", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.handler.will("a", lasts(time.Minute))
			r.broker.put("standard", "a")
			r.start()
			for i := range 5 { // away for 8 of every 10 seconds
				r.at(time.Duration(10*i+1) * time.Second)
				r.ledger.fail(true, false)
				r.at(time.Duration(10*i+9) * time.Second)
				r.ledger.fail(false, false)
			}
			r.at(time.Minute)
			if d := r.settledOnce("a").disp; d.Action != work.Ack {
				t.Errorf("got %+v", d)
			}
		})
	})
}

// A job that was told to stop still runs, and may for a while: its claim is kept until it has.
func TestClaimOfAStoppingJob(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.handler.will("a", func(ctx context.Context, _ work.Task) (work.Result, error) {
			<-ctx.Done()
			time.Sleep(time.Minute)
			return work.Result{}, errKilled
		})
		r.broker.put("standard", "a")
		r.start()
		r.at(10*time.Minute + 59*time.Second)
		if got := r.ledger.record("a"); !got.until.After(time.Now()) {
			t.Errorf("the lease ran out %s ago", time.Since(got.until))
		}
		r.at(11 * time.Minute)
		if s := r.settledOnce("a"); s.disp.Action != work.Retry || !s.disp.Counted {
			t.Errorf("got %+v", s.disp)
		}
	})
}

// Ledger and worker follow a new lease from their next move on; no claim may fall between the two.
func TestLeaseChangesUnderARunningJob(t *testing.T) {
	for _, c := range []struct {
		name  string
		lease time.Duration
	}{{"shorter", 3 * time.Second}, {"longer", time.Minute}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.handler.will("a", lasts(3*time.Minute))
				r.broker.put("standard", "a")
				r.start()
				r.at(7 * time.Second)
				e := *r.o.Policy
				e.Revision++
				e.Policy.Timing.Lease = lanes.Duration(c.lease)
				r.roster.publish(&e)
				r.at(8 * time.Second)
				r.ledger.set("a", func(*record) { r.ledger.lease = c.lease })
				for r.passed() < 3*time.Minute-time.Second {
					r.at(r.passed() + time.Second)
					if got := r.ledger.record("a"); !got.until.After(time.Now()) {
						t.Fatalf("after %s the lease has run out", r.passed())
					}
				}
				r.at(3 * time.Minute)
				if d := r.settledOnce("a").disp; d.Action != work.Ack {
					t.Errorf("got %+v", d)
				}
			})
		})
	}
}
