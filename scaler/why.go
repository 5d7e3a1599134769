package scaler

import (
	"fmt"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// plan says what a pool's grant comes to, and why. The sentence cites only what the decision was made from.
func (a ask) plan(g Grant, at time.Time) lanes.Plan {
	v := a.view
	p := lanes.Plan{At: at, Pool: v.Name, From: v.state.Replicas, To: max(g.To, v.state.Replicas)}
	p.Reason, p.Why = a.reason, a.because()
	mark := func(r lanes.Reason, format string, args ...any) {
		p.Reason = r
		p.Why += "; " + fmt.Sprintf(format, args...)
	}
	switch {
	case g.Cut:
		mark(lanes.Budget, "the budget leaves %d of the %d wanted%s", g.Target, a.now, cameFirst(g.For))
	case g.Waits:
		mark(lanes.Budget, "%d of the %d wanted wait until replicas of other pools have left", g.Target-g.To, g.Target)
	case g.Yielded:
		mark(lanes.Budget, "what was held goes to where jobs wait now%s", cameFirst(g.For))
	}
	switch {
	case v.state.Foreign != "":
		p.To = p.From
		mark(lanes.Foreign, "%s scales this pool too, so Siren keeps its hands off; remove one of the two", v.state.Foreign)
	case v.deaf():
		p.To = p.From
		mark(lanes.Stale, "%d of %d workers have no fresh heartbeat, so nothing is changed", v.silent, len(v.state.Members))
	case a.stale != "" && g.Target <= p.From:
		mark(lanes.Stale, "the broker's answer for lane %s is missing or not believed, so nothing is removed", a.stale)
	case len(v.stuck) > 0 && p.To > p.From:
		p.To = p.From
		mark(lanes.Stuck, "%d of %d can't start (%s: %s), so no more are added", len(v.stuck), len(v.state.Members), v.stuck[0].Name, v.stuck[0].Stuck)
	case g.Target < p.From && v.state.Rollout:
		mark(lanes.Rollout, "nothing is removed during a rollout")
	case g.Target < p.From:
		a.markShrinking(g, mark)
	case g.Target > a.now && !g.Cut:
		mark(lanes.Holding, "%d would do; %d are kept for %s after they were last wanted", a.now, g.Target, lanes.Duration(a.hold))
	}
	if p.To != p.From {
		p.Why = fmt.Sprintf("%d → %d: %s", p.From, p.To, p.Why)
	}
	return p
}

func (a ask) markShrinking(g Grant, mark func(lanes.Reason, string, ...any)) {
	surplus := a.view.state.Replicas - g.Target
	switch {
	case len(a.view.retired) > 0:
		mark(lanes.Retiring, "%d of %d are too many; %d retired ones are removed", surplus, a.view.state.Replicas, len(a.view.retired))
	default:
		mark(lanes.Parking, "%d of %d are too many and take no new jobs; they retire when they are idle", surplus, a.view.state.Replicas)
	}
}

func cameFirst(lane string) string {
	if lane == "" {
		return ""
	}
	return fmt.Sprintf(", lane %s came first", lane)
}

// because is the sentence for what the pool needs now.
func (a ask) because() string {
	v := a.view
	switch a.reason {
	case lanes.Floor:
		return fmt.Sprintf("min is %d", v.Min)
	case lanes.Reserve:
		lane, slots := v.Shoulders()
		return fmt.Sprintf("%s for lane %s and %d running on shoulders need %s of %s", plural(a.floor*slots-v.aside, "reserved slot"), lane, v.aside,
			plural(a.floor, "worker"), plural(slots, "shoulder slot"))
	case lanes.Ceiling:
		return a.waitingOrBusy() + fmt.Sprintf("; max is %d", v.Max)
	default:
		return a.waitingOrBusy()
	}
}

func (a ask) waitingOrBusy() string {
	var said []string
	for _, p := range a.parts {
		if p.need.Waiting() {
			said = append(said, p.waits())
		}
	}
	if len(said) > 0 {
		return strings.Join(said, ", and ")
	}
	busy := 0
	for _, p := range a.parts {
		busy += p.in.Busy
		if p.in.Backlog > 0 {
			said = append(said, p.startsInTime())
		}
	}
	if len(said) > 0 {
		return strings.Join(said, ", and ")
	}
	if busy > 0 {
		return plural(busy, "running job")
	}
	return "nothing waits and nothing runs"
}

// waits is one lane's part of the sentence: 140 jobs wait in standard; the 2 slots that are there start 5 of them in time at 2.2 s each.
func (p part) waits() string {
	s := fmt.Sprintf("%s in %s", plural(p.in.Backlog, "job")+waitVerb(p.in.Backlog), p.lane)
	if p.need.Unpark > 0 {
		s += fmt.Sprintf("; %s of parked workers can take them", plural(p.need.Unpark, "idle slot"))
	}
	there := p.in.Ready - p.in.Others
	if there == 0 {
		return s + "; no slot is there for them"
	}
	return s + fmt.Sprintf("; the %s that %s there start %d of them in time at %s each",
		plural(there, "slot"), map[bool]string{true: "is", false: "are"}[there == 1], int(p.need.InTime), seconds(p.in.Service))
}

func (p part) startsInTime() string {
	return fmt.Sprintf("%s in %s and the slots that are there start them in time", plural(p.in.Backlog, "job")+waitVerb(p.in.Backlog), p.lane)
}

func waitVerb(n int) string {
	if n == 1 {
		return " waits"
	}
	return " wait"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
