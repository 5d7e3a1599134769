// Package operators is the people at work while things break: they look at lanes and dead letters, move and pause, and
// change the policy. What they know of what there is, and what the commands say, is for the checker to compare.
package operators

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
	"github.com/polyglot-media/siren/test/wait"
)

const (
	patience = 40 * time.Second // for one command
	between  = 500 * time.Millisecond
)

// Operators type commands, one after the other.
type Operators struct {
	site    *site.Site
	log     *slog.Logger
	shelf   shelf
	letters int // in siren.dead, as a command has said
	Answers []history.Answer
	Headed  []history.Headcount // by Count
}

// New makes some that work on this site. In its lanes kept and spare, which no worker takes from, there will be so many
// jobs.
func New(s *site.Site, kept int) *Operators {
	return &Operators{site: s, log: s.Log, shelf: newShelf(kept)}
}

// Run goes through all verbs again and again, until ctx ends.
func (o *Operators) Run(ctx context.Context) {
	for round := 0; ; round++ {
		for _, verb := range []func(context.Context, int){o.look, o.move, o.dead, o.look, o.move, o.pause, o.policy} {
			if wait.Pause(ctx, between) != nil {
				return
			}
			verb(ctx, round)
		}
	}
}

// Count notes how many workers the scalers have started, until ctx ends.
func (o *Operators) Count(ctx context.Context) {
	for wait.Pause(ctx, time.Second) == nil {
		o.Headed = append(o.Headed, history.Headcount{At: time.Now(), Workers: len(o.site.Sized())})
	}
}

// siren runs a command. ok means that it has said that all went well.
func (o *Operators) siren(ctx context.Context, args ...string) (out string, ok bool) {
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
	err := cmd.Run()
	o.log.Debug("operator", "command", strings.Join(args, " "), "error", err, "took", time.Since(began).String(),
		"said", said.String(), "stderr", stderr.String())
	return said.String(), err == nil && stderr.Len() == 0 // a warning says that the rest may be old
}

func (o *Operators) answered(began time.Time, verb, about string, said, known int) {
	o.Answers = append(o.Answers, history.Answer{At: began, Verb: verb, About: about, Said: said, Known: known})
}

// look reads how many jobs wait in the two lanes.
func (o *Operators) look(ctx context.Context, _ int) {
	began := time.Now()
	out, ok := o.siren(ctx, "lanes", "-o", "json")
	var list []struct {
		Name  string
		Ready int
		Stale bool
	}
	if !ok || json.Unmarshal([]byte(out), &list) != nil {
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
	out, ok := o.siren(ctx, "lanes", "move", from, to, "--limit", fmt.Sprint(limit))
	var n int
	if _, err := fmt.Sscanf(out, "%d", &n); err == nil && ok {
		o.answered(began, "siren lanes move", from, n, min(limit, o.shelf.least(from)))
		o.shelf.moved(from, to, n)
		return
	}
	o.shelf.doubt(from, limit)
}

// dead counts the letters. Nobody takes one away.
func (o *Operators) dead(ctx context.Context, _ int) {
	began := time.Now()
	out, ok := o.siren(ctx, "dead", "list", "--from-queue", "--limit", "0", "-o", "json")
	var list struct{ Jobs []json.RawMessage }
	if !ok {
		return
	}
	if json.Unmarshal([]byte(out), &list.Jobs) != nil && json.Unmarshal([]byte(out), &list) != nil {
		return
	}
	o.answered(began, "siren dead list --from-queue", "siren.dead", len(list.Jobs), o.letters)
	o.letters = max(o.letters, len(list.Jobs))
}

// pause has a lane wait for a few seconds.
func (o *Operators) pause(ctx context.Context, _ int) {
	o.siren(ctx, "lanes", "pause", "bulk", "--for", "5s", "--reason", "faults")
}

// policy changes the policy, and has the scalers read it, one after the other.
func (o *Operators) policy(ctx context.Context, round int) {
	objective := 30 * time.Second
	if round%2 == 0 {
		objective = 25 * time.Second
	}
	if err := o.site.WritePolicy(objective); err != nil {
		o.log.Error("write the policy", "error", err)
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
