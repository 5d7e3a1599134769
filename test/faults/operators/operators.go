// Package operators is the people at work while things break: they look at lanes and dead letters, move, pause and
// replay, change the policy, and have siren doctor look. What they know of what there is, and what the commands say, is
// for the checker to compare.
package operators

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
	"github.com/polyglot-media/siren/test/wait"
)

const (
	patience  = 40 * time.Second // for one command
	between   = 500 * time.Millisecond
	shownMost = 300 // bytes of what a command said that are written down
)

// errNone is how the lack of an error is written down.
var errNone = errors.New("done")

// Operators type commands, one after the other; one of them has siren doctor look meanwhile.
type Operators struct {
	site     *site.Site
	shelf    shelf
	letters  letters
	formerly string // the queue in which lane former's jobs are

	// Pardon is told of each poisonous job before it is run again: it shall succeed then.
	Pardon func(job string)

	mu       sync.Mutex
	log      *os.File // what was typed, and what came of it
	Answers  []history.Answer
	Commands []history.Command
	Headed   []history.Headcount // by Count
}

// New makes some that work on this site. In its lanes kept and spare, which no worker takes from, there will be so many
// jobs.
func New(s *site.Site, kept int) (*Operators, error) {
	log, err := os.Create(s.Path("log", "operators.log"))
	return &Operators{
		site: s, log: log, shelf: newShelf(kept), letters: newLetters(), Pardon: func(string) {},
	}, err
}

// Close ends what they write down.
func (o *Operators) Close() { _ = o.log.Close() }

// Replayed returns the jobs that they had run again.
func (o *Operators) Replayed() map[string]bool { return o.letters.replayed }

// Run goes through all verbs again and again, until ctx ends. All jobs that are to be kept are in their lane.
func (o *Operators) Run(ctx context.Context) {
	o.shelf.fill()
	o.formerly = o.site.QueueOf(former)
	var beside sync.WaitGroup
	beside.Go(func() { o.examine(ctx) })
	defer beside.Wait()
	for round := 0; ; round++ {
		for _, verb := range []func(context.Context, int){
			o.policy, o.look, o.move, o.dead, o.replay, o.look, o.move, o.pause,
		} {
			if wait.Pause(ctx, between) != nil {
				return
			}
			verb(ctx, round)
		}
	}
}

// Count notes how many workers the scalers have started, until ctx ends. One that the nemesis has frozen is none: to
// the scalers it is silent, as one that is dead.
func (o *Operators) Count(ctx context.Context) {
	for wait.Pause(ctx, time.Second) == nil {
		working := 0
		for _, p := range o.site.Sized() {
			if !p.Frozen {
				working++
			}
		}
		o.Headed = append(o.Headed, history.Headcount{At: time.Now(), Workers: working})
	}
}

// siren runs a command that is told to stop after a while, and writes down what it said. An err means that it doesn't
// claim to have done it.
func (o *Operators) siren(ctx context.Context, args ...string) (out, warnings string, err error) {
	c, r := o.run(ctx, patience, args...)
	o.note(c, r)
	return r.Out, r.Err, r.Problem
}

// run runs a command that is told to stop after a while.
func (o *Operators) run(ctx context.Context, patience time.Duration, args ...string) (history.Command, site.Ran) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := history.Command{At: time.Now(), Line: "siren " + strings.Join(args, " ")}
	r := o.site.Run(ctx, args...)
	c.Took, c.Wrong = time.Since(c.At), r.Wrong
	return c, r
}

// note writes down what a command said, and how it ended.
func (o *Operators) note(c history.Command, r site.Ran) {
	said := r.Out
	if len(said) > shownMost {
		said = said[:shownMost] + "…\n"
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Commands = append(o.Commands, c)
	fmt.Fprintf(o.log, "%s %s\n%s%s(%v after %s)\n", c.At.Format(history.Clock), c.Line, said, r.Err,
		cmp.Or(r.Problem, errNone), c.Took.Round(time.Millisecond))
}

func (o *Operators) answered(began time.Time, verb, about string, said, known int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Answers = append(o.Answers, history.Answer{At: began, Verb: verb, About: about, Said: said, Known: known})
}

// look reads how many jobs wait in the two lanes.
func (o *Operators) look(ctx context.Context, _ int) {
	began := time.Now()
	out, warnings, err := o.siren(ctx, "lanes", "-o", "json")
	var list []struct {
		Name  string
		Ready int
		Stale bool
	}
	if err != nil || strings.Contains(warnings, "what follows is old") || json.Unmarshal([]byte(out), &list) != nil {
		return
	}
	for _, l := range list {
		if known, here := o.shelf.lately(l.Name, began); here && !l.Stale {
			o.answered(began, "siren lanes", l.Name, l.Ready, known)
		}
	}
}

// move carries some jobs from one of the two lanes to the other, and back.
func (o *Operators) move(ctx context.Context, round int) {
	from, to := kept, spare
	if round%2 == 1 {
		from, to = spare, kept
	}
	const limit = 4
	o.carry(ctx, from, to, limit)
}

// carry moves up to so many jobs between two lanes; to may be any.
func (o *Operators) carry(ctx context.Context, from, to string, limit int) {
	began := time.Now()
	out, _, err := o.siren(ctx, "lanes", "move", from, to, "--limit", fmt.Sprint(limit))
	var n int
	if _, unclear := fmt.Sscanf(out, "%d", &n); unclear == nil && err == nil {
		o.answered(began, "siren lanes move", from, n, min(limit, o.shelf.least(from)))
		o.shelf.moved(from, to, n)
		return
	}
	o.shelf.doubt(from, limit)
}

// dead lists the letters.
func (o *Operators) dead(ctx context.Context, _ int) {
	began := time.Now()
	out, _, err := o.siren(ctx, "dead", "list", "--from-queue", "--limit", "0", "-o", "json")
	var list []job.Record
	if err != nil || json.Unmarshal([]byte(out), &list) != nil {
		return
	}
	o.answered(began, "siren dead list --from-queue", site.DeadQueue, len(list), o.letters.least())
	o.letters.listed(list)
}

// replay has some dead jobs run again.
func (o *Operators) replay(ctx context.Context, _ int) {
	ids := o.letters.choose()
	if len(ids) == 0 {
		return
	}
	for _, id := range ids {
		o.Pardon(id)
	}
	began := time.Now()
	out, _, err := o.siren(ctx, slices.Concat([]string{"dead", "replay", "--rate", "0", "--reason", "faults"}, ids)...)
	var n int
	if _, unclear := fmt.Sscanf(out, "%d", &n); unclear == nil && err == nil {
		o.answered(began, "siren dead replay", site.DeadQueue, n, len(ids))
	}
}

// pause has a lane wait for a few seconds.
func (o *Operators) pause(ctx context.Context, _ int) {
	_, _, _ = o.siren(ctx, "lanes", "pause", "bulk", "--for", "5s", "--reason", "faults")
}

// policy changes the policy, and has the scalers read it, one after the other. From the first time on the queue in
// which lane former's jobs are is of a type that the lane doesn't have any more.
func (o *Operators) policy(ctx context.Context, round int) {
	objective := 30 * time.Second
	if round%2 == 0 {
		objective = 25 * time.Second
	}
	if err := o.site.WritePolicy(objective, o.site.OtherType()); err != nil {
		fmt.Fprintln(o.log, "write the policy:", err)
		return
	}
	for _, s := range o.site.Scalers {
		s.Signal(syscall.SIGTERM)
		if wait.Pause(ctx, 2*time.Second) != nil {
			return
		}
	}
}

// Finish puts what is kept where a worker takes it.
func (o *Operators) Finish(ctx context.Context) error {
	var left error // why it isn't over
	err := wait.Until(ctx, time.Minute, "operators to move what they kept", func() (bool, error) {
		for _, from := range []string{kept, spare, former} {
			o.carry(ctx, from, "bulk", o.shelf.all)
		}
		var ready map[string]int
		if ready, left = o.site.Ready(); left != nil {
			return false, nil //nolint:nilerr // there is another time
		}
		n := ready[o.site.QueueOf(kept)] + ready[o.site.QueueOf(spare)] + ready[o.site.QueueOf(former)]
		left = fmt.Errorf("%d are left", n)
		return n == 0, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", err, left)
	}
	return nil
}
