// Package operators is the people at work while things break: they look at lanes and dead letters, move and pause, and
// change the policy. What they know of what there is, and what the commands say, is for the checker to compare.
package operators

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

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

// Operators type commands, one after the other.
type Operators struct {
	site    *site.Site
	log     *os.File // what was typed, and what came of it
	shelf   shelf
	letters int // in siren.dead, as a command has said
	Answers []history.Answer
	Headed  []history.Headcount // by Count
}

// New makes some that work on this site. In its lanes kept and spare, which no worker takes from, there will be so many
// jobs.
func New(s *site.Site, kept int) (*Operators, error) {
	log, err := os.Create(s.Path("log", "operators.log"))
	return &Operators{site: s, log: log, shelf: newShelf(kept)}, err
}

// Close ends what they write down.
func (o *Operators) Close() { _ = o.log.Close() }

// Run goes through all verbs again and again, until ctx ends. All jobs that are to be kept are in their lane.
func (o *Operators) Run(ctx context.Context) {
	o.shelf.fill()
	for round := 0; ; round++ {
		for _, verb := range []func(context.Context, int){o.look, o.move, o.dead, o.look, o.move, o.pause, o.policy} {
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

// siren runs a command, and writes down what it said. An err means that it doesn't claim to have done it.
func (o *Operators) siren(ctx context.Context, args ...string) (out, warnings string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, o.site.Siren, args...)
	cmd.Env = []string{
		"HOME=" + o.site.Dir, "SIREN_AMQP_URL=" + o.site.AMQPURL(), "SIREN_REDIS_URL=" + o.site.RedisURL(),
		"SIREN_USER=faults",
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	var said, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &stderr
	began := time.Now()
	err = cmd.Run()
	if said.Len() > shownMost {
		out = said.String()[:shownMost] + "…\n"
	} else {
		out = said.String()
	}
	fmt.Fprintf(o.log, "%s siren %s\n%s%s(%v after %s)\n", began.Format(history.Clock), strings.Join(args, " "), out,
		stderr.String(), cmp.Or(err, errNone), time.Since(began).Round(time.Millisecond))
	return said.String(), stderr.String(), err
}

func (o *Operators) answered(began time.Time, verb, about string, said, known int) {
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

// dead counts the letters. Nobody takes one away.
func (o *Operators) dead(ctx context.Context, _ int) {
	began := time.Now()
	out, _, err := o.siren(ctx, "dead", "list", "--from-queue", "--limit", "0", "-o", "json")
	var list []json.RawMessage
	if err != nil || json.Unmarshal([]byte(out), &list) != nil {
		return
	}
	o.answered(began, "siren dead list --from-queue", "siren.dead", len(list), o.letters)
	o.letters = max(o.letters, len(list))
}

// pause has a lane wait for a few seconds.
func (o *Operators) pause(ctx context.Context, _ int) {
	_, _, _ = o.siren(ctx, "lanes", "pause", "bulk", "--for", "5s", "--reason", "faults")
}

// policy changes the policy, and has the scalers read it, one after the other.
func (o *Operators) policy(ctx context.Context, round int) {
	objective := 30 * time.Second
	if round%2 == 0 {
		objective = 25 * time.Second
	}
	if err := o.site.WritePolicy(objective); err != nil {
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
	return wait.Until(ctx, time.Minute, "operators to move what they kept", func() (bool, error) {
		for _, from := range []string{kept, spare} {
			o.carry(ctx, from, "bulk", o.shelf.all)
		}
		ready, err := o.site.Ready()
		if err != nil {
			return false, nil //nolint:nilerr // there is another time
		}
		return ready[o.site.QueueOf(kept)]+ready[o.site.QueueOf(spare)] == 0, nil
	})
}
