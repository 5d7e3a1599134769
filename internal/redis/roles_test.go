package redis_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/doctor/database"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
)

// roleSteps is all that the processes of each role, and people, do with this package, in an order in which each finds what it needs.
// What is added to the code of a role is added here. A step of no role prepares something.
var roleSteps = []struct {
	role string
	does func(t *testing.T, s *redis.Store)
}{
	{lanes.ScalerRole, func(t *testing.T, s *redis.Store) {
		ctx, b := t.Context(), redis.NewBoard(s, discard)
		_, err := b.PublishPolicy(ctx, lanes.Effective{Policy: *testPolicy()})
		must(t, err)
		_, err = b.Policy(ctx)
		must(t, err)
		_, err = b.KnownQueues(ctx, lanes.ParseQueue("bulk"))
		must(t, err)
		must(t, b.PutSnapshot(ctx, lanes.Snapshot{}))
		_, err = b.Snapshot(ctx) // of the leader before it
		must(t, err)
		must(t, b.Record(ctx, lanes.Plan{Pool: "general"}))
		_, err = b.Lead(ctx, "me", time.Minute)
		must(t, err)
		must(t, b.Resign(ctx, "me"))
	}},
	{lanes.ProducerRole, func(t *testing.T, s *redis.Store) {
		ctx, l := t.Context(), ledgerOn(s)
		s.FollowClock(ctx)
		_, err := redis.NewBoard(s, discard).Policy(ctx)
		must(t, err)
		var jobs []lanes.Delivery
		for _, id := range []string{"done", "retried", "died", "cancelled", "withdrawn", "queued", "lost"} {
			d := delivery(id, "bulk")
			d.Job.DedupKey = id
			if id == "queued" {
				d.Job.Priority = 3
			}
			jobs = append(jobs, d)
		}
		_, err = l.Reserve(ctx, []lanes.Job{jobs[0].Job, jobs[4].Job})
		must(t, err)
		_, err = l.CreateAll(ctx, jobs)
		must(t, err)
		_, err = l.CreateAll(ctx, jobs[5:]) // once more
		must(t, err)
		_, err = l.Reserve(ctx, []lanes.Job{jobs[6].Job})
		must(t, err)
		must(t, l.KeepKeys(ctx, []lanes.Job{jobs[0].Job, jobs[6].Job}))
		must(t, l.ReleaseKey(ctx, jobs[4].Job))
		must(t, l.Withdraw(ctx, "withdrawn"))
		get(t, l, "done")
		_, _ = l.Log(ctx, "done")
		_, _ = l.Find(ctx, "malformed")
		watchOne(t, l, "done")
	}},
	{lanes.ScalerRole, loseJob},
	{lanes.ProducerRole, func(t *testing.T, s *redis.Store) {
		_, err := ledgerOn(s).CreateAll(t.Context(), []lanes.Delivery{delivery("lost", "bulk")}) // it is missing
		must(t, err)
	}},
	{lanes.ScalerRole, loseJob},
	{lanes.WorkerRole, func(t *testing.T, s *redis.Store) {
		ctx, l, r := t.Context(), ledgerOn(s), redis.NewRoster(s, discard)
		must(t, l.Close(ctx, claim(t, l, delivery("lost", "bulk"), "w", lanes.Granted), lanes.Outcome{State: lanes.Queued})) // it turned up
		urgent := delivery("queued", "bulk")
		urgent.Job.Priority = 2
		must(t, l.Lower(ctx, []lanes.Delivery{urgent}))
		copied := delivery("queued", "bulk")
		copied.Replay = 1
		claim(t, l, copied, "w", lanes.Granted) // faster than the ledger hears of it
		claim(t, l, delivery("queued", "bulk"), "w", lanes.Settled)
		s.FollowClock(ctx)
		_, err := r.Beat(ctx, lanes.Heartbeat{Worker: "w"})
		must(t, err)
		c := claim(t, l, delivery("done", "bulk"), "w", lanes.Granted)
		must(t, l.Renew(ctx, c, lanes.Progress{Fraction: 0.5}))
		must(t, l.Close(ctx, c, lanes.Outcome{State: lanes.Completed}))
		must(t, l.KeepLog(ctx, "done", "said"))
		retry := lanes.Outcome{State: lanes.Retrying, NextAt: time.Now().Add(-time.Minute)}
		must(t, l.Close(ctx, claim(t, l, delivery("retried", "bulk"), "w", lanes.Granted), retry))
		must(t, l.Close(ctx, claim(t, l, delivery("retried", "bulk"), "w", lanes.Granted), retry))
		dead := lanes.Outcome{State: lanes.Dead}
		must(t, l.Close(ctx, claim(t, l, delivery("died", "bulk"), "w", lanes.Granted), dead))
		again := delivery("died", "bulk")
		again.Replay = 1
		must(t, l.Close(ctx, claim(t, l, again, "w", lanes.Granted), dead))
		claim(t, l, delivery("cancelled", "bulk"), "w", lanes.Granted)
		malformed := delivery("malformed-1", "bulk")
		malformed.Bears = "malformed"
		claim(t, l, malformed, "w", lanes.Granted)
		unheard := lanes.Claim{State: lanes.Unclaimed, JobID: "unheard", Attempts: 1}
		must(t, l.Close(ctx, unheard, lanes.Outcome{State: lanes.Completed})) // makes the record
		must(t, r.Leave(ctx, "w"))
		_, err = r.Beat(ctx, lanes.Heartbeat{Worker: "w"})
		must(t, err)
	}},
	{lanes.ScalerRole, loseJob},
	{lanes.OperatorRole, func(t *testing.T, s *redis.Store) {
		ctx, l, b, tunings := t.Context(), ledgerOn(s), redis.NewBoard(s, discard), redis.NewTunings(s, discard)
		_, err := b.Policy(ctx)
		must(t, err)
		_, err = b.Snapshot(ctx)
		must(t, err)
		_, err = b.Plans(ctx, "", time.Time{}, 10)
		must(t, err)
		_, err = b.KnownQueues(ctx)
		must(t, err)
		plans, stop := context.WithTimeout(ctx, 700*time.Millisecond) // it looks twice a second
		defer stop()
		for range b.FollowPlans(plans, "") { //nolint:revive // none comes
		}
		asked, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_, _ = b.Ask(asked, lanes.WhatIf{}) // nobody answers
		seen, _, err := tunings.Now(ctx)
		must(t, err)
		tuning := lanes.Tuning{Field: "lanes.bulk.paused", Value: []byte("true")}
		note := lanes.AuditEntry{By: "somebody else", Verb: "tune", On: "lanes.bulk"}
		rev, err := tunings.Change(ctx, seen.Revision, []lanes.Tuning{tuning}, nil, []lanes.AuditEntry{note})
		must(t, err)
		_, err = tunings.Change(ctx, rev, nil, []string{tuning.Field}, nil)
		must(t, err)
		must(t, tunings.MayNote(ctx))
		must(t, tunings.Note(ctx, note))
		entries, err := tunings.Audit(ctx, time.Time{}, 10)
		must(t, err)
		for _, e := range entries {
			if e.Login != redis.User(lanes.OperatorRole) || e.By != "somebody else" {
				t.Errorf("an audit entry says %+v, not with which login", e)
			}
		}
		_, _, err = redis.NewRoster(s, discard).Workers(ctx)
		must(t, err)
		must(t, redis.NewRoster(s, discard).Leave(ctx, "silent")) // as Workers has those leave that were silent for long
		for _, f := range []redis.Filter{{}, {State: lanes.Dead}} {
			f.Limit, f.Until = 1, time.Now().Add(time.Minute)
			page, err := l.List(ctx, f)
			must(t, err)
			if f.Until, f.After = (time.Time{}), page.Next; f.After == "" {
				f.After = "1/x"
			}
			_, err = l.List(ctx, f)
			must(t, err)
		}
		for _, state := range []lanes.State{"", lanes.Dead} {
			for _, err := range l.Each(ctx, redis.Filter{State: state, OldestFirst: true}) {
				must(t, err)
			}
		}
		_, err = l.CountDead(ctx)
		must(t, err)
		_, _, err = l.CountMissing(ctx)
		must(t, err)
		_, err = l.Cancel(ctx, "lost")
		must(t, err)
		must(t, l.Gone(ctx, "bulk", []lanes.Delivery{delivery("lost", "bulk")}))
		_, err = l.Retrying(ctx, []string{"bulk"})
		must(t, err)
		_, err = l.Ahead(ctx, "queued", time.Time{})
		must(t, err)
		_, _ = l.Log(ctx, "done")
		_, _ = l.Find(ctx, "malformed")
		watchOne(t, l, "done")
		_, err = l.Supersede(ctx, redis.Supersede{ID: "died", Lane: "bulk", Replay: 2, From: []lanes.State{lanes.Dead}})
		must(t, err)
		_, err = l.Supersede(ctx, redis.Supersede{ID: "retried", Lane: "bulk", Replay: 1, From: []lanes.State{lanes.Retrying}})
		must(t, err)
		_, err = l.Cancel(ctx, "cancelled")
		must(t, err)
		d := delivery("mine", "bulk")
		d.Job.DedupKey = "mine"
		_, err = l.Reserve(ctx, []lanes.Job{d.Job})
		must(t, err)
		_, err = l.CreateAll(ctx, []lanes.Delivery{d})
		must(t, err)
		must(t, l.ReleaseKey(ctx, d.Job))
		must(t, l.Withdraw(ctx, "mine"))
	}},
	{lanes.WorkerRole, func(t *testing.T, s *redis.Store) {
		again := delivery("died", "bulk")
		again.Replay = 2
		l := ledgerOn(s)
		must(t, l.Close(t.Context(), claim(t, l, again, "w", lanes.Granted), lanes.Outcome{State: lanes.Dead}))
	}},
	{lanes.OperatorRole, func(t *testing.T, s *redis.Store) { must(t, ledgerOn(s).Discard(t.Context(), "died", 2)) }},
	{"", func(t *testing.T, s *redis.Store) { // entries of records that have expired, and a record of a version without an index
		for _, key := range []string{"siren:jobs", "siren:dead", "siren:retrying:bulk", "siren:queued:bulk", "siren:missing"} {
			must(t, s.Client().ZAdd(t.Context(), key, goredis.Z{Score: 1, Member: "gone"}).Err())
		}
		must(t, s.Client().HSet(t.Context(), "siren:job:old", "state", "queued", "lane", "bulk").Err())
		must(t, s.Client().ZAdd(t.Context(), "siren:jobs", goredis.Z{Score: 1, Member: "old"}).Err())
	}},
	{lanes.ScalerRole, func(t *testing.T, s *redis.Store) {
		ctx, b, tunings, r := t.Context(), redis.NewBoard(s, discard), redis.NewTunings(s, discard), redis.NewRoster(s, discard)
		_, _, err := r.Workers(ctx)
		must(t, err)
		must(t, r.Order(ctx, lanes.Plan{Park: []string{"w"}, Unpark: []string{"v"}, Retire: []string{"u"}}))
		must(t, r.Leave(ctx, "u")) // as Workers has those leave that were silent for long
		_, err = b.Questions(ctx)
		must(t, err)
		must(t, b.Answer(ctx, "question", lanes.Foresight{}))
		now, _, err := tunings.Now(ctx)
		must(t, err)
		_, err = tunings.Restore(ctx, lanes.Tunings{Revision: 1})
		must(t, err)
		rev, err := tunings.Change(ctx, now.Revision, nil, []string{"lanes.bulk.paused"}, []lanes.AuditEntry{{Verb: "expire"}})
		must(t, err)
		must(t, tunings.Note(ctx, lanes.AuditEntry{Verb: "restore", On: fmt.Sprint(rev)}))
		changed, end := context.WithCancel(ctx)
		<-tunings.Changed(changed)
		end()
		l := ledgerOn(s)
		l.SetPolicy(&lanes.Policy{Timing: lanes.Timing{Keep: lanes.Duration(time.Nanosecond)}})
		_, err = l.Retrying(ctx, []string{"bulk"})
		must(t, err)
		_, err = l.Waiting(ctx, map[string]time.Time{"bulk": time.Now().Add(-time.Hour)})
		must(t, err)
		_, err = l.Enlist(ctx)
		must(t, err)
		_, err = l.Compare(ctx, "bulk", time.Time{}, nil)
		must(t, err)
		_, err = l.Sweep(ctx)
		must(t, err)
	}},
}

// loseJob has the job that is called lost go missing.
func loseJob(t *testing.T, s *redis.Store) {
	n, err := ledgerOn(s).Compare(t.Context(), "bulk", time.Now().Add(time.Hour), map[string]bool{"queued": true, "done": true, "retried": true, "died": true, "cancelled": true})
	must(t, err)
	if n != 1 {
		t.Errorf("%d jobs are missing, want the one that is lost", n)
	}
}

func watchOne(t *testing.T, l *redis.Ledger, id string) {
	t.Helper()
	for _, err := range l.Watch(t.Context(), id) {
		must(t, err)
		break
	}
}

// A role may do what its code does, and nothing else.
func TestRolesMayWhatTheyDo(t *testing.T) {
	_, admin := fresh(t)
	ctx := t.Context()
	must(t, admin.Do(ctx, "FLUSHALL").Err())
	must(t, redistest.Refused(shared.URL, otherUsers...))
	must(t, admin.Do(ctx, "ACL", "LOG", "RESET").Err())
	stores := map[string]*redis.Store{"": open(t, strings.TrimSuffix(shared.URL, "/0")+"/1")}
	for _, role := range redis.Roles() {
		stores[role] = open(t, strings.TrimSuffix(loginAs(redis.User(role)), "/0")+"/1")
	}
	said := monitor(t)
	used := map[string]map[redis.Use]bool{}
	for i, step := range roleSteps {
		if step.role == "" {
			step.does(t, stores[""])
			continue
		}
		must(t, admin.ScriptFlush(ctx).Err()) // so that each script is sent
		must(t, admin.Do(ctx, "ECHO", fmt.Sprint("begin ", i)).Err())
		step.does(t, stores[step.role])
		for _, f := range database.Examine(ctx, stores[step.role], step.role) {
			if f.Check == "redis.rights" && f.Severity != doctor.OK {
				t.Errorf("%s: %+v", step.role, f)
			}
		}
		must(t, admin.Do(ctx, "ECHO", fmt.Sprint("end ", i)).Err())
		if used[step.role] == nil {
			used[step.role] = map[redis.Use]bool{}
		}
		for line := range between(t, said, fmt.Sprint("begin ", i), fmt.Sprint("end ", i)) {
			for _, u := range redis.Uses(step.role) {
				if isOf(line, u) {
					used[step.role][u] = true
				}
			}
		}
	}
	must(t, redistest.Refused(shared.URL, "weak", "refused"))
	for _, role := range redis.Roles() {
		for _, u := range redis.Uses(role) {
			if !used[role][u] {
				t.Errorf("a %s may %s, and doesn't: take it out of access.go", role, u)
			}
		}
	}
}

// monitor is what Redis does from now on, line by line.
func monitor(t *testing.T) *bufio.Scanner {
	t.Helper()
	u, err := url.Parse(shared.URL)
	must(t, err)
	password, _ := u.User.Password()
	c, err := net.Dial("tcp", u.Host)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.SetDeadline(time.Now().Add(time.Minute)))
	_, err = fmt.Fprintf(c, "AUTH %s\r\nMONITOR\r\n", password)
	must(t, err)
	lines := bufio.NewScanner(c)
	lines.Buffer(nil, 1<<20)
	for range 2 { // +OK of both
		lines.Scan()
	}
	return lines
}

// between is what Redis did between two echoes, each command as its words.
func between(t *testing.T, said *bufio.Scanner, from, to string) iter.Seq[[]string] {
	t.Helper()
	return func(yield func([]string) bool) {
		for began := false; said.Scan(); {
			words := wordsOf(said.Text())
			echo := len(words) == 2 && strings.EqualFold(words[0], "echo")
			switch {
			case echo && words[1] == from:
				began = true
			case echo && words[1] == to:
				return
			case began && !yield(words):
				return
			}
		}
		t.Fatalf("Redis doesn't say %q: %v", to, said.Err())
	}
}

var quoted = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)

func wordsOf(line string) (words []string) {
	for _, found := range quoted.FindAllStringSubmatch(line, -1) {
		words = append(words, found[1])
	}
	return words
}

// isOf is whether a command is of a use: the pattern and the command.
func isOf(words []string, use redis.Use) bool {
	if len(words) == 0 {
		return false
	}
	name, key := strings.ToUpper(words[0]), 1
	if main, sub, ok := strings.Cut(use.Command, "|"); ok {
		return name == main && len(words) > 1 && strings.EqualFold(words[1], sub)
	}
	if name == "EVAL" || name == "EVALSHA" {
		key = 3
	}
	if name != use.Command {
		return false
	}
	prefix, open := strings.CutSuffix(use.Pattern, "*")
	return use.Pattern == "" || len(words) > key && (words[key] == use.Pattern || open && strings.HasPrefix(words[key], prefix))
}

// What the role of another takes is refused, as a refusal, and leaves nothing behind: not in a script either.
func TestRefusals(t *testing.T) {
	_, admin := fresh(t)
	ctx := t.Context()
	for _, job := range []string{"queued", "running"} {
		must(t, admin.HSet(ctx, "siren:job:"+job, "state", job, "lane", "bulk", "token", 1).Err())
	}
	must(t, admin.HSet(ctx, "siren:job:dead", "state", "dead", "lane", "bulk").Err())
	must(t, admin.HSet(ctx, "siren:policy", "revision", 1, "content", "{}").Err())
	keys := func() map[string]string {
		all := map[string]string{}
		for _, k := range admin.Keys(ctx, "*").Val() {
			all[k] = admin.Dump(ctx, k).Val()
		}
		return all
	}
	before := keys()
	type refused struct {
		who []string
		do  func(*redis.Store) error
	}
	producer, worker, scaler, operator := lanes.ProducerRole, lanes.WorkerRole, lanes.ScalerRole, lanes.OperatorRole
	granted := lanes.Claim{State: lanes.Granted, JobID: "running", Token: 1}
	for what, c := range map[string]refused{
		"pause a lane": {[]string{producer, worker}, func(s *redis.Store) error {
			_, err := redis.NewTunings(s, discard).Change(ctx, 0, []lanes.Tuning{{Field: "lanes.bulk.paused"}}, nil, nil)
			return err
		}},
		"note in the audit": {[]string{producer, worker}, func(s *redis.Store) error {
			return redis.NewTunings(s, discard).Note(ctx, lanes.AuditEntry{By: "root"})
		}},
		"do what is noted in the audit": {[]string{producer, worker}, func(s *redis.Store) error { return redis.NewTunings(s, discard).MayNote(ctx) }},
		"read the audit": {[]string{producer, worker, scaler}, func(s *redis.Store) error {
			_, err := redis.NewTunings(s, discard).Audit(ctx, time.Time{}, 1)
			return err
		}},
		"cancel a job": {[]string{producer}, func(s *redis.Store) error {
			_, err := ledgerOn(s).Cancel(ctx, "queued")
			return err
		}},
		"promote a job": {[]string{producer}, func(s *redis.Store) error {
			_, err := ledgerOn(s).Supersede(ctx, redis.Supersede{ID: "queued", Lane: "express", Replay: 1, From: []lanes.State{lanes.Queued}})
			return err
		}},
		"discard a dead job": {[]string{producer}, func(s *redis.Store) error { return ledgerOn(s).Discard(ctx, "dead", 0) }},
		"renew a claim": {[]string{producer}, func(s *redis.Store) error {
			return ledgerOn(s).Renew(ctx, granted, lanes.Progress{})
		}},
		"keep a log": {[]string{producer, scaler, operator}, func(s *redis.Store) error { return ledgerOn(s).KeepLog(ctx, "queued", "said") }},
		"make a record": {[]string{scaler}, func(s *redis.Store) error {
			_, err := ledgerOn(s).CreateAll(ctx, []lanes.Delivery{delivery("new", "bulk")})
			return err
		}},
		"publish a policy": {[]string{producer, worker, operator}, func(s *redis.Store) error {
			_, err := redis.NewBoard(s, discard).PublishPolicy(ctx, lanes.Effective{})
			return err
		}},
		"lead": {[]string{producer, worker, operator}, func(s *redis.Store) error {
			_, err := redis.NewBoard(s, discard).Lead(ctx, "me", time.Minute)
			return err
		}},
		"beat as a worker": {[]string{producer, scaler, operator}, func(s *redis.Store) error {
			_, err := redis.NewRoster(s, discard).Beat(ctx, lanes.Heartbeat{Worker: "w"})
			return err
		}},
		"retire a worker": {[]string{producer, worker, operator}, func(s *redis.Store) error {
			return redis.NewRoster(s, discard).Retire(ctx, []string{"w"}, time.Minute)
		}},
		"park a worker": {[]string{producer, worker, operator}, func(s *redis.Store) error {
			return redis.NewRoster(s, discard).Park(ctx, []string{"w"}, time.Minute)
		}},
		"read the roster": {[]string{producer, worker}, func(s *redis.Store) error {
			_, _, err := redis.NewRoster(s, discard).Workers(ctx)
			return err
		}},
		"list the jobs": {[]string{producer, worker, scaler}, func(s *redis.Store) error {
			_, err := ledgerOn(s).List(ctx, redis.Filter{})
			return err
		}},
	} {
		for _, role := range c.who {
			err := c.do(open(t, loginAs(redis.User(role))))
			if !errors.Is(err, lanes.ErrRefused) || errors.Is(err, lanes.ErrAway) || strings.Contains(err.Error(), "away") {
				t.Errorf("a %s may %s: %v", role, what, err)
			}
		}
	}
	if now := keys(); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Errorf("what was refused has changed something: %v, before %v", now, before)
	}
}

// A worker whose login may nothing runs its jobs, as when Redis is away, and it is said that it is refused. Once it has the rights, what became of
// the jobs is told.
func TestLedgerOfOneRefused(t *testing.T) {
	_, admin := fresh(t)
	ctx := t.Context()
	set := func(rules string) {
		must(t, admin.Do(ctx, append([]any{"ACL", "SETUSER", "refused", "reset", "on", ">secret"}, anys(rules)...)...).Err())
	}
	set("+ping +client|setname")
	defer admin.Do(context.WithoutCancel(ctx), "ACL", "DELUSER", "refused")
	var said strings.Builder
	store := open(t, loginAs("refused"))
	l := redis.NewLedger(store, slog.New(slog.NewTextHandler(&said, nil)))
	c := claim(t, l, delivery("job", "bulk"), "w", lanes.Unclaimed)
	if err := store.Refusal(); !errors.Is(err, lanes.ErrRefused) {
		t.Errorf("the store was refused nothing: %v", err)
	}
	must(t, l.Close(ctx, c, lanes.Outcome{State: lanes.Completed}))
	if s := l.Stats(); !s.Refused || s.Buffered != 1 {
		t.Errorf("%+v", s)
	}
	if text := said.String(); !strings.Contains(text, "refuses this login") || strings.Contains(text, "away") {
		t.Errorf("it said %q", text)
	}
	if _, err := l.Get(ctx, "job"); !errors.Is(err, lanes.ErrRefused) {
		t.Errorf("%v, not refused", err)
	}
	set(redis.Rules(lanes.WorkerRole))
	eventually(t, "the end is told", 20*time.Second, func() bool { return !l.Stats().Away })
	if err := store.Refusal(); err != nil {
		t.Errorf("the store is still refused: %v", err)
	}
	if state := admin.HGet(ctx, "siren:job:job", "state").Val(); state != string(lanes.Completed) {
		t.Errorf("the job is %q", state)
	}
}

// anys is the words of a text.
func anys(text string) (all []any) {
	for word := range strings.FieldsSeq(text) {
		all = append(all, word)
	}
	return all
}
