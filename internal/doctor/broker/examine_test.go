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
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/lanes"
)

// examined is what Examine finds with the policy of the tests and a user, "" the one that may do everything.
func examined(t *testing.T, user string, p *lanes.Policy, roles ...string) findings {
	t.Helper()
	u, err := url.Parse(rabbittest.Server(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		u.User = url.UserPassword(user, "secret")
	}
	return broker.Examine(rabbittest.Soon(t), broker.Examination{
		Dial: func(name string) (*rabbit.Conn, error) {
			return rabbit.Open(rabbit.Options{URL: u.String(), Name: name})
		},
		Policy: p, Known: rabbittest.Queues("express", "old"), Roles: roles,
	})
}

type findings []doctor.Finding

// of is the findings of a check.
func (all findings) of(check string) (found findings) {
	for _, f := range all {
		if f.Check == check {
			found = append(found, f)
		}
	}
	return found
}

// want fails the test unless a finding of the check has that severity and says the text, and has what a person needs.
func (all findings) want(t *testing.T, check string, severity doctor.Severity, says string) {
	t.Helper()
	for _, f := range all.of(check) {
		if f.Severity == severity && strings.Contains(f.What+"\n"+f.Why+"\n"+f.Mend, says) {
			return
		}
	}
	t.Errorf("no finding %s (%s) says %q:\n%+v", check, severity, says, all.of(check))
}

// wellFormed: whatever isn't as it should be says why it matters and what to do, and nothing shows a password.
func (all findings) wellFormed(t *testing.T) {
	t.Helper()
	for _, f := range all {
		if f.What == "" || f.Severity > doctor.OK && (f.Why == "" || f.Mend == "") {
			t.Errorf("incomplete: %+v", f)
		}
		if strings.Contains(f.What+f.Why+f.Mend, "secret") {
			t.Errorf("shows a password: %+v", f)
		}
	}
}

func TestExamineHealthyBroker(t *testing.T) {
	p := rabbittest.Declared(t)
	before := p.Depths()
	all := examined(t, "", rabbittest.Policy(t), lanes.Roles()...)
	all.wellFormed(t)
	for _, role := range lanes.Roles() {
		all.want(t, "broker.rights."+role, doctor.OK, "may do what a")
	}
	all.want(t, "broker.alarm", doctor.OK, "no alarm")
	all.want(t, "broker.queues", doctor.OK, "all 11 queues are declared")
	all.want(t, "broker.exchanges", doctor.OK, "siren.jobs")
	all.want(t, "broker.delays", doctor.Warning, "nobody forwards") // no scaler runs in this test
	if worst := doctor.Worst(slices.DeleteFunc(all, func(f doctor.Finding) bool { return f.Check == "broker.delays" })); worst > doctor.Note {
		t.Errorf("the worst is %s: %+v", worst, all)
	}
	if after := p.Depths(); after != before {
		t.Errorf("the queues have changed: %s, then %s", before, after)
	}
}

func TestExamineUserWithoutRights(t *testing.T) {
	rabbittest.Declared(t)
	rabbittest.User(t, "nobody", `^$`, `^$`, `^$`)
	all := examined(t, "nobody", rabbittest.Policy(t), lanes.Roles()...)
	all.wellFormed(t)
	all.want(t, "broker.rights.worker", doctor.Error, "publish to exchange amq.default")
	all.want(t, "broker.rights.worker", doctor.Error, "read siren.lane.…")
	all.want(t, "broker.rights.worker", doctor.Error, "(for all roles at once)")
	all.want(t, "broker.rights.producer", doctor.Error, "publish to exchange siren.jobs")
	all.want(t, "broker.rights.scaler", doctor.Error, "declare")

	// Any of the mends is enough for all of the roles.
	mend, _, _ := strings.Cut(all.of("broker.rights.producer")[0].Mend, " (")
	args := strings.Fields(strings.ReplaceAll(strings.TrimPrefix(mend, "rabbitmqctl "), "'", ""))
	if _, err := rabbittest.Server(t).Rabbitmqctl(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
	granted := examined(t, "nobody", rabbittest.Policy(t), lanes.Roles()...)
	for _, role := range lanes.Roles() {
		granted.want(t, "broker.rights."+role, doctor.OK, "may do what a "+role+" does")
	}
}

// The permissions that the mends name are enough, and each role is content with its own.
func TestExamineNamesTheRightsNeeded(t *testing.T) {
	for _, role := range lanes.Roles() {
		t.Run(role, func(t *testing.T) {
			rabbittest.Declared(t)
			rabbittest.User(t, role, `^$`, `^$`, `^$`)
			refused := examined(t, role, rabbittest.Policy(t), role).of("broker.rights." + role)
			if len(refused) != 1 || refused[0].Severity != doctor.Error {
				t.Fatalf("without rights: %+v", refused)
			}
			args := strings.Fields(strings.ReplaceAll(strings.TrimPrefix(refused[0].Mend, "rabbitmqctl "), "'", ""))
			if _, err := rabbittest.Server(t).Rabbitmqctl(t.Context(), args...); err != nil {
				t.Fatal(err)
			}
			granted := examined(t, role, rabbittest.Policy(t), role)
			granted.want(t, "broker.rights."+role, doctor.OK, "may do what a "+role+" does")
			if worst := doctor.Worst(slices.DeleteFunc(granted, func(f doctor.Finding) bool { return f.Check == "broker.delays" })); worst > doctor.Note {
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
		"x-max-priority": int32(5), "x-queue-type": "classic", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "siren.dead",
	})
	p.Must(err)
	_, err = p.Ch.QueueDeclare("siren.lane.old", true, false, false, false, nil)
	p.Must(err)
	p.Must(p.Ch.PublishWithContext(t.Context(), "", "siren.lane.old", false, false, amqp.Publishing{Body: []byte("{}")}))
	p.Must(p.Ch.PublishWithContext(t.Context(), "", "siren.delay.5s", false, false, amqp.Publishing{Body: []byte("{}")}))
	p.Must(p.Ch.PublishWithContext(t.Context(), "", "siren.dead", false, false, amqp.Publishing{Body: []byte("{}")}))
	all := examined(t, "", rabbittest.Policy(t), lanes.ScalerRole)
	all.wellFormed(t)
	all.want(t, "broker.queues", doctor.Warning, `queue "siren.lane.standard" exists with x-max-priority 5, but the policy asks for 9`)
	all.want(t, "broker.queues", doctor.Warning, "`siren lanes migrate standard --to …` to the other queue type, and delete siren.lane.standard")
	all.want(t, "broker.queues", doctor.Error, "not declared: siren.lane.bulk")
	all.want(t, "broker.leftovers", doctor.Note, "siren.lane.old is of a lane, or a type, that the policy doesn't have any more, and 1 jobs wait")
	all.want(t, "broker.delays", doctor.Error, "1 jobs wait for their next attempt, and nobody forwards")
	all.want(t, "broker.dead", doctor.Note, "1 dead letters")
}

func TestExamineUndeclaredBroker(t *testing.T) {
	rabbittest.Fresh(t)
	all := examined(t, "", rabbittest.Policy(t), lanes.Roles()...)
	all.wellFormed(t)
	all.want(t, "broker.queues", doctor.Warning, "none of Siren's queues is declared")
	all.want(t, "broker.exchanges", doctor.Warning, `exchange "siren.jobs" is not declared`)
	all.want(t, "broker.rights.producer", doctor.OK, "may do")
	if left := rabbittest.NewProbe(t, rabbittest.Server(t).URL).Depths(); strings.Contains(left, "siren.") {
		t.Errorf("the examination has declared:\n%s", left)
	}
	without := examined(t, "", nil, lanes.Roles()...)
	without.wellFormed(t)
	without.want(t, "broker.queues", doctor.Note, "--policy FILE")
}

func TestExamineUnderAlarm(t *testing.T) {
	rabbittest.Declared(t)
	s := rabbittest.Server(t)
	for set, eval := range map[string]string{"set": `rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []}).`, "clear": `rabbit_alarm:clear_alarm({resource_limit, memory, node()}).`} {
		if set == "clear" {
			t.Cleanup(func() { _, _ = s.Rabbitmqctl(context.Background(), "eval", eval) })
			continue
		}
		if _, err := s.Rabbitmqctl(t.Context(), "eval", eval); err != nil {
			t.Fatal(err)
		}
	}
	all := examined(t, "", rabbittest.Policy(t), lanes.Roles()...)
	all.wellFormed(t)
	all.want(t, "broker.alarm", doctor.Error, "the broker accepts no jobs: alarm: low on memory")
	all.want(t, "broker.queues", doctor.OK, "all 11 queues")
}

func TestExamineUnreachable(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all := findings(broker.Examine(ctx, broker.Examination{
		Dial: func(name string) (*rabbit.Conn, error) {
			return rabbit.Open(rabbit.Options{URL: "amqp://siren:secret@127.0.0.1:1/", Name: name})
		},
		Roles: lanes.Roles(),
	}))
	all.wellFormed(t)
	if len(all) != 1 || all[0].Check != "broker.reachable" || all[0].Severity != doctor.Error {
		t.Errorf("%+v", all)
	}
}
