package law

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/plain"
)

// explain gives the plan its reason and its sentence: what the pool needs, then what kept it from getting that. It
// cites only what the decision was made from. retiring is how many workers were asked to retire and haven't promised
// yet.
func (a ask) explain(p *fleet.Plan, g Grant, retiring int) {
	v := a.view
	p.Reason, p.Why = a.reason, a.because()
	mark := func(r fleet.Reason, format string, args ...any) {
		p.Reason = r
		p.Why += "; " + fmt.Sprintf(format, args...)
	}
	a.explainPauses(*p, mark)
	if n := len(v.Others); n > 0 {
		mark(p.Reason, "%s not this scaler's: max and budget count %s too",
			count(n, "worker is", "workers are"), map[bool]string{true: "it", false: "them"}[n == 1])
	}
	switch {
	case v.Frozen: // it has what it has
	case g.Cut:
		mark(fleet.Budget, "the budget leaves %d of the %d wanted%s", g.Target, a.now, cameFirst(g.For))
	case g.Waits:
		mark(fleet.Budget, "%d of the %d must wait until other replicas have left", g.Target-g.To, g.Target)
	case g.Yielded:
		mark(fleet.Budget, "what was held goes to where jobs wait now%s", cameFirst(g.For))
	}
	short := "" // what a want that can't be met adds
	if a.now > v.Replicas() {
		short = ", so no more are added"
	}
	if len(v.Stuck) > 0 {
		mark(fleet.Stuck, "%d of %d can't start (%s: %s)%s", len(v.Stuck), v.Present, v.Stuck[0].Name,
			firstLine(v.Stuck[0].Stuck), short)
	}
	switch {
	case v.Unseen:
		mark(fleet.Stale, "the fleet has no data on this pool, so no scaling this tick")
	case v.State.Foreign != "":
		mark(fleet.Foreign, "%s scales this pool too, so Siren doesn't; remove one of the two",
			v.State.Foreign)
	case v.Frozen:
		a.explainFreeze(*p, mark)
	case v.Deaf():
		mark(fleet.Stale, "%d of %d workers have no fresh heartbeat, so no scaling this tick", v.Silent, v.Present)
	case p.To > p.From:
	case a.stale != "":
		mark(fleet.Stale, "the broker's answer for lane %s is missing or not believed, so nothing is removed", a.stale)
	case a.want < p.From && v.State.Rollout:
		mark(fleet.Rollout, "%d would do, but nothing is removed during a rollout", a.want)
	case g.Target < p.From, len(p.Remove) > 0:
		a.explainShrinking(*p, g, retiring, mark)
	case g.Target > a.now && !g.Cut:
		if a.urgent != "" {
			mark(fleet.Holding, "%d would do; %d are kept since lane %s needs them again and again, sooner than they "+
				"start", a.now, g.Target, a.urgent)
		} else {
			mark(fleet.Holding, "%d would do; %d are kept for %s after they were last wanted", a.now, g.Target,
				readable(a.hold))
		}
	}
	if p.To != p.From {
		p.Why = fmt.Sprintf("%d → %d: %s", p.From, p.To, p.Why)
	}
}

// explainPauses names the paused lanes with waiting jobs. They are the reason unless another lane's waiting jobs, or
// what makes the pool grow, is.
func (a ask) explainPauses(p fleet.Plan, mark func(fleet.Reason, string, ...any)) {
	reason := fleet.Paused
	if a.shut || p.To > p.From {
		reason = p.Reason
	}
	for _, s := range a.parts {
		if s.paused > 0 {
			mark(reason, "lane %s is paused: its %s for nothing", s.lane,
				count(s.paused, "waiting job counts", "waiting jobs count"))
		}
	}
}

// explainFreeze says what a frozen pool would have instead, and which of its replicas are of no use: a freeze keeps
// retired ones too.
func (a ask) explainFreeze(p fleet.Plan, mark func(fleet.Reason, string, ...any)) {
	mark(fleet.Frozen, "the pool is frozen at %d", p.From)
	if a.now != p.From {
		mark(fleet.Frozen, "%d would do", a.now)
	}
	if n := a.view.RetiredReplicas(); n > 0 {
		mark(fleet.Frozen, "%s kept too", count(n, "retired one is", "retired ones are"))
	}
}

func (a ask) explainShrinking(p fleet.Plan, g Grant, retiring int, mark func(fleet.Reason, string, ...any)) {
	tooMany := ""
	if n := p.From - g.Target; n > 0 {
		tooMany = fmt.Sprintf("%d of %d %s too many; ", n, p.From, map[bool]string{true: "is", false: "are"}[n == 1])
	}
	retired := count(len(a.view.Retired), "retired one is", "retired ones are")
	switch {
	case len(p.Remove) > 0:
		mark(fleet.Retiring, "%s%s removed", tooMany, retired)
	case len(a.view.Retired) > 0:
		mark(fleet.Retiring, "%s%s removed once the others have started", tooMany, retired)
	case retiring > 0:
		mark(fleet.Retiring, "%s%s", tooMany, count(retiring, "idle one retires", "idle ones retire"))
	case len(p.Park) > 0:
		mark(fleet.Parking, "%s%s from taking new jobs, to retire when idle", tooMany,
			count(len(p.Park), "is kept", "are kept"))
	default:
		mark(fleet.Parking, "%sthey park once the others have started", tooMany)
	}
}

func cameFirst(lane string) string {
	if lane == "" {
		return ""
	}
	return fmt.Sprintf("; lane %s came first", lane)
}

// because returns the sentence for what the pool needs now.
func (a ask) because() string {
	v := a.view
	switch a.reason {
	case fleet.Reserve:
		lane, slots := v.Shoulders()
		var what []string
		if a.reserve > 0 {
			what = append(what, count(a.reserve, "reserved slot", "reserved slots")+" for lane "+lane)
		}
		if v.OnShoulder > 0 {
			what = append(what, count(v.OnShoulder, "running job", "running jobs"))
		}
		return fmt.Sprintf("%s on the shoulder: %s of %s", strings.Join(what, " and "),
			count(a.shoulderWorkers, "worker", "workers"), count(slots, "shoulder slot", "shoulder slots"))
	case fleet.Floor:
		if from := v.FloorFrom(); from != "" {
			return fmt.Sprintf("%s; min %d %s", a.waitingOrBusy(), v.Min, from)
		}
		return fmt.Sprintf("%s; min is %d", a.waitingOrBusy(), v.Min)
	case fleet.Ceiling:
		return fmt.Sprintf("%s; max is %d", a.waitingOrBusy(), v.Max)
	default:
		return a.waitingOrBusy()
	}
}

func (a ask) waitingOrBusy() string {
	var waiting, inTime []string
	busy, paused := 0, 0
	for _, p := range a.parts {
		busy += p.in.Busy
		paused += p.paused
		switch {
		case p.need.Waiting:
			waiting = append(waiting, p.waits())
		case p.in.Backlog > 0:
			inTime = append(inTime, p.startsInTime())
		}
	}
	switch {
	case len(waiting) > 0:
		s := strings.Join(waiting, ", and ")
		if n := a.view.GuestJobs(); n > 0 {
			s += ", and " + count(n, "slot runs a guest", "slots run guests")
		}
		return s
	case len(inTime) > 0:
		return strings.Join(inTime, ", and ")
	case busy > 0:
		return count(busy, "running job", "running jobs")
	case a.formerJobs > 0:
		return count(a.formerJobs, "job waits", "jobs wait") + " in lanes that left the policy"
	case paused > 0: // so something waits
		return "nothing runs"
	default:
		return "nothing waits and nothing runs"
	}
}

// waits returns one lane's part of the sentence: 140 jobs wait in standard; the 2 slots that are there start 5 of them
// in time at 2.2 s each.
func (p part) waits() string {
	s := count(p.in.Backlog, "job waits", "jobs wait") + " in " + p.lane
	if n := int(p.need.Coming); n > 0 && p.need.TooLate > 0 {
		s += fmt.Sprintf(", and %d more will by the time a worker could be up", n)
	}
	if p.need.Unpark > 0 {
		s += "; " + count(p.need.Unpark, "idle slot comes", "idle slots come") + " back from parked workers"
	}
	if p.need.Unpark > 0 && p.need.TooLate <= 0 {
		return s
	}
	there := p.in.Ready - p.in.Others
	start := func(which string) string {
		return fmt.Sprintf("%s; the %s %s of them", s,
			count(there, "slot that is there starts", "slots that are there start"), which)
	}
	switch {
	case p.in.Ready == 0:
		return s + "; no slot takes jobs yet"
	case there == 0:
		return s + "; every shared slot runs other lanes' jobs"
	case p.need.Overdue:
		return s + fmt.Sprintf(", the oldest for %s: the %s longer than %s each", readable(p.in.Oldest),
			count(there, "slot that is there takes", "slots that are there take"), seconds(p.in.Service))
	case p.need.TooLate <= 0: // and they wait: so τ is the tenth
		return start("all") + fmt.Sprintf(" within %s, a tenth of the objective", readable(p.in.StartWithin/10))
	case p.need.InTime < 1:
		return start("none") + fmt.Sprintf(" in time at %s each", seconds(p.in.Service))
	default:
		return start(strconv.Itoa(int(p.need.InTime))) + fmt.Sprintf(" in time at %s each", seconds(p.in.Service))
	}
}

func (p part) startsInTime() string {
	return count(p.in.Backlog, "job waits", "jobs wait") + " in " + p.lane +
		", not too many for the slots that are there"
}

// count returns n with the noun in its right form.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// readable returns a duration to a tenth of a second, below a second to a millisecond: one that was measured has more
// digits than anybody reads.
func readable(d time.Duration) string {
	digits := 100 * time.Millisecond
	if d < time.Second {
		digits = time.Millisecond
	}
	return lanes.Duration(d.Round(digits)).String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// firstLine returns the first line of what a cluster says, cut to what a sentence bears.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return plain.Clip(s, 100)
}
