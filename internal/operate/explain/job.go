package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
)

// Job explains a job.
func (s *Sight) Job(ctx context.Context, id string) (Explanation, error) {
	x := Explanation{Kind: "job", Name: id}
	r, err := s.Ledger.Find(ctx, id)
	if errors.Is(err, redislink.ErrNotFound) {
		return x, operate.NoJob(id)
	}
	if err != nil {
		return x, err
	}
	x.State = string(r.State)
	if r.Bears != "" {
		x.say("No job has the id %s: a message that bears it was malformed, and is a dead letter with the id %s.",
			r.Bears, r.ID)
		id = r.ID
	}
	switch r.State {
	case job.Queued:
		err := s.waits(ctx, &x, r)
		return x, err
	case job.Running:
		if r.Worker == "" {
			x.say("Job %s runs, %s. Redis has lost its record and its worker has made a new one: since when it runs, "+
				"and how long it had waited, isn't known any more.", id, progress(r))
			break
		}
		x.say("Job %s runs on worker %s for %s: attempt %d, %s.", id, r.Worker, say.Age(r.StartedAt, s.now),
			r.Attempts, progress(r))
		if at, ok := s.ends(r); ok {
			x.Ends = &at
			x.say("It was predicted to run %s, and is predicted to end %s.", say.Short(r.Progress.Predicted.D()),
				in(at, s.now))
		}
		x.say("It had waited %s in lane %s before it started.", say.Short(r.Wait.D()), r.Lane)
		if !r.LeaseUntil.IsZero() && s.now.After(r.LeaseUntil) {
			x.say("Its worker hasn't renewed its claim since %s: when its message comes up again, another worker "+
				"takes it over.", say.Age(r.LeaseUntil, s.now))
		}
	case job.Retrying:
		l, _ := s.policy.Policy.Lane(r.Lane)
		x.say("Job %s failed and waits for its next attempt, in %s; it has had %d of the %d that lane %s gives.", id,
			say.Short(max(0, r.NextAt.Sub(s.now))), r.Attempts, l.Retry.Attempts, r.Lane)
		x.say("The last error: %s", r.Error)
		x.say("`siren jobs retry %s` retries it at once.", id)
	case job.Dead:
		x.say("Job %s is dead since %s: %s.", id, say.Age(r.EndedAt, s.now), r.Reason)
		x.say("The last error: %s", r.Error)
		if r.Bears != "" {
			x.say("Nothing can run it. `siren dead show %s` has the message: have its producer send it right.", id)
		} else {
			x.say("`siren jobs logs %s` has what its programs said, `siren jobs retry %s` retries it.", id, id)
		}
	case job.Missing:
		x.say("Job %s is missing: it was put into lane %s %s ago, and %s ago its message was no longer in the "+
			"broker. Its producer was killed before it published it, or somebody has purged the "+
			"queue.", id, r.Lane, say.Age(r.ReadyAt, s.now), say.Age(r.EndedAt, s.now))
		x.say("`siren jobs retry %s` publishes it again; so does enqueueing it again under the same id. Should its "+
			"message turn up after all, it runs.", id)
	case job.Cancelled:
		x.say("Job %s was cancelled %s ago%s.", id, say.Age(r.EndedAt, s.now), s.cancelledBy(ctx, id))
	default:
		x.say("Job %s is %s: it waited %s in lane %s, and took %s to its end, %s ago.", id, r.State,
			say.Short(r.Wait.D()), r.Lane, say.Ran(r, s.now), say.Age(r.EndedAt, s.now))
	}
	return x, nil
}

// progress says how far a running job is.
func progress(r job.Record) string { return fmt.Sprintf("%.0f%%", 100*r.Progress.Fraction) }

// waits explains a job that is in its lane.
func (s *Sight) waits(ctx context.Context, x *Explanation, r job.Record) error {
	ahead, higher, bound, err := s.ahead(ctx, r)
	if err != nil {
		return err
	}
	l, _ := s.laneStatus(r.Lane)
	x.Ahead = &ahead
	x.say("Job %s waits in lane %s for %s: %s%s of its lane %s before it.", r.ID, r.Lane, say.Age(r.ReadyAt, s.now),
		bound, say.Plural(ahead, "job"), say.Verb(ahead, "is", "are"))
	if lane, _ := s.policy.Policy.Lane(r.Lane); lane.Priorities > r.Priority {
		x.say("Its priority is %d, and lane %s allows up to %d: jobs of a higher one start before it, the %d of "+
			"them that wait and those that are yet to come.",
			r.Priority, r.Lane, lane.Priorities, higher)
	}
	if at, foreseen, ok := s.start(ctx, r.Lane, ahead); ok {
		x.Starts = &at
		x.say("It is predicted to start %s%s.", in(at, s.now), s.madeOf(l, foreseen))
	} else {
		x.say("Nobody takes it as things are: see what limits it.")
	}
	switch {
	case r.ExpiresAt.IsZero() || !r.StartedAt.IsZero():
	case s.now.Before(r.ExpiresAt):
		x.say("It expires %s: a slot that takes it later buries it (expiresAt).", in(r.ExpiresAt, s.now))
	default:
		x.say("It expired %s ago: the slot that takes it buries it (expiresAt).", say.Age(r.ExpiresAt, s.now))
	}
	for _, pool := range s.serving(r.Lane) {
		x.say("%s", s.serves(pool, r.Lane))
	}
	x.say("%s", objective(l))
	x.Limits = s.limits(r.Lane)
	x.Plans, err = s.plans(ctx, s.serving(r.Lane)[:1]...)
	return err
}

// ahead counts the jobs of its lane that are before a waiting one, and how many of them have a higher priority. bound
// says what kind of number that is, "" for an exact one. It is at most what its queue holds, whatever the records say.
func (s *Sight) ahead(ctx context.Context, r job.Record) (n, higher int, bound string, err error) {
	p, err := s.Ledger.Ahead(ctx, r.ID, s.snap.At)
	l, seen := s.laneStatus(r.Lane)
	if err != nil || !seen || l.Stale {
		return p.Known + p.Newer, p.Higher, "", err
	}
	others := l.Ready
	if p.Own {
		others = max(0, others-1)
	}
	switch {
	case p.Known > others:
		return others + p.Newer, min(p.Higher, others+p.Newer), "at most ", nil
	case l.Unrecorded > 0:
		return p.Known + p.Newer, p.Higher, "at least ", nil
	}
	return p.Known + p.Newer, p.Higher, "", nil
}

// cancelledBy says who called the job off, as far as the audit log knows.
func (s *Sight) cancelledBy(ctx context.Context, id string) string {
	entries, err := s.Tunings.Audit(ctx, s.now.AddDate(0, 0, -7), 1000)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if (e.Verb == "cancel" || e.Verb == "purge") && (e.On == "job "+id || slices.Contains(e.Sample, id)) {
			return fmt.Sprintf(" by %s%s", e.By, say.Because(e.Reason))
		}
	}
	return ""
}
