package broker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/rabbit/probe"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

const checkQueues = doctor.Check("broker.queues")

// judgeQueues says whether all queues are there, and how many of them are the same as the policy asks for, as a
// scaler's user may tell.
func judgeQueues(all, same int, missing []string, scaler bool) []doctor.Finding {
	switch {
	case len(missing) == all:
		return []doctor.Finding{checkQueues.Warning("none of Siren's queues is declared on this broker and vhost",
			"jobs can't be enqueued before a scaler has declared them",
			"start `siren scaler` (or `siren up`), or name the right vhost in the URL")}
	case len(missing) > 0:
		return []doctor.Finding{checkQueues.Error("not declared: "+strings.Join(missing, ", "),
			"jobs for them are refused or go to the default lane, and lanes without a queue count as stale",
			"a running scaler declares them within seconds; its log says why it doesn't")}
	case same == all:
		return []doctor.Finding{checkQueues.OK(fmt.Sprintf("all %d queues are declared as the policy asks for them",
			all))}
	case !scaler:
		return []doctor.Finding{checkQueues.Note(
			fmt.Sprintf("the arguments of the %d queues weren't compared with the policy: only a scaler's user may",
				all),
			"a queue with other arguments can't serve its lane as the policy says",
			"run `siren doctor --role scaler` with the scaler's URL")}
	}
	return nil // each that differs has been named
}

// judgeAway says that a queue is there, and its leader or its node isn't.
func judgeAway(queue string, err error) doctor.Finding {
	const look = "rabbitmqctl cluster_status says which node is missing: start it, or its network; "
	if errors.Is(err, rabbitlink.ErrDown) {
		return checkQueues.Error(fmt.Sprintf("queue %q is declared, and away with its node: %v", queue, err),
			"what waits in it waits for that node: a classic queue is on one node alone. New jobs of its lane go to "+
				"the default lane meanwhile", look+"a lane that has to go on without a node needs a quorum queue "+
				"(siren lanes migrate LANE --to quorum)")
	}
	return checkQueues.Error(fmt.Sprintf("queue %q doesn't answer: %v", queue, err),
		"nobody knows what is in it, and its jobs wait; the other lanes are served",
		look+"of a quorum queue, rabbitmq-queues quorum_status "+queue+"; of a classic one, rabbitmq-diagnostics "+
			"list_unresponsive_queues")
}

// judgeDoubtful says of which queues it isn't known that they are empty.
func judgeDoubtful(queues []string) doctor.Finding {
	return doctor.Check("broker.empty").Note(
		fmt.Sprintf("whether they are empty isn't known of %s: they say 0 jobs and 0 consumers",
			doctor.Few(queues, 10)),
		"a quorum queue whose leader is away says so, too; only taking a job out of it would tell, and doctor takes "+
			"none",
		"--management-url tells; or rabbitmq-queues quorum_status QUEUE, which names its leader")
}

// judgeDepths says what the queues' numbers mean.
func judgeDepths(all []probe.Wanted, depths map[string]fleet.Depth) (found []doctor.Finding) {
	const (
		check = doctor.Check("broker.delays")
		start = "start `siren scaler`; if one runs, its log says why it can't forward"
	)
	waiting, idle, or := 0, []string{}, ""
	for _, w := range all {
		d, there := depths[w.Name]
		if !there || !strings.HasPrefix(w.Name, topology.DelayPrefix) {
			continue
		}
		waiting += d.Ready
		if d.Consumers == 0 {
			idle = append(idle, w.Name)
		}
		if doubted(w.Type, d) {
			or = ", or its leader is away"
		}
	}
	switch {
	case len(idle) > 0 && waiting > 0:
		found = append(found, check.Error(
			fmt.Sprintf("%s for the next attempt, and nobody forwards from %s%s", waitingJobs(waiting),
				strings.Join(idle, ", "), or),
			"failed jobs are never retried while no scaler runs", start))
	case len(idle) > 0:
		found = append(found, check.Warning("nobody forwards from "+strings.Join(idle, ", ")+or,
			"a job that fails is never retried while no scaler runs", start))
	case len(depths) > 0:
		found = append(found, check.OK(
			fmt.Sprintf("the delay queues are served; %s there behind those that the forwarder keeps",
				waitingJobs(waiting))))
	}
	if d := depths[topology.DeadQueue]; d.Ready > 0 {
		found = append(found, doctor.Check("broker.dead").Note(fmt.Sprintf("%s %s in %s",
			say.Plural(d.Ready, "dead letter"), say.Verb(d.Ready, "lies", "lie"), topology.DeadQueue),
			"these jobs have failed for good, and stay until somebody looks at them", "siren dead"))
	}
	return found
}

// judgeLeftover says what becomes of a queue that the policy doesn't ask for any more, by its depth; current: its lane
// has another one now. Nobody is told to delete one that may have jobs.
func judgeLeftover(q lanes.Queue, d fleet.Depth, current bool) doctor.Finding {
	const check = doctor.Check("broker.leftovers")
	name := topology.QueueName(q)
	what := fmt.Sprintf("queue %s is of a lane, or a type, that the policy doesn't have any more", name)
	if doubted(q.Type, d) {
		asks := "siren lanes move " + q.Lane + " LANE"
		if current {
			asks = "siren lanes migrate " + q.Lane + " --to classic"
		}
		return check.Note(what+"; whether it is empty isn't known: it says 0 jobs and 0 consumers",
			"a quorum queue whose leader is away says so, too",
			asks+" asks its leader: it says that nothing was moved only where nothing is; docs/rabbitmq.md says what "+
				"then may be done")
	}
	if d.Ready > 0 {
		return check.Note(fmt.Sprintf("%s, and %s in it", what, waitingJobs(d.Ready)),
			"workers serve it until it is empty: before the lane's own queue, or last where the lane has left the "+
				"policy",
			"nothing while it shrinks; `siren lanes migrate` and `siren lanes move` empty it at once")
	}
	fix := "once no job runs that came from it: rabbitmqctl delete_queue --if-empty --if-unused " + name
	if q.Type == lanes.Quorum { // quorum queues don't know the flags
		fix = "once no job runs that came from it, and it still is empty: rabbitmqctl delete_queue " + name
	}
	return check.Note(what+"; it is empty", "nothing deletes a queue by itself; an empty one costs little", fix)
}

// waitingJobs says how many jobs wait.
func waitingJobs(n int) string { return say.Plural(n, "job") + " " + say.Verb(n, "waits", "wait") }
