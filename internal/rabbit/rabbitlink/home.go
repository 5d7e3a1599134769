package rabbitlink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"
)

// As long as a session lasts, its Conn looks now and then at what the URL and DNS say, and
//   - ends it when its address isn't one of the broker's any more: what is there may stay and answer, and a worker wait
//     for jobs that go elsewhere;
//   - goes home when that answers again: after the nodes of a cluster were restarted in turn, all connections would be
//     with the first ones.
//
// Jobs that run are no reason to wait: a worker that is never idle would stay for ever. They run on with their claims,
// and the copies that the broker gives to others are put back, or acknowledged once they have ended.

const (
	lookEvery = 30 * time.Second // between two looks
	lookAgain = 2 * time.Second  // the same after a change: only what is seen twice counts
	hopEvery  = 10 * time.Second // between two moves at least
)

// pace is how often a Conn looks and moves; tests can't wait so long.
type pace struct{ every, again, hop time.Duration }

// wait returns when to look next; with a jitter, so that a fleet doesn't ask all at once.
func (p pace) wait() time.Duration { return p.every - rand.N(p.every/3) }

// move ends a session for another one, which is there already.
type move struct {
	session *Session
	why     string
	level   slog.Level    // of the log
	within  time.Duration // that the session which is left is closed
}

func (m *move) Error() string { return m.why }

// where is where a session is, for a log.
func (s *Session) where() slog.Attr { return slog.String("broker", s.to.shown()) }

// Trial asks a broker at another address for what a session's node doesn't do. Its error says that it isn't done there
// either: then it may be the leader of a queue that hangs, and no other address would help.
type Trial func(*Session) error

// notice is why to leave, and what has to be better elsewhere.
type notice struct {
	why   string
	trial Trial
}

// Leave says that the node of a session seems to be cut off from the others of its cluster: it doesn't do what it is
// asked. The connection leaves it for another address as soon as the trial succeeds at one, and comes back a minute
// later at the earliest. It returns at once; false when there is no other address. One call is enough, more do no harm:
// between two moves are 10 s at least.
func (c *Conn) Leave(s *Session, why string, trial Trial) bool {
	if s.alone.Load() {
		return false
	}
	select {
	case s.leave <- notice{why, trial}:
	default:
	}
	return true
}

// attend looks until the session ends, or ends it: with a move, or with why it is of no use any more.
func (c *Conn) attend(life context.Context, s *Session, end context.CancelCauseFunc) {
	look := time.NewTimer(c.pace.wait())
	defer look.Stop()
	missing := false
	for {
		var to *move
		select {
		case <-life.Done():
			return
		case n := <-s.leave:
			to = c.elsewhere(life, s, n)
		case <-look.C:
			now := c.look(life, s)
			if now.gone && missing {
				end(fmt.Errorf("%s isn't an address of RabbitMQ any more", s.to.at))
				return
			}
			missing, to = now.gone, now.to
			if now.changed || missing {
				look.Reset(c.pace.again)
			} else {
				look.Reset(c.pace.wait())
			}
		}
		if to != nil {
			c.pass(life, to, end)
			return
		}
	}
}

// pass ends the session with the move, unless it has ended for another reason.
func (c *Conn) pass(life context.Context, to *move, end context.CancelCauseFunc) {
	end(to)
	if was := (*move)(nil); !errors.As(context.Cause(life), &was) {
		to.session.close(closeTimeout)
		return
	}
	c.mu.Lock()
	c.hopped = time.Now()
	c.mu.Unlock()
}

// sight is what a look at the addresses has shown.
type sight struct {
	gone    bool  // the session's isn't one of them
	changed bool  // another one is its home now
	to      *move // to its home; nil: it stays
}

// look looks at the addresses as they are now. What can't be found out has not changed.
func (c *Conn) look(ctx context.Context, s *Session) (now sight) {
	all, failed := c.find(ctx)
	if len(all) == 0 {
		return sight{}
	}
	s.alone.Store(len(all) == 1)
	home := c.order.sort(all)
	there := false
	for _, p := range all {
		there = there || p.at.String() == s.to.at.String()
	}
	if !there {
		return sight{gone: failed == nil}
	}
	if home != s.home {
		s.home = home
		return sight{changed: true}
	}
	if home == s.to.at || home == (address{}) || !c.rested() {
		return sight{}
	}
	at := slices.IndexFunc(all, func(p place) bool { return p.at == home })
	anything := func(*Session) error { return nil }
	if now.to = c.reach(ctx, all[at:at+1], anything); now.to != nil {
		now.to.why, now.to.session.home = "going home, which answers again", home
		now.to.within = closeTimeout
	}
	return now
}

// elsewhere leaves a session whose node is cut off; nil when it would be no better at an address that isn't cut off
// too.
func (c *Conn) elsewhere(ctx context.Context, s *Session, n notice) *move {
	all, _ := c.find(ctx)
	if !c.rested() {
		return nil
	}
	c.order.sort(all)
	var others []place
	for _, p := range all {
		if p.at.String() != s.to.at.String() && !c.order.isCut(p.at) {
			others = append(others, p)
		}
	}
	to := c.reach(ctx, others, n.trial)
	if to != nil {
		to.why, to.level, to.within = n.why, slog.LevelWarn, leaveTimeout
		c.order.banish(s.to.at)
		to.session.home = c.order.sort(all)
	}
	return to
}

// reach moves to the first of the places that answers and where the trial succeeds; nil when there is none.
func (c *Conn) reach(ctx context.Context, places []place, trial Trial) *move {
	for _, p := range places {
		s, err := c.handshake(ctx, p, brief)
		if err != nil {
			continue
		}
		if trial(s) == nil {
			return &move{session: s}
		}
		s.close(closeTimeout)
	}
	return nil
}

// rested reports whether the last move is long enough ago.
func (c *Conn) rested() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.hopped) >= c.pace.hop
}
