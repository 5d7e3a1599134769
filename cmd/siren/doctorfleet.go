package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

// fleetFacts is what is known of the running fleet.
type fleetFacts struct {
	now      time.Time // by Redis' clock
	version  string    // of this program
	snapshot *lanes.Snapshot
	inForce  *lanes.Effective
	file     *lanes.Policy // nil: none was given
	wrong    error         // why the file that was given can't be used
	workers  []lanes.Heartbeat

	missing   int            // jobs
	missingIn map[string]int // by lane
}

func (d *doctor) fleet(ctx context.Context) []lanes.Finding {
	facts := fleetFacts{version: buildVersion(), inForce: d.inForce, file: d.file, wrong: d.wrong}
	if d.store == nil {
		return append(judgeFile(facts), lanes.Finding{
			Check: "fleet.leader", Severity: lanes.Note, What: "not looked at: nothing says where Redis is", Why: "the fleet tells of itself there", Mend: "set SIREN_REDIS_URL",
		})
	}
	workers, now, err := d.roster().Workers(ctx)
	if err == nil {
		var s lanes.Snapshot
		if s, err = d.board().Snapshot(ctx); err == nil {
			facts.snapshot = &s
		}
	}
	if err != nil && !redisNotFound(err) {
		unseen := lanes.Finding{
			Check: "fleet.leader", Severity: lanes.Note, What: "not looked at: Redis doesn't answer", Why: "the fleet tells of itself there", Mend: "see what is said of Redis",
		}
		if errors.Is(err, lanes.ErrRefused) {
			unseen.What, unseen.Mend = "not looked at: an operator may, and this login isn't one's", "look with the login of an operator: siren redis-acl"
		}
		return append(judgeFile(facts), unseen)
	}
	facts.workers, facts.now = workers, now
	if facts.missing, facts.missingIn, err = d.missing(ctx); err != nil {
		facts.missing = 0 // Redis has just gone: what is said of it says so
	}
	return judgeFleet(facts)
}

// leaderSilent is how old the snapshot of a leader may be: it makes one a second, and another one leads ten seconds after it has fallen silent.
const leaderSilent = 15 * time.Second

// judgeFleet is what the facts of a fleet mean.
func judgeFleet(f fleetFacts) []lanes.Finding {
	found := append([]lanes.Finding{judgeLeader(f)}, judgeFile(f)...)
	found = append(found, judgeInForce(f)...)
	found = append(found, judgeWorkers(f)...)
	found = append(found, judgeTimes(f.workers, f.now)...)
	found = append(found, judgeMissing(f)...)
	return append(found, judgeVersions(f))
}

func judgeLeader(f fleetFacts) lanes.Finding {
	leader := lanes.Finding{
		Check: "fleet.leader", Why: "nobody sizes the pools, follows the policy or declares queues; running workers go on with what they have",
		Mend: "start `siren scaler`; on Kubernetes: kubectl get lease siren-scaler; kubectl logs -l app.kubernetes.io/component=scaler",
	}
	if f.snapshot == nil {
		leader.Severity, leader.What = lanes.Warning, "no scaler has ever led here"
		return leader
	}
	silent := f.now.Sub(f.snapshot.At)
	if silent > leaderSilent {
		leader.Severity, leader.What = lanes.Error, fmt.Sprintf("no scaler leads: %s was the last, %s ago", f.snapshot.Leader, say.Short(silent))
		return leader
	}
	return lanes.Finding{Check: "fleet.leader", What: fmt.Sprintf("%s leads, and looked at the fleet %s ago", f.snapshot.Leader, say.Short(max(0, silent)))}
}

// judgeFile is what is wrong with the file that was given.
func judgeFile(f fleetFacts) []lanes.Finding {
	if f.wrong != nil {
		return []lanes.Finding{{
			Check: "fleet.policy", Severity: lanes.Error, What: "the policy file can't be used: " + f.wrong.Error(), Why: "a scaler refuses it, and goes on with the policy in force, if there is one",
			Mend: "correct it; siren policy check FILE says when it is right",
		}}
	}
	p := f.file
	if p == nil && f.inForce != nil {
		p = &f.inForce.Policy
	}
	if p == nil {
		return nil
	}
	var found []lanes.Finding
	for _, w := range p.Warnings() {
		found = append(found, lanes.Finding{
			Check: "fleet.policy", Severity: lanes.Warning, What: w.Path + ": " + w.Message, Why: "it is allowed, and seldom meant", Mend: "change it as it says; siren policy check FILE",
		})
	}
	return found
}

// judgeInForce is what the policy in force says beside the file.
func judgeInForce(f fleetFacts) []lanes.Finding {
	if f.inForce == nil {
		return []lanes.Finding{{
			Check: "fleet.inforce", Severity: lanes.Warning, What: "no policy is in force", Why: "workers wait for one before they take jobs",
			Mend: "start `siren scaler --policy FILE`, which publishes it",
		}}
	}
	var found []lanes.Finding
	if f.snapshot != nil && f.snapshot.Refused != "" {
		found = append(found, lanes.Finding{
			Check: "fleet.refused", Severity: lanes.Error, What: "the leader refuses the policy as it is written now: " + f.snapshot.Refused, Why: "the former policy stays in force",
			Mend: "do as it says; the leader tries again by itself every two seconds",
		})
	}
	switch {
	case f.file == nil:
		found = append(found, lanes.Finding{Check: "fleet.inforce", What: fmt.Sprintf("policy revision %d is in force", f.inForce.Revision)})
	case reflect.DeepEqual(f.inForce.Written(), f.file):
		what := fmt.Sprintf("the policy file is in force, as revision %d", f.inForce.Revision)
		if n := len(f.inForce.Tunings); n > 0 {
			what += fmt.Sprintf(", with %s over it: siren tunings", say.Plural(n, "tuning"))
		}
		found = append(found, lanes.Finding{Check: "fleet.inforce", What: what})
	default:
		found = append(found, lanes.Finding{
			Check: "fleet.inforce", Severity: lanes.Warning, What: fmt.Sprintf("the policy file isn't the one in force (revision %d)", f.inForce.Revision),
			Why:  "storage was looked at by the file, the broker's queues by the one in force, which is what runs",
			Mend: "siren policy show shows the one in force; put the file in force where the scaler has it: helm upgrade, or restart `siren scaler --policy FILE`",
		})
	}
	if n := len(f.inForce.Idle); n > 0 {
		found = append(found, lanes.Finding{
			Check: "fleet.tunings", Severity: lanes.Warning, What: say.Plural(n, "tuning") + " can't be in force with this policy", Why: "somebody counts on a change that isn't there",
			Mend: "siren tunings says why; siren tunings remove FIELD",
		})
	}
	return found
}

// startsWithin is how long a worker may take from its first heartbeat until it has RabbitMQ.
const startsWithin = 10 * time.Second

// judgeWorkers is what the workers say of themselves.
func judgeWorkers(f fleetFacts) (found []lanes.Finding) {
	var e lanes.Effective
	if f.inForce != nil {
		e = *f.inForce
	}
	var silent, starting, offline, behind []string
	for _, w := range f.workers {
		switch {
		case f.now.Sub(w.At) > silentAfter(e):
			silent = append(silent, w.Worker)
		case !w.Subscribed && w.At.Sub(w.Began) < startsWithin:
			starting = append(starting, w.Worker)
		case !w.Subscribed:
			offline = append(offline, w.Worker)
		case f.inForce != nil && w.Revision != f.inForce.Revision:
			behind = append(behind, w.Worker)
		}
	}
	if len(silent) > 0 {
		found = append(found, lanes.Finding{
			Check: "fleet.workers", Severity: lanes.Warning, What: "silent: " + few(silent), Why: "their jobs are started again elsewhere once the claims have run out; they themselves may still run",
			Mend: "siren workers says for how long; it was killed, or can't reach Redis: its log",
		})
	}
	if len(offline) > 0 {
		found = append(found, lanes.Finding{
			Check: "fleet.workers", Severity: lanes.Error, What: "without RabbitMQ: " + few(offline), Why: "they take no jobs",
			Mend: "their log says why; if none of it is said of RabbitMQ here, look from there: siren doctor --role worker in a worker's pod",
		})
	}
	if len(starting) > 0 {
		found = append(found, lanes.Finding{
			Check: "fleet.workers", Severity: lanes.Note, What: "just started: " + few(starting), Why: "they don't take jobs yet", Mend: "look again in some seconds",
		})
	}
	if len(behind) > 0 {
		found = append(found, lanes.Finding{
			Check: "fleet.workers", Severity: lanes.Note, What: "still follow a former policy: " + few(behind), Why: "a worker follows with its next heartbeat, within a second or two",
			Mend: "look again in some seconds; if it stays, their log",
		})
	}
	if len(silent)+len(starting)+len(offline) == 0 {
		found = append(found, lanes.Finding{Check: "fleet.workers", What: fmt.Sprintf("%s, all heard of, and with RabbitMQ", say.Plural(len(f.workers), "worker"))})
	}
	if f.snapshot != nil {
		for _, q := range f.snapshot.Pools {
			if q.Reason.Trouble() {
				found = append(found, lanes.Finding{
					Check: "fleet.pools", Severity: lanes.Warning, What: fmt.Sprintf("pool %s: %s: %s", q.Name, q.Reason, q.Why), Why: "it isn't sized as it should be",
					Mend: "siren explain pool " + q.Name + "; docs/runbook.md says what each reason wants",
				})
			}
		}
	}
	return found
}

// oddFor is for how long messages with times that can't be meant are worth a warning.
const oddFor = time.Hour

// judgeTimes is which lanes have got messages with times that can't be meant lately.
func judgeTimes(workers []lanes.Heartbeat, now time.Time) (found []lanes.Finding) {
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
		found = append(found, lanes.Finding{
			Check: "fleet.times", Severity: lanes.Warning,
			What: fmt.Sprintf("lane %s: %s came with a time that can't be meant in its headers since its workers began, the last %s ago", lane, say.Plural(int(count[lane]), "message"), say.Age(last[lane], now)),
			Why:  "the time counts as absent: the wait of these jobs isn't known, and the lane looks better than it is",
			Mend: "have their producer send readyAt in milliseconds since 1970, not in seconds: docs/jobs.md#headers",
		})
	}
	return found
}

// judgeVersions is whether all are of one version.
func judgeVersions(f fleetFacts) lanes.Finding {
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
		return lanes.Finding{
			Check: "fleet.versions", Severity: lanes.Warning, What: "several versions run: " + strings.Join(versions, ", "), Why: "they may not agree on what a job or a policy says",
			Mend: "during an upgrade that ends by itself; else bring all to one: kubectl rollout status deployment -l app.kubernetes.io/component=worker",
		}
	case len(by) == 1 && by[f.version] == 0:
		return lanes.Finding{
			Check: "fleet.versions", Severity: lanes.Note, What: fmt.Sprintf("this is %s, and there is %s", f.version, strings.Join(versions, ", ")), Why: "it may know other fields and other checks than they do",
			Mend: "take the fleet's own: kubectl exec deploy/siren-scaler -- siren doctor",
		}
	default:
		return lanes.Finding{Check: "fleet.versions", What: "all are of version " + f.version}
	}
}

// judgeClocks compares the clocks of workers with that of Redis, as far as a heartbeat shows it: what it says has happened can't be
// after Redis has got it.
func judgeClocks(workers []lanes.Heartbeat) []lanes.Finding {
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
	if len(ahead) > 0 {
		severity := lanes.Warning
		if worst > time.Minute {
			severity = lanes.Error
		}
		return []lanes.Finding{{
			Check: "clock.workers", Severity: severity, What: "clocks of workers are ahead of that of Redis, at least: " + few(ahead), Why: "waits, objectives and the times of retries are told by clocks of several machines",
			Mend: "run a time service on their machines: timedatectl set-ntp true (chrony or systemd-timesyncd)",
		}}
	}
	if len(workers) == 0 {
		return nil
	}
	return []lanes.Finding{{Check: "clock.workers", What: fmt.Sprintf("no heartbeat of %s is ahead of the clock of Redis", say.Plural(len(workers), "worker"))}}
}

// few names some, and counts the others.
func few(names []string) string {
	const most = 4
	if len(names) > most+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
