package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// OldReport is when the scaler's last report is too old to be taken for now.
const OldReport = 5 * time.Second

// Lane explains a lane.
func (s *Sight) Lane(ctx context.Context, name string) (Explanation, error) {
	x := Explanation{Kind: "lane", Name: name}
	if err := operate.RequireLane(s.policy, name, true); err != nil {
		return x, err
	}
	l, _ := s.laneStatus(name)
	x.say("%s", s.waiting(l))
	x.say("%s", objective(l))
	if l.Retrying > 0 {
		x.say("%s for a next attempt, the first in %s.", say.Plural(l.Retrying, "job")+" "+say.Verb(l.Retrying,
			"waits", "wait"), say.Short(max(0, l.NextRetry.Sub(s.now))))
	}
	if l.Skipped > 0 {
		x.say("%s in its queue and will be skipped: their jobs are cancelled, or carried on by another message.",
			say.Plural(l.Skipped, "more message")+" "+say.Verb(l.Skipped, "is", "are"))
	}
	if l.Excess > 0 {
		x.say("At least %s recorded as queued beyond what its queue has, for five minutes and longer. Their "+
			"messages may be lost: once its queue has been empty for a while they are found missing, and `siren "+
			"jobs retry` publishes them again.",
			say.Plural(l.Excess, "job")+" "+say.Verb(l.Excess, "is", "are"))
	}
	if text := s.promotion(l); text != "" {
		x.say("%s", text)
	}
	for _, t := range slices.Concat(s.tuned, s.policy.Written().ScheduledTunings()) {
		if t.When != nil && strings.HasPrefix(t.Field, lanes.LaneField(name, "")) {
			x.say("%s", s.planned(t))
		}
	}
	for _, pool := range s.serving(name) {
		x.say("%s", s.serves(pool, name))
	}
	if at, foreseen, ok := s.start(ctx, name, l.Ready); ok {
		x.Starts = &at
		x.say("A job that came into it now would start %s%s.", in(at, s.now), s.madeOf(l, foreseen))
	} else {
		x.say("A job that came into it now would not start: see what limits it.")
	}
	x.Limits = s.limits(name)
	var err error
	x.Plans, err = s.plans(ctx, s.serving(name)[:1]...)
	return x, err
}

// waiting says what waits and runs in a lane.
func (s *Sight) waiting(l fleet.LaneStatus) string {
	text := fmt.Sprintf("Lane %s: nothing waits", l.Name)
	if l.Ready > 0 {
		text = fmt.Sprintf("Lane %s: %s %s, the oldest for %s", l.Name, say.Plural(l.Ready, "job"), say.Verb(l.Ready,
			"waits", "wait"), say.Short(l.OldestWait.D()))
	}
	text += fmt.Sprintf("; %s of it %s.", say.Plural(l.Busy, "job"), say.Verb(l.Busy, "runs", "run"))
	if l.InPerMin > 0 || l.OutPerMin > 0 {
		text += fmt.Sprintf(" At the last minute's rate %.0f come in a minute, and %.0f end.", l.InPerMin, l.OutPerMin)
	}
	return text
}

// promotion says whether the lane takes turns with a more urgent one, and if not yet, why; "" when it isn't to.
func (s *Sight) promotion(l fleet.LaneStatus) string {
	lane, _ := s.policy.Policy.Lane(l.Name)
	switch {
	case s.policy.Turns[l.Name] != "":
		return fmt.Sprintf("It is promoted: its oldest job has waited for longer than promote.after, so it takes "+
			"turns with lane %s.", s.policy.Turns[l.Name])
	case lane.Promote == nil || lane.Paused || l.OldestWait <= lane.Promote.After:
		return ""
	}
	to, _ := s.laneStatus(lane.Promote.To)
	left := lane.StartWithin - to.StartWithin - l.OldestWait
	return fmt.Sprintf("It has waited long enough to take turns with lane %s, which can spare none: its own oldest "+
		"job has waited for %s of the %s that it may. It takes them once that is less than half, or in %s, when its "+
		"own objective is as near.", to.Name, say.Short(to.OldestWait.D()), say.Short(to.StartWithin.D()),
		say.Short(max(0, left.D())))
}

// objective says whether the lane meets it.
func objective(l fleet.LaneStatus) string {
	if l.Former {
		return "It has left the policy, and is served until it is empty."
	}
	said := "nothing has started in the last five minutes"
	if l.Started > 0 {
		said = fmt.Sprintf("in the last five minutes %d of %s %s in time, 95 %% of them within %s", l.InTime,
			say.Plural(l.Started, "start"), say.Verb(l.Started, "was", "were"), say.Short(l.P95Wait.D()))
	}
	met := "met"
	if !l.Objective() {
		met = "missed"
	}
	return fmt.Sprintf("Its objective, 95 %% of its jobs started within %s, is %s: %s.", l.StartWithin, met, said)
}

// serves says how a pool serves the lane.
func (s *Sight) serves(pool, lane string) string {
	p, _ := s.poolStatus(pool)
	q, _ := s.policy.Policy.Pool(pool)
	role := "is its home"
	if home, ok := s.policy.Policy.Home(lane); !ok {
		role = "serves it last, as it does all that left the policy"
	} else if home.Name != pool {
		role = "takes it as a guest, when nothing of its own waits"
	}
	text := fmt.Sprintf("Pool %s %s: %s, %d of %s busy", pool, role, say.Plural(p.Ready,
		"worker")+" "+say.Verb(p.Ready, "takes", "take")+" jobs", p.Busy, say.Plural(p.Slots, "slot"))
	if aside, n := q.Shoulders(); n > 0 && aside == lane {
		text += fmt.Sprintf("; each worker keeps %s for this lane alone", say.Plural(n, "shoulder slot"))
	}
	var before []string
	for _, other := range s.policy.Policy.LaneNames() {
		l, _ := s.laneStatus(other)
		urgent := s.policy.Policy.Rank(other) < s.policy.Policy.Rank(lane)
		if urgent && l.Ready > 0 && !l.Paused && taken(q, other) {
			before = append(before, fmt.Sprintf("%d of %s", l.Ready, other))
		}
	}
	if len(before) > 0 {
		text += fmt.Sprintf("; more urgent jobs wait there first: %s", strings.Join(before, ", "))
	}
	return text + "."
}

func taken(q lanes.Pool, lane string) bool {
	return slices.Contains(q.Lanes, lane) || slices.Contains(q.Guests, lane)
}

// madeOf says what a prediction goes by.
func (s *Sight) madeOf(l fleet.LaneStatus, foreseen []fleet.Load) string {
	if len(foreseen) == 0 {
		return fmt.Sprintf(", if nothing more urgent comes; its jobs are taken to run %s each",
			say.Short(l.Service.D()))
	}
	var sum time.Duration
	for _, l := range foreseen {
		sum += l.Alone
	}
	return fmt.Sprintf(", if nothing more urgent comes; by their kinds its jobs are taken to run %s each, or longer "+
		"where others need the same machine", say.Short(sum/time.Duration(len(foreseen))))
}

// in returns a time as "in 14s, at 11:02:31".
func in(at, now time.Time) string {
	if wait := at.Sub(now); wait >= 100*time.Millisecond {
		return fmt.Sprintf("in %s, at %s", say.Short(wait), say.Clock(at))
	}
	return "at once"
}

// limits says what keeps a lane's jobs from starting sooner.
func (s *Sight) limits(lane string) (all []string) {
	all = append(all, s.doubts()...)
	if s.policy.Policy.Paused(lane) {
		all = append(all, fmt.Sprintf("lane %s is paused%s: nobody takes its jobs; `siren lanes resume %s`", lane,
			s.tunedBy(lanes.LaneField(lane, "paused")), lane))
	}
	if l, _ := s.laneStatus(lane); l.Stale {
		all = append(all, fmt.Sprintf("the broker's answer for lane %s is missing or not believed: its pool isn't "+
			"made smaller, nor sized for what can't be seen", lane))
	} else if l.Partial {
		all = append(all, fmt.Sprintf("a queue that lane %s had before doesn't answer: the jobs in it wait for its "+
			"node, and aren't counted; `siren doctor` names it", lane))
	}
	for _, pool := range s.serving(lane) {
		all = append(all, s.poolLimits(pool, lane)...)
	}
	return all
}

// doubts says what makes everything that the scaler saw doubtful.
func (s *Sight) doubts() (all []string) {
	if old := s.now.Sub(s.snap.At); old > OldReport {
		all = append(all, fmt.Sprintf("no scaler has reported for %s: this is what it saw then, and nothing is scaled "+
			"until one reports", say.Short(old)))
	}
	if s.snap.Refused != "" {
		all = append(all, fmt.Sprintf("the policy as it is written now is refused, and revision %d stays in force: "+
			"%s", s.snap.Revision, s.snap.Refused))
	}
	return all
}

// poolLimits says what limits a pool; lane "" stands for all of its own.
func (s *Sight) poolLimits(pool, lane string) (all []string) {
	p, _ := s.poolStatus(pool)
	q, ok := s.policy.Policy.Pool(pool)
	if !ok {
		return nil
	}
	add := func(format string, args ...any) {
		all = append(all, "pool "+pool+": "+fmt.Sprintf(format, args...))
	}
	if q.Frozen {
		add("frozen at %d%s; `siren pools unfreeze %s`", p.Replicas, s.tunedBy(lanes.PoolField(pool, "frozen")), pool)
	}
	home, _ := s.policy.Policy.Home(lane)
	if lane != "" && home.Name != pool && slices.Contains(s.policy.NoGuests, pool) && !taken(q, s.policy.Turns[lane]) {
		add("takes no guests for now: its own lanes wait")
	}
	if p.Wanted >= p.Max && p.Reason == fleet.Ceiling {
		add("max is %d and it would use more; `siren pools tune %s --max N`", p.Max, pool)
	}
	if p.Starting > 0 {
		add("%s %s; a cold start takes %s here", say.Plural(p.Starting, "worker"), say.Verb(p.Starting, "is starting",
			"are starting"), say.Short(p.ColdStart.D()))
	}
	if p.Parked+p.Retired > 0 {
		add("%s no new jobs, on the way out", say.Plural(p.Parked+p.Retired, "worker")+" "+
			""+say.Verb(p.Parked+p.Retired, "takes", "take"))
	}
	if p.Reason.Trouble() || p.Reason == fleet.Budget || p.Reason == fleet.Rollout {
		add("%s", p.Why)
	}
	if l, known := s.policy.Policy.Lane(lane); known && p.Reason == fleet.Budget && p.ColdStart > l.StartWithin &&
		q.Shoulder[lane] == 0 {
		add("what the budget leaves it comes too late: a cold start takes %s, and lane %s is to start within %s; "+
			"`siren budget set`, or `siren pools tune %s --min`", say.Short(p.ColdStart.D()), lane,
			l.StartWithin, q.Name)
	}
	if p.Ready == 0 && p.Starting == 0 && p.Target == 0 && p.Wanted == 0 && !s.policy.Policy.Paused(lane) {
		add("it has no workers; it starts some when a job of its own lanes (%s) waits", strings.Join(q.Lanes, ", "))
	}
	return all
}

// tunedBy says who tuned a field, since when and why, or which schedule has it so; "" when the file says so.
func (s *Sight) tunedBy(field string) string {
	for _, t := range s.policy.Tunings {
		if t.Field == field && t.When != nil {
			return " by " + s.scheduled(t)
		}
	}
	t, ok := lanes.FindTuning(s.tuned, field)
	if !ok {
		return ""
	}
	return fmt.Sprintf(" by %s for %s, %s%s", t.By, say.Age(t.At, s.now), say.Until(t.Until, s.now),
		say.Because(t.Reason))
}

// planned says what a field is to be by a schedule; while that would be in force but isn't, why.
func (s *Sight) planned(t lanes.Tuning) string {
	if why := s.policy.Idles(t, s.now); why != "" {
		return fmt.Sprintf("%s isn't %s, as it would be by %s: %s.", t.Field, t.Spelled(), s.scheduled(t), why)
	}
	return fmt.Sprintf("%s is to be %s by %s.", t.Field, t.Spelled(), s.scheduled(t))
}

// scheduled says which schedule a tuning belongs to, and when that is in force next.
func (s *Sight) scheduled(t lanes.Tuning) string {
	text := fmt.Sprintf("schedule %s of %s, %s", t.Name, t.By, t.When)
	o, comes := t.When.Next(s.now)
	switch {
	case !comes:
		text += ", which is over"
	case o.Has(s.now) && s.policy.Idles(t, s.now) != "":
		text += ", which would last until " + say.Moment(o.End)
	case o.Has(s.now):
		text += ", now until " + say.Moment(o.End)
	default:
		text += ", next on " + say.Moment(o.Start)
	}
	return text + say.Because(t.Reason)
}
