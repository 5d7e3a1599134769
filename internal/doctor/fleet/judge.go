package fleet

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

const (
	leader = doctor.Check("fleet.leader")
	unseen = "the fleet reports there"
)

// judgeUnseen says why the fleet couldn't be looked at.
func judgeUnseen(err error) doctor.Finding {
	if errors.Is(err, lanes.ErrRefused) {
		return leader.Note("not looked at: only an operator's login may, and this isn't one", unseen,
			"look with the login of an operator: siren redis-acl")
	}
	return leader.Note("not looked at: Redis doesn't answer", unseen, "see the findings on Redis")
}

// judgeFleet says what the facts of a fleet mean.
func judgeFleet(f facts) []doctor.Finding {
	found := append([]doctor.Finding{judgeLeader(f)}, judgeFile(f)...)
	found = append(found, judgeInForce(f)...)
	found = append(found, judgeWorkers(f)...)
	found = append(found, judgePools(f.snapshot)...)
	found = append(found, judgeTimes(f.workers, f.now)...)
	found = append(found, judgeMissing(f)...)
	return append(found, judgeVersions(f))
}

// leaderSilent is how old the snapshot of a leader may be: it makes one a second, and another one leads ten seconds
// after it has fallen silent.
const leaderSilent = 15 * time.Second

func judgeLeader(f facts) doctor.Finding {
	const (
		why = "nobody sizes the pools, follows the policy or declares queues; running workers go on with what they " +
			"have"
		fix = "start `siren scaler`; on Kubernetes: kubectl get lease siren-scaler; kubectl logs -l " +
			"app.kubernetes.io/component=scaler"
	)
	if f.snapshot == nil {
		return leader.Warning("no scaler has ever led here", why, fix)
	}
	silent := f.now.Sub(f.snapshot.At)
	if silent > leaderSilent {
		return leader.Error(fmt.Sprintf("no scaler leads: %s was the last, %s ago", f.snapshot.Leader,
			say.Short(silent)), why,
			fix)
	}
	return leader.OK(fmt.Sprintf("%s leads, and looked at the fleet %s ago", f.snapshot.Leader,
		say.Short(max(0, silent))))
}

// judgeFile says what is wrong with the file that was given; without one, with the policy in force.
func judgeFile(f facts) (found []doctor.Finding) {
	const check = doctor.Check("fleet.policy")
	if f.Wrong != nil {
		return []doctor.Finding{check.Error("the policy file can't be used: "+f.Wrong.Error(),
			"a scaler refuses it, and goes on with the policy in force, if there is one",
			"correct it; siren policy check FILE says when it is right")}
	}
	p := f.File
	if p == nil && f.InForce != nil {
		p = &f.InForce.Policy
	}
	if p == nil {
		return nil
	}
	for _, w := range p.Warnings() {
		found = append(found, check.Warning(w.Path+": "+w.Message, "it is allowed, and seldom meant",
			"change it as it says; siren policy check FILE"))
	}
	return found
}

// judgeInForce says what the policy in force means beside the file.
func judgeInForce(f facts) (found []doctor.Finding) {
	const check = doctor.Check("fleet.inforce")
	if f.InForce == nil {
		return []doctor.Finding{check.Warning("no policy is in force", "workers wait for one before they take jobs",
			"start `siren scaler --policy FILE`, which publishes it")}
	}
	if f.snapshot != nil && f.snapshot.Refused != "" {
		found = append(found, doctor.Check("fleet.refused").Error(
			"the leader refuses the policy as it is written now: "+f.snapshot.Refused,
			"the former policy stays in force",
			"do as it says; the leader retries by itself every two seconds"))
	}
	switch {
	case f.File == nil:
		found = append(found, check.OK(fmt.Sprintf("policy revision %d is in force", f.InForce.Revision)))
	case reflect.DeepEqual(f.InForce.Written(), f.File):
		what := fmt.Sprintf("the policy file is in force, as revision %d", f.InForce.Revision)
		if n := len(f.InForce.Tunings); n > 0 {
			what += fmt.Sprintf(", with %s over it: siren tunings", say.Plural(n, "tuning"))
		}
		found = append(found, check.OK(what))
	default:
		found = append(found, check.Warning(fmt.Sprintf("the policy file isn't the one in force (revision %d)",
			f.InForce.Revision),
			"storage was looked at by the file, the broker's queues by the one in force, which is what runs",
			"siren policy show shows the one in force; put the file in force where the scaler has it: helm upgrade, "+
				"or restart `siren scaler --policy FILE`"))
	}
	if n := len(f.InForce.Idle); n > 0 {
		found = append(found, doctor.Check("fleet.tunings").Warning(say.Plural(n, "tuning")+
			" can't be in force with this policy",
			"somebody counts on a change that isn't there", "siren tunings says why; siren tunings remove FIELD"))
	}
	return found
}

// judgePools says which pools aren't sized as they should be.
func judgePools(s *fleet.Snapshot) (found []doctor.Finding) {
	if s == nil {
		return nil
	}
	for _, q := range s.Pools {
		if q.Reason.Trouble() {
			found = append(found, doctor.Check("fleet.pools").Warning(fmt.Sprintf("pool %s: %s: %s", q.Name, q.Reason,
				q.Why),
				"it isn't sized as it should be", "siren explain pool "+q.Name+
					"; docs/runbook.md says what each reason wants"))
		}
	}
	return found
}

// judgeMissing says what it means that jobs are recorded whose messages the broker doesn't have.
func judgeMissing(f facts) (found []doctor.Finding) {
	const check = doctor.Check("fleet.missing")
	if f.missing > 0 {
		var each []string
		for _, lane := range slices.Sorted(maps.Keys(f.missingIn)) {
			each = append(each, fmt.Sprintf("%d of lane %s", f.missingIn[lane], lane))
		}
		found = append(found, check.Warning(are(f.missing, "job")+" missing: "+strings.Join(each, ", "),
			"they were recorded as queued, and their messages aren't in the broker: a producer was killed before it "+
				"published "+
				"them, "+
				"or a queue was purged by hand",
			"siren jobs list --state missing shows them; siren jobs retry ID … publishes them again; "+
				"those that nobody wants expire by themselves"))
	}
	if f.snapshot == nil {
		return found
	}
	for _, l := range f.snapshot.Lanes {
		if l.Excess > 0 {
			found = append(found, check.Note(
				fmt.Sprintf("lane %s: at least %s recorded as queued beyond what its queue has", l.Name,
					are(l.Excess, "job")),
				"their messages may be lost, or in somebody's hands for five minutes and longer",
				"wait until its queue has been empty for a while: they are found missing then; siren explain lane "+
					l.Name))
		}
	}
	return found
}
