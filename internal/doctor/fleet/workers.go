package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// judgeWorkers says what the workers' heartbeats mean.
func judgeWorkers(f facts) (found []doctor.Finding) {
	const check = doctor.Check("fleet.workers")
	var p lanes.Policy
	if f.InForce != nil {
		p = f.InForce.Policy
	}
	p.Default()
	var silent, starting, offline, behind []string
	for _, w := range f.workers {
		switch {
		case f.now.Sub(w.At) > p.Timing.GoneAfter.D():
			silent = append(silent, w.Worker)
		case w.Starting():
			starting = append(starting, w.Worker)
		case !w.Subscribed:
			offline = append(offline, w.Worker)
		case f.InForce != nil && w.Revision != f.InForce.Revision:
			behind = append(behind, w.Worker)
		}
	}
	if len(silent) > 0 {
		found = append(found, check.Warning("silent: "+few(silent),
			"their jobs are started again elsewhere once the claims have run out; they themselves may still run",
			"siren workers says for how long; it was killed, or can't reach Redis: its log"))
	}
	if len(offline) > 0 {
		found = append(found, check.Error("without RabbitMQ: "+few(offline), "they take no jobs",
			"their log says why; if none of it is said of RabbitMQ here, look from there: "+
				"siren doctor --role worker in a worker's pod"))
	}
	if len(starting) > 0 {
		found = append(found, check.Note("just started: "+few(starting), "they don't take jobs yet",
			"look again in some seconds"))
	}
	if len(behind) > 0 {
		found = append(found, check.Note("still follow a former policy: "+few(behind),
			"a worker follows with its next heartbeat, within a second or two",
			"look again in some seconds; if it stays, their log"))
	}
	if len(silent)+len(starting)+len(offline) == 0 {
		found = append(found, check.OK(say.Plural(len(f.workers), "worker")+", all heard of, and with RabbitMQ"))
	}
	return found
}

// oddFor is for how long messages with times that can't be meant are worth a warning.
const oddFor = time.Hour

// judgeTimes says which lanes have got messages with times that can't be meant lately.
func judgeTimes(workers []fleet.Heartbeat, now time.Time) (found []doctor.Finding) {
	count, last := map[string]int64{}, map[string]time.Time{}
	for _, w := range workers {
		for lane, work := range w.Lanes {
			if work.OddTimes > 0 && now.Sub(work.OddAt) < oddFor {
				count[lane] += work.OddTimes
				last[lane] = slices.MaxFunc([]time.Time{last[lane], work.OddAt}, time.Time.Compare)
			}
		}
	}
	for _, lane := range slices.Sorted(maps.Keys(count)) {
		found = append(found, doctor.Check("fleet.times").Warning(
			fmt.Sprintf("lane %s: %s came with a time that can't be meant in its headers since its workers began, "+
				"the last %s "+
				"ago",
				lane, say.Plural(int(count[lane]), "message"), say.Short(max(0, now.Sub(last[lane])))),
			"the time counts as absent: the wait of these jobs isn't known, and the lane looks better than it is",
			"make their producer send readyAt in milliseconds since 1970, not in seconds: docs/jobs.md#headers"))
	}
	return found
}

// judgeVersions says whether all are of one version.
func judgeVersions(f facts) doctor.Finding {
	const check = doctor.Check("fleet.versions")
	by := map[string]int{}
	for _, w := range f.workers {
		if f.now.Sub(w.At) < time.Minute {
			by[w.Version]++
		}
	}
	var versions []string
	for v, n := range by {
		versions = append(versions, fmt.Sprintf("%s of %s", say.Plural(n, "worker"), v))
	}
	slices.Sort(versions)
	switch {
	case len(by) > 1:
		return check.Warning("several versions run: "+strings.Join(versions, ", "),
			"they may not agree on what a job or a policy says",
			"during an upgrade that ends by itself; else bring all to one: "+
				"kubectl rollout status deployment -l app.kubernetes.io/component=worker")
	case len(by) == 1 && by[f.Version] == 0:
		return check.Note(fmt.Sprintf("this is %s, and there is %s", f.Version, versions[0]),
			"it may know other fields and other checks than they do",
			"take the fleet's own: kubectl exec deploy/siren-scaler -- siren doctor")
	}
	return check.OK("all are of version " + f.Version)
}

// judgeClocks compares the clocks of workers with that of Redis, as far as a heartbeat shows it: what it says has
// happened can't be after Redis has got it.
func judgeClocks(workers []fleet.Heartbeat) []doctor.Finding {
	const check = doctor.Check("clock.workers")
	var ahead []string
	worst := time.Duration(0)
	for _, w := range workers {
		newest := w.Began
		for _, run := range w.Running {
			if run.Since.After(newest) {
				newest = run.Since
			}
		}
		if off := newest.Sub(w.At); off > time.Second {
			ahead = append(ahead, fmt.Sprintf("%s by %s", w.Worker, say.Short(off)))
			worst = max(worst, off)
		}
	}
	switch {
	case len(ahead) > 0:
		f := check.Warning("clocks of workers are ahead of that of Redis, at least: "+few(ahead),
			"waits, objectives and the times of retries depend on the clocks of several machines",
			"run a time service on their machines: timedatectl set-ntp true (chrony or systemd-timesyncd)")
		if worst > time.Minute {
			f.Severity = doctor.Error
		}
		return []doctor.Finding{f}
	case len(workers) == 0:
		return nil
	}
	return []doctor.Finding{check.OK(fmt.Sprintf("no heartbeat of %s is ahead of the clock of Redis",
		say.Plural(len(workers),
			"worker")))}
}
