package broker_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/doctor/broker"
	"github.com/polyglot-media/siren/internal/doctor/doctortest"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/role"
)

// examined returns what Examine finds with the policy of the tests and a user, "" for the one that may do everything.
func examined(t *testing.T, user string, p *lanes.Policy, roles ...string) doctortest.Findings {
	t.Helper()
	u, err := url.Parse(rabbittest.Server(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		u.User = url.UserPassword(user, "secret")
	}
	return broker.Examine(rabbittest.Soon(t), broker.Examination{
		Dial: func(name string) (*rabbitlink.Conn, error) {
			return rabbitlink.Open(rabbitlink.Options{URL: u.String(), Name: name})
		},
		Policy: p, Known: rabbittest.Queues("express", "old"), Roles: roles,
	})
}

func TestExamineHealthyBroker(t *testing.T) {
	p := rabbittest.Declared(t)
	before := p.Depths()
	all := examined(t, "", rabbittest.Policy(t), role.All()...)
	all.WellFormed(t)
	for _, role := range role.All() {
		all.Want(t, "broker.rights."+role, doctor.OK, "may do what a")
	}
	all.Want(t, "broker.alarm", doctor.OK, "no alarm")
	all.Want(t, "broker.queues", doctor.OK, "all 11 queues are declared")
	all.Want(t, "broker.exchanges", doctor.OK, "siren.jobs")
	all.Want(t, "broker.delays", doctor.Warning, "nobody forwards") // no scaler runs in this test
	if worst := doctor.Worst(slices.DeleteFunc(all, func(f doctor.Finding) bool {
		return f.Check == "broker.delays"
	})); worst > doctor.Note {
		t.Errorf("the worst is %s: %+v", worst, all)
	}
	if after := p.Depths(); after != before {
		t.Errorf("the queues have changed: %s, then %s", before, after)
	}
}

func TestExamineUserWithoutRights(t *testing.T) {
	rabbittest.Declared(t)
	rabbittest.User(t, "nobody", `^$`, `^$`, `^$`)
	all := examined(t, "nobody", rabbittest.Policy(t), append(role.All(), role.Gateway)...)
	all.WellFormed(t)
	all.Want(t, "broker.rights.worker", doctor.Error, "publish to exchange amq.default")
	all.Want(t, "broker.rights.worker", doctor.Error, "read siren.lane.…")
	all.Want(t, "broker.rights.worker", doctor.Error, "(for all roles at once)")
	all.Want(t, "broker.rights.producer", doctor.Error, "publish to exchange siren.jobs")
	all.Want(t, "broker.rights.scaler", doctor.Error, "declare")
	all.Want(t, "broker.rights.gateway", doctor.Error, "publish to exchange siren.jobs")
	all.Want(t, "broker.rights.gateway", doctor.Error, "read siren.lane.…")
	all.Want(t, "broker.rights.gateway", doctor.Error, "read siren.dead")

	// Any of the fixes is enough for all of the roles.
	fix, _, _ := strings.Cut(all.Of("broker.rights.producer")[0].Fix, " (")
	args := strings.Fields(strings.ReplaceAll(strings.TrimPrefix(fix, "rabbitmqctl "), "'", ""))
	if _, err := rabbittest.Server(t).Rabbitmqctl(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
	granted := examined(t, "nobody", rabbittest.Policy(t), role.All()...)
	for _, role := range role.All() {
		granted.Want(t, "broker.rights."+role, doctor.OK, "may do what a "+role+" does")
	}
}

// The permissions that the fixes name are enough, and each role is content with its own.
func TestExamineNamesTheRightsNeeded(t *testing.T) {
	for _, role := range append(role.All(), role.Gateway) {
		t.Run(role, func(t *testing.T) {
			rabbittest.Declared(t)
			rabbittest.User(t, role, `^$`, `^$`, `^$`)
			refused := examined(t, role, rabbittest.Policy(t), role).Of("broker.rights." + role)
			if len(refused) != 1 || refused[0].Severity != doctor.Error {
				t.Fatalf("without rights: %+v", refused)
			}
			args := strings.Fields(strings.ReplaceAll(strings.TrimPrefix(refused[0].Fix, "rabbitmqctl "), "'", ""))
			if _, err := rabbittest.Server(t).Rabbitmqctl(t.Context(), args...); err != nil {
				t.Fatal(err)
			}
			granted := examined(t, role, rabbittest.Policy(t), role)
			granted.Want(t, "broker.rights."+role, doctor.OK, "may do what a "+role+" does")
			if worst := doctor.Worst(slices.DeleteFunc(granted, func(f doctor.Finding) bool {
				return f.Check == "broker.delays"
			})); worst > doctor.Note {
				t.Errorf("the worst is %s: %+v", worst, granted)
			}
		})
	}
}

func TestExamineWrongQueues(t *testing.T) {
	rabbittest.Only(t, lanes.Classic) // it makes queues by their names
	p := rabbittest.Declared(t)
	p.Delete("siren.lane.standard")
	p.Delete("siren.lane.bulk")
	_, err := p.Ch.QueueDeclare("siren.lane.standard", true, false, false, false, amqp.Table{
		"x-max-priority": int32(5), "x-queue-type": "classic", "x-dead-letter-exchange": "",
		"x-dead-letter-routing-key": "siren.dead",
	})
	p.Must(err)
	_, err = p.Ch.QueueDeclare("siren.lane.old", true, false, false, false, nil)
	p.Must(err)
	p.Must(p.Ch.PublishWithContext(t.Context(), "", "siren.lane.old", false, false,
		amqp.Publishing{Body: []byte("{}")}))
	p.Must(p.Ch.PublishWithContext(t.Context(), "", "siren.delay.5s", false, false,
		amqp.Publishing{Body: []byte("{}")}))
	p.Must(p.Ch.PublishWithContext(t.Context(), "", "siren.dead", false, false, amqp.Publishing{Body: []byte("{}")}))
	all := examined(t, "", rabbittest.Policy(t), role.Scaler)
	all.WellFormed(t)
	all.Want(t, "broker.queues", doctor.Warning,
		`queue "siren.lane.standard" exists with x-max-priority 5, but the policy asks for 9`)
	all.Want(t, "broker.queues", doctor.Warning, "`siren lanes migrate standard --to …` to the other queue type, "+
		"and delete siren.lane.standard")
	all.Want(t, "broker.queues", doctor.Error, "not declared: siren.lane.bulk")
	all.Want(t, "broker.leftovers", doctor.Note, "siren.lane.old is of a lane, or a type, that the policy doesn't "+
		"have any more, and 1 job waits")
	all.Want(t, "broker.delays", doctor.Error, "1 job waits for the next attempt, and nobody forwards")
	all.Want(t, "broker.dead", doctor.Note, "1 dead letter lies")
}

// Queues that hold jobs, and whose leaders are away: nobody says that they are empty, or that they be deleted.
func TestExamineSilentQueues(t *testing.T) {
	for _, kind := range []string{lanes.Classic, lanes.Quorum} {
		t.Run(kind, func(t *testing.T) {
			rabbittest.Only(t, kind)
			p := rabbittest.Declared(t)
			rabbittest.Declare(t, rabbittest.Policy(t), "old")
			rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "express", "1")
			p.Must(p.Ch.PublishWithContext(t.Context(), "", rabbittest.Actual("siren.lane.old"), false, false,
				amqp.Publishing{}))
			rabbittest.Until(t, "both wait", func() bool {
				return p.Ready("siren.lane.old") == 1 && p.Ready("siren.lane.express") == 1
			})
			rabbittest.Suspend(t, "siren.lane.express")
			rabbittest.Suspend(t, "siren.lane.old")
			all := examined(t, "", rabbittest.Policy(t), role.All()...)
			all.WellFormed(t)
			if kind == lanes.Classic {
				for _, lane := range []string{"express", "old"} {
					all.Want(t, "broker.queues", doctor.Error, `queue "siren.lane.`+lane+`" doesn't answer`)
				}
			} else {
				all.Want(t, "broker.empty", doctor.Note, "siren.lane.express.quorum")
				all.Want(t, "broker.leftovers", doctor.Note, "siren.lane.old.quorum is of a lane, or a type, that the "+
					"policy doesn't have any more; whether it is empty isn't known")
			}
			for _, f := range all {
				if strings.Contains(f.Fix, "delete_queue") || strings.Contains(f.What, "; it is empty") {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// A queue whose node is down isn't one that was never declared.
func TestExamineAQueueThatIsDown(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	rabbittest.Declared(t)
	rabbittest.Down(t, "siren.lane.express")
	all := examined(t, "", rabbittest.Policy(t), role.All()...)
	all.WellFormed(t)
	all.Want(t, "broker.queues", doctor.Error, `queue "siren.lane.express" is declared, and away with its node`)
	for _, f := range all {
		if strings.Contains(f.What, "not declared") {
			t.Errorf("%+v", f)
		}
	}
}

func TestExamineUndeclaredBroker(t *testing.T) {
	rabbittest.Fresh(t)
	all := examined(t, "", rabbittest.Policy(t), role.All()...)
	all.WellFormed(t)
	all.Want(t, "broker.queues", doctor.Warning, "none of Siren's queues is declared")
	all.Want(t, "broker.exchanges", doctor.Warning, `exchange "siren.jobs" is not declared`)
	all.Want(t, "broker.rights.producer", doctor.OK, "may do")
	if left := rabbittest.NewProbe(t, rabbittest.Server(t).URL).Depths(); strings.Contains(left, "siren.") {
		t.Errorf("the examination has declared:\n%s", left)
	}
	without := examined(t, "", nil, role.All()...)
	without.WellFormed(t)
	without.Want(t, "broker.queues", doctor.Note, "--policy FILE")
}

func TestExamineUnderAlarm(t *testing.T) {
	rabbittest.Declared(t)
	s := rabbittest.Server(t)
	for set, eval := range map[string]string{
		"set":   `rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []}).`,
		"clear": `rabbit_alarm:clear_alarm({resource_limit, memory, node()}).`,
	} {
		if set == "clear" {
			t.Cleanup(func() { _, _ = s.Rabbitmqctl(context.Background(), "eval", eval) })
			continue
		}
		if _, err := s.Rabbitmqctl(t.Context(), "eval", eval); err != nil {
			t.Fatal(err)
		}
	}
	all := examined(t, "", rabbittest.Policy(t), role.All()...)
	all.WellFormed(t)
	all.Want(t, "broker.alarm", doctor.Error, "the broker accepts no jobs: alarm: low on memory")
	all.Want(t, "broker.queues", doctor.OK, "all 11 queues")
}

// Of several addresses one is away: that is said, and all else is found out at the other.
func TestExamineSeveralAddresses(t *testing.T) {
	rabbittest.Declared(t)
	ways := []*rabbittest.Proxy{
		rabbittest.NewProxy(t, rabbittest.Server(t).URL), rabbittest.NewProxy(t, rabbittest.Server(t).URL),
	}
	examined := func() doctortest.Findings {
		return broker.Examine(rabbittest.Soon(t), broker.Examination{
			Dial: func(name string) (*rabbitlink.Conn, error) {
				return rabbitlink.Open(rabbitlink.Options{URL: ways[0].URL + "," + ways[1].URL, Name: name})
			},
			Roles: role.All(),
		})
	}
	examined().Want(t, "broker.addresses", doctor.OK, "all 2 addresses let us in: 127.0.0.1:")
	ways[0].Refuse(true)
	all := examined()
	all.WellFormed(t)
	away, err := url.Parse(ways[0].URL)
	if err != nil {
		t.Fatal("parse the URL of the test's proxy")
	}
	all.Want(t, "broker.addresses", doctor.Warning, "1 of 2 addresses don't let us in: "+away.Host)
	all.Want(t, "broker.alarm", doctor.OK, "no alarm")
}

func TestExamineUnreachable(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all := doctortest.Findings(broker.Examine(ctx, broker.Examination{
		Dial: func(name string) (*rabbitlink.Conn, error) {
			return rabbitlink.Open(rabbitlink.Options{URL: "amqp://siren:secret@127.0.0.1:1/", Name: name})
		},
		Roles: role.All(),
	}))
	all.WellFormed(t)
	if len(all) != 1 || all[0].Check != "broker.reachable" || all[0].Severity != doctor.Error {
		t.Errorf("%+v", all)
	}
}
