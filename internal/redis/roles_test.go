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
	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/effort"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/role"
	"github.com/polyglot-media/siren/lanes/work"
)

// roleSteps is all that the processes of each role, and people, do with this package, in an order in which each finds
// what it needs. What is added to the code of a role is added here. A step of no role prepares something. The gateway
// does what operators do, and what is its own.
var roleSteps = []struct {
	role string
	does func(t *testing.T, s *redislink.Store)
}{
	{role.Scaler, func(t *testing.T, s *redislink.Store) {
		ctx, b := t.Context(), redis.NewBoard(s, redistest.Discard)
		_, err := b.PublishPolicy(ctx, lanes.Effective{Policy: *redistest.Policy()})
		redistest.Must(t, err)
		_, err = b.Policy(ctx)
		redistest.Must(t, err)
		_, err = b.KnownQueues(ctx, lanes.ParseQueue("bulk"))
		redistest.Must(t, err)
		redistest.Must(t, b.PutSnapshot(ctx, fleet.Snapshot{}))
		redistest.Must(t, b.PutSight(ctx, []byte("what was seen")))
		redistest.Must(t, redis.NewHistory(s).Note(ctx, fleet.Snapshot{At: time.Now()}))
		_, err = b.Snapshot(ctx) // of the leader before it
		redistest.Must(t, err)
		redistest.Must(t, b.Record(ctx, fleet.Plan{Pool: "general"}))
		_, err = b.Lead(ctx, "me", time.Minute)
		redistest.Must(t, err)
		redistest.Must(t, b.Resign(ctx, "me"))
	}},
	{role.Producer, func(t *testing.T, s *redislink.Store) {
		ctx, l := t.Context(), redistest.LedgerOn(s)
		s.FollowClock(ctx)
		_, err := redis.NewBoard(s, redistest.Discard).Policy(ctx)
		redistest.Must(t, err)
		var jobs []work.Delivery
		for _, id := range []string{"done", "retried", "died", "cancelled", "withdrawn", "queued", "lost"} {
			d := redistest.Delivery(id, "bulk")
			d.Job.DedupKey = id
			if id == "queued" {
				d.Job.Priority = 3
			}
			jobs = append(jobs, d)
		}
		_, err = l.Reserve(ctx, []job.Job{jobs[0].Job, jobs[4].Job})
		redistest.Must(t, err)
		_, err = l.CreateAll(ctx, jobs)
		redistest.Must(t, err)
		_, err = l.CreateAll(ctx, jobs[5:]) // once more
		redistest.Must(t, err)
		_, err = l.Reserve(ctx, []job.Job{jobs[6].Job})
		redistest.Must(t, err)
		redistest.Must(t, l.KeepKeys(ctx, []job.Job{jobs[0].Job, jobs[6].Job}))
		redistest.Must(t, l.ReleaseKey(ctx, jobs[4].Job))
		redistest.Must(t, l.Withdraw(ctx, "withdrawn"))
		redistest.Get(t, l, "done")
		_, _ = l.Log(ctx, "done")
		_, _ = l.Find(ctx, "malformed")
		watchOne(t, l, "done")
	}},
	{role.Scaler, loseJob},
	{role.Producer, func(t *testing.T, s *redislink.Store) {
		// it is missing
		_, err := redistest.LedgerOn(s).CreateAll(t.Context(), []work.Delivery{redistest.Delivery("lost", "bulk")})
		redistest.Must(t, err)
	}},
	{role.Scaler, loseJob},
	{role.Worker, func(t *testing.T, s *redislink.Store) {
		ctx, l, r := t.Context(), redistest.LedgerOn(s), redis.NewRoster(s, redistest.Discard)
		// it turned up
		redistest.Must(t, l.Close(ctx, redistest.Claim(t, l, redistest.Delivery("lost", "bulk"), "w", work.Granted),
			work.Outcome{State: job.Queued}))
		urgent := redistest.Delivery("queued", "bulk")
		urgent.Job.Priority = 2
		redistest.Must(t, l.Lower(ctx, []work.Delivery{urgent}))
		copied := redistest.Delivery("queued", "bulk")
		copied.Copy = 1
		redistest.Claim(t, l, copied, "w", work.Granted) // faster than the ledger hears of it
		redistest.Claim(t, l, redistest.Delivery("queued", "bulk"), "w", work.Settled)
		s.FollowClock(ctx)
		_, err := r.Beat(ctx, fleet.Heartbeat{Worker: "w"})
		redistest.Must(t, err)
		c := redistest.Claim(t, l, redistest.Delivery("done", "bulk"), "w", work.Granted)
		redistest.Must(t, l.Renew(ctx, c, job.Progress{Fraction: 0.5}))
		redistest.Must(t, l.Close(ctx, c, work.Outcome{State: job.Completed}))
		redistest.Must(t, l.KeepLog(ctx, "done", "said"))
		retry := work.Outcome{State: job.Retrying, NextAt: time.Now().Add(-time.Minute)}
		redistest.Must(t, l.Close(ctx, redistest.Claim(t, l, redistest.Delivery("retried", "bulk"), "w", work.Granted),
			retry))
		redistest.Must(t, l.Close(ctx, redistest.Claim(t, l, redistest.Delivery("retried", "bulk"), "w", work.Granted),
			retry))
		dead := work.Outcome{State: job.Dead}
		redistest.Must(t, l.Close(ctx, redistest.Claim(t, l, redistest.Delivery("died", "bulk"), "w", work.Granted),
			dead))
		again := redistest.Delivery("died", "bulk")
		again.Copy = 1
		redistest.Must(t, l.Close(ctx, redistest.Claim(t, l, again, "w", work.Granted), dead))
		redistest.Claim(t, l, redistest.Delivery("cancelled", "bulk"), "w", work.Granted)
		malformed := redistest.Delivery("malformed-1", "bulk")
		malformed.Bears = "malformed"
		redistest.Claim(t, l, malformed, "w", work.Granted)
		unheard := work.Claim{State: work.Unclaimed, JobID: "unheard", Attempts: 1}
		redistest.Must(t, l.Close(ctx, unheard, work.Outcome{State: job.Completed})) // makes the record
		e := redis.NewEfforts(s)
		_, err = e.Learn(ctx, effort.Sample{Class: "probe", Computed: time.Second, Ran: time.Second})
		redistest.Must(t, err)
		_, err = e.Book(ctx)
		redistest.Must(t, err)
		redistest.Must(t, r.Leave(ctx, "w"))
		_, err = r.Beat(ctx, fleet.Heartbeat{Worker: "w"})
		redistest.Must(t, err)
	}},
	{role.Scaler, loseJob},
	{role.Operator, func(t *testing.T, s *redislink.Store) {
		ctx, l, b, tunings := t.Context(), redistest.LedgerOn(s), redis.NewBoard(s, redistest.Discard),
			redis.NewTunings(s, redistest.Discard)
		_, err := b.Policy(ctx)
		redistest.Must(t, err)
		_, err = b.Snapshot(ctx)
		redistest.Must(t, err)
		_, err = b.Plans(ctx, "", time.Time{}, 10)
		redistest.Must(t, err)
		_, err = b.KnownQueues(ctx)
		redistest.Must(t, err)
		plans, stop := context.WithTimeout(ctx, 700*time.Millisecond) // it looks twice a second
		defer stop()
		for range b.FollowPlans(plans, "") { //nolint:revive // none comes
		}
		_, err = b.Sight(ctx)
		redistest.Must(t, err)
		_, _, err = redis.NewHistory(s).Since(ctx, redis.Of{}, time.Now().Add(-time.Hour), time.Now())
		redistest.Must(t, err)
		seen, _, err := tunings.Now(ctx)
		redistest.Must(t, err)
		tuning := lanes.Tuning{Field: "lanes.bulk.paused", Value: []byte("true")}
		note := audit.Entry{By: "somebody else", Verb: "tune", On: "lanes.bulk"}
		rev, err := tunings.Change(ctx, seen.Revision, []lanes.Tuning{tuning}, nil, []audit.Entry{note})
		redistest.Must(t, err)
		_, err = tunings.Change(ctx, rev, nil, []string{tuning.Field}, nil)
		redistest.Must(t, err)
		redistest.Must(t, tunings.MayNote(ctx))
		redistest.Must(t, tunings.Note(ctx, note))
		entries, err := tunings.Audit(ctx, time.Time{}, 10)
		redistest.Must(t, err)
		for _, e := range entries {
			if e.Login != s.Client().Do(ctx, "ACL", "WHOAMI").Val() || e.By != "somebody else" {
				t.Errorf("an audit entry says %+v, not with which login", e)
			}
		}
		_, _, err = redis.NewRoster(s, redistest.Discard).Workers(ctx)
		redistest.Must(t, err)
		// as Workers has those leave that were silent for long
		redistest.Must(t, redis.NewRoster(s, redistest.Discard).Leave(ctx, "silent"))
		for _, f := range []jobrecord.Filter{{}, {State: job.Dead}} {
			f.Limit, f.Until = 1, time.Now().Add(time.Minute)
			page, err := l.List(ctx, f)
			redistest.Must(t, err)
			if f.Until, f.After = (time.Time{}), page.Next; f.After == "" {
				f.After = "1/x"
			}
			_, err = l.List(ctx, f)
			redistest.Must(t, err)
		}
		for _, state := range []job.State{"", job.Dead} {
			for _, err := range l.Each(ctx, jobrecord.Filter{State: state, OldestFirst: true}) {
				redistest.Must(t, err)
			}
		}
		_, err = l.CountDead(ctx)
		redistest.Must(t, err)
		_, _, err = l.CountMissing(ctx)
		redistest.Must(t, err)
		_, err = l.Cancel(ctx, "lost")
		redistest.Must(t, err)
		redistest.Must(t, l.Gone(ctx, "bulk", []work.Delivery{redistest.Delivery("lost", "bulk")}))
		_, err = l.Retrying(ctx, []string{"bulk"})
		redistest.Must(t, err)
		_, err = l.Ahead(ctx, "queued", time.Time{})
		redistest.Must(t, err)
		_, err = l.Next(ctx, "bulk", 10)
		redistest.Must(t, err)
		_, err = redis.NewEfforts(s).Book(ctx)
		redistest.Must(t, err)
		_, _ = l.Log(ctx, "done")
		_, _ = l.Find(ctx, "malformed")
		watchOne(t, l, "done")
		_, err = l.Supersede(ctx, jobledger.Supersede{ID: "died", Lane: "bulk", Copy: 2, From: []job.State{job.Dead}})
		redistest.Must(t, err)
		_, err = l.Supersede(ctx, jobledger.Supersede{
			ID: "retried", Lane: "bulk", Copy: 1,
			From: []job.State{job.Retrying},
		})
		redistest.Must(t, err)
		_, err = l.Cancel(ctx, "cancelled")
		redistest.Must(t, err)
		d := redistest.Delivery("mine", "bulk")
		d.Job.DedupKey = "mine"
		_, err = l.Reserve(ctx, []job.Job{d.Job})
		redistest.Must(t, err)
		_, err = l.CreateAll(ctx, []work.Delivery{d})
		redistest.Must(t, err)
		redistest.Must(t, l.ReleaseKey(ctx, d.Job))
		redistest.Must(t, l.Withdraw(ctx, "mine"))
	}},
	{role.Gateway, func(t *testing.T, s *redislink.Store) {
		ctx, once := t.Context(), redis.NewOnce(s)
		for _, answer := range [][]byte{nil, []byte("{}")} {
			a, _, err := once.Begin(ctx, "key", "print")
			redistest.Must(t, err)
			redistest.Must(t, once.End(ctx, a, answer))
		}
		_, _, err := once.Begin(ctx, "key", "print")
		redistest.Must(t, err)
	}},
	{role.Worker, func(t *testing.T, s *redislink.Store) {
		again := redistest.Delivery("died", "bulk")
		again.Copy = 2
		l := redistest.LedgerOn(s)
		redistest.Must(t, l.Close(t.Context(), redistest.Claim(t, l, again, "w", work.Granted),
			work.Outcome{State: job.Dead}))
	}},
	{role.Operator, func(t *testing.T, s *redislink.Store) {
		redistest.Must(t, redistest.LedgerOn(s).Discard(t.Context(), "died", 2))
	}},
	{"", func(t *testing.T, s *redislink.Store) {
		// entries of records that have expired, and a record of a version without an index
		for _, key := range []string{
			"siren:jobs", "siren:dead", "siren:retrying:bulk", "siren:queued:bulk",
			"siren:missing", "siren:running",
		} {
			redistest.Must(t, s.Client().ZAdd(t.Context(), key, goredis.Z{Score: 1, Member: "gone"}).Err())
		}
		redistest.Must(t, s.Client().HSet(t.Context(), "siren:job:old", "state", "queued", "lane", "bulk").Err())
		redistest.Must(t, s.Client().ZAdd(t.Context(), "siren:jobs", goredis.Z{Score: 1, Member: "old"}).Err())
	}},
	{role.Scaler, func(t *testing.T, s *redislink.Store) {
		ctx, tunings, r := t.Context(), redis.NewTunings(s, redistest.Discard), redis.NewRoster(s, redistest.Discard)
		_, _, err := r.Workers(ctx)
		redistest.Must(t, err)
		redistest.Must(t, r.Order(ctx, fleet.Plan{Park: []string{"w"}, Unpark: []string{"v"}, Retire: []string{"u"}}))
		redistest.Must(t, r.Leave(ctx, "u")) // as Workers has those leave that were silent for long
		now, _, err := tunings.Now(ctx)
		redistest.Must(t, err)
		_, err = tunings.Restore(ctx, lanes.Tunings{Revision: 1})
		redistest.Must(t, err)
		rev, err := tunings.Change(ctx, now.Revision, nil, []string{"lanes.bulk.paused"},
			[]audit.Entry{{Verb: "expire"}})
		redistest.Must(t, err)
		redistest.Must(t, tunings.Note(ctx, audit.Entry{Verb: "restore", On: fmt.Sprint(rev)}))
		changed, end := context.WithCancel(ctx)
		<-tunings.Changed(changed)
		end()
		l := redistest.LedgerOn(s)
		l.SetPolicy(&lanes.Policy{Timing: lanes.Timing{Keep: lanes.Duration(time.Nanosecond)}})
		_, err = l.Retrying(ctx, []string{"bulk"})
		redistest.Must(t, err)
		_, err = l.Waiting(ctx, map[string]time.Time{"bulk": time.Now().Add(-time.Hour)})
		redistest.Must(t, err)
		_, err = l.Enlist(ctx)
		redistest.Must(t, err)
		_, err = l.Compare(ctx, "bulk", time.Time{}, nil)
		redistest.Must(t, err)
		_, err = l.Sweep(ctx)
		redistest.Must(t, err)
		running, err := l.Lapsed(ctx, time.Now().Add(time.Hour))
		redistest.Must(t, err)
		rescued, err := l.Rescue(ctx, running[:1])
		redistest.Must(t, err)
		if !rescued[0] {
			t.Errorf("%+v isn't rescued", running[0])
		}
	}},
}

// loseJob makes the job that is called lost go missing.
func loseJob(t *testing.T, s *redislink.Store) {
	n, err := redistest.LedgerOn(s).Compare(t.Context(), "bulk", time.Now().Add(time.Hour),
		map[string]bool{"queued": true, "done": true, "retried": true, "died": true, "cancelled": true})
	redistest.Must(t, err)
	if n != 1 {
		t.Errorf("%d jobs are missing, want the one that is lost", n)
	}
}

func watchOne(t *testing.T, l *jobledger.Ledger, id string) {
	t.Helper()
	for _, err := range l.Watch(t.Context(), id) {
		redistest.Must(t, err)
		break
	}
}

// A role may do what its code does, and nothing else.
func TestRolesMayWhatTheyDo(t *testing.T) {
	_, admin := redistest.Fresh(t)
	ctx := t.Context()
	redistest.Must(t, redistest.Refused(redistest.Shared.URL, redistest.OtherUsers...))
	redistest.Must(t, admin.Do(ctx, "ACL", "LOG", "RESET").Err())
	stores := map[string]*redislink.Store{"": redistest.Open(t, strings.TrimSuffix(redistest.Shared.URL, "/0")+"/1")}
	for _, role := range access.Roles() {
		stores[role] = redistest.Open(t, strings.TrimSuffix(redistest.LoginAs(access.User(role)), "/0")+"/1")
	}
	said := monitor(t)
	used := map[string]map[access.Use]bool{}
	for _, operator := range []string{role.Operator, role.Gateway} {
		redistest.Must(t, admin.Do(ctx, "FLUSHALL").Err())
		for i, step := range roleSteps {
			as := step.role
			if as == role.Operator {
				as = operator
			}
			if as == "" {
				step.does(t, stores[""])
				continue
			}
			if used[as] == nil {
				used[as] = map[access.Use]bool{}
			}
			redistest.Must(t, admin.ScriptFlush(ctx).Err()) // so that each script is sent
			from, to := fmt.Sprint("begin ", i, operator), fmt.Sprint("end ", i, operator)
			redistest.Must(t, admin.Do(ctx, "ECHO", from).Err())
			step.does(t, stores[as])
			for _, f := range database.Examine(ctx, stores[as], as) {
				if f.Check == "redis.rights" && f.Severity != doctor.OK {
					t.Errorf("%s: %+v", as, f)
				}
			}
			redistest.Must(t, admin.Do(ctx, "ECHO", to).Err())
			note(used[as], access.Uses(as), between(t, said, from, to))
		}
	}
	redistest.Must(t, redistest.Refused(redistest.Shared.URL, "weak", "refused"))
	for _, role := range access.Roles() {
		for _, u := range access.Uses(role) {
			if !used[role][u] {
				t.Errorf("a %s may %s %s, and doesn't: take it out of internal/redis/access", role, u.Command,
					u.Pattern)
			}
		}
	}
}

// note adds those of the uses that the lines are of.
func note(used map[access.Use]bool, all []access.Use, lines iter.Seq[[]string]) {
	for line := range lines {
		for _, u := range all {
			used[u] = used[u] || isOf(line, u)
		}
	}
}

// monitor returns what Redis does from now on, line by line.
func monitor(t *testing.T) *bufio.Scanner {
	t.Helper()
	u, err := url.Parse(redistest.Shared.URL)
	redistest.Must(t, err)
	password, _ := u.User.Password()
	c, err := net.Dial("tcp", u.Host)
	redistest.Must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	redistest.Must(t, c.SetDeadline(time.Now().Add(time.Minute)))
	_, err = fmt.Fprintf(c, "AUTH %s\r\nMONITOR\r\n", password)
	redistest.Must(t, err)
	lines := bufio.NewScanner(c)
	lines.Buffer(nil, 1<<20)
	for range 2 { // +OK of both
		lines.Scan()
	}
	return lines
}

// between returns what Redis did between two echoes, each command as its words.
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

// isOf reports whether a command is of a use.
func isOf(words []string, use access.Use) bool {
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
	return use.Pattern == "" || len(words) > key &&
		(words[key] == use.Pattern || open && strings.HasPrefix(words[key], prefix))
}

// What the role of another takes is refused, as a refusal, and leaves nothing behind: not in a script either.
func TestRefusals(t *testing.T) {
	_, admin := redistest.Fresh(t)
	ctx := t.Context()
	for _, job := range []string{"queued", "running"} {
		redistest.Must(t, admin.HSet(ctx, "siren:job:"+job, "state", job, "lane", "bulk", "token", 1).Err())
	}
	redistest.Must(t, admin.HSet(ctx, "siren:job:dead", "state", "dead", "lane", "bulk").Err())
	redistest.Must(t, admin.HSet(ctx, "siren:policy", "revision", 1, "content", "{}").Err())
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
		do  func(*redislink.Store) error
	}
	producer, worker, scaler, operator := role.Producer, role.Worker, role.Scaler, role.Operator
	gateway := role.Gateway
	granted := work.Claim{State: work.Granted, JobID: "running", Token: 1}
	for what, c := range map[string]refused{
		"pause a lane": {[]string{producer, worker}, func(s *redislink.Store) error {
			_, err := redis.NewTunings(s, redistest.Discard).Change(ctx, 0,
				[]lanes.Tuning{{Field: "lanes.bulk.paused"}}, nil, nil)
			return err
		}},
		"add to the audit log": {[]string{producer, worker}, func(s *redislink.Store) error {
			return redis.NewTunings(s, redistest.Discard).Note(ctx, audit.Entry{By: "root"})
		}},
		"do what is noted in the audit": {[]string{producer, worker}, func(s *redislink.Store) error {
			return redis.NewTunings(s, redistest.Discard).MayNote(ctx)
		}},
		"read the audit": {[]string{producer, worker, scaler}, func(s *redislink.Store) error {
			_, err := redis.NewTunings(s, redistest.Discard).Audit(ctx, time.Time{}, 1)
			return err
		}},
		"cancel a job": {[]string{producer}, func(s *redislink.Store) error {
			_, err := redistest.LedgerOn(s).Cancel(ctx, "queued")
			return err
		}},
		"move a job": {[]string{producer}, func(s *redislink.Store) error {
			_, err := redistest.LedgerOn(s).Supersede(ctx,
				jobledger.Supersede{ID: "queued", Lane: "express", Copy: 1, From: []job.State{job.Queued}})
			return err
		}},
		"discard a dead job": {[]string{producer}, func(s *redislink.Store) error {
			return redistest.LedgerOn(s).Discard(ctx, "dead", 0)
		}},
		"renew a claim": {[]string{producer}, func(s *redislink.Store) error {
			return redistest.LedgerOn(s).Renew(ctx, granted, job.Progress{})
		}},
		"keep a log": {[]string{producer, scaler, operator, gateway}, func(s *redislink.Store) error {
			return redistest.LedgerOn(s).KeepLog(ctx, "queued", "said")
		}},
		"make a record": {[]string{scaler}, func(s *redislink.Store) error {
			_, err := redistest.LedgerOn(s).CreateAll(ctx, []work.Delivery{redistest.Delivery("new", "bulk")})
			return err
		}},
		"publish a policy": {[]string{producer, worker, operator, gateway}, func(s *redislink.Store) error {
			_, err := redis.NewBoard(s, redistest.Discard).PublishPolicy(ctx, lanes.Effective{})
			return err
		}},
		"lead": {[]string{producer, worker, operator, gateway}, func(s *redislink.Store) error {
			_, err := redis.NewBoard(s, redistest.Discard).Lead(ctx, "me", time.Minute)
			return err
		}},
		"beat as a worker": {[]string{producer, scaler, operator, gateway}, func(s *redislink.Store) error {
			_, err := redis.NewRoster(s, redistest.Discard).Beat(ctx, fleet.Heartbeat{Worker: "w"})
			return err
		}},
		"retire a worker": {[]string{producer, worker, operator, gateway}, func(s *redislink.Store) error {
			return redis.NewRoster(s, redistest.Discard).Retire(ctx, []string{"w"}, time.Minute)
		}},
		"park a worker": {[]string{producer, worker, operator, gateway}, func(s *redislink.Store) error {
			return redis.NewRoster(s, redistest.Discard).Park(ctx, []string{"w"}, time.Minute)
		}},
		"read the roster": {[]string{producer, worker}, func(s *redislink.Store) error {
			_, _, err := redis.NewRoster(s, redistest.Discard).Workers(ctx)
			return err
		}},
		"rescue a job": {[]string{producer}, func(s *redislink.Store) error {
			_, err := redistest.LedgerOn(s).Rescue(ctx, []job.Record{{ID: "running"}})
			return err
		}},
		"answer a request once": {[]string{producer, worker, scaler, operator}, func(s *redislink.Store) error {
			_, _, err := redis.NewOnce(s).Begin(ctx, "key", "print")
			return err
		}},
		"read the history": {[]string{producer, worker}, func(s *redislink.Store) error {
			_, _, err := redis.NewHistory(s).Since(ctx, redis.Of{}, time.Now(), time.Now())
			return err
		}},
		"write the history": {[]string{producer, worker, operator, gateway}, func(s *redislink.Store) error {
			return redis.NewHistory(s).Note(ctx, fleet.Snapshot{At: time.Now()})
		}},
		"list the jobs": {[]string{producer, worker, scaler}, func(s *redislink.Store) error {
			_, err := redistest.LedgerOn(s).List(ctx, jobrecord.Filter{})
			return err
		}},
	} {
		for _, role := range c.who {
			err := c.do(redistest.Open(t, redistest.LoginAs(access.User(role))))
			if !errors.Is(err, lanes.ErrRefused) || errors.Is(err, lanes.ErrAway) ||
				strings.Contains(err.Error(), "away") {
				t.Errorf("a %s may %s: %v", role, what, err)
			}
		}
	}
	if now := keys(); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Errorf("what was refused has changed something: %v, before %v", now, before)
	}
}

// A worker whose login may nothing runs its jobs, as when Redis is away, and it is said that it is refused. Once it has
// the rights, what became of the jobs is told.
func TestLedgerOfOneRefused(t *testing.T) {
	_, admin := redistest.Fresh(t)
	ctx := t.Context()
	set := func(rules string) {
		redistest.Must(t, admin.Do(ctx, append([]any{"ACL", "SETUSER", "refused", "reset", "on", ">secret"},
			anys(rules)...)...).Err())
	}
	set("+ping +client|setname")
	defer admin.Do(context.WithoutCancel(ctx), "ACL", "DELUSER", "refused")
	var said strings.Builder
	store := redistest.Open(t, redistest.LoginAs("refused"))
	l := jobledger.New(store, slog.New(slog.NewTextHandler(&said, nil)))
	c := redistest.Claim(t, l, redistest.Delivery("job", "bulk"), "w", work.Unclaimed)
	if err := store.Refusal(); !errors.Is(err, lanes.ErrRefused) {
		t.Errorf("the store was refused nothing: %v", err)
	}
	redistest.Must(t, l.Close(ctx, c, work.Outcome{State: job.Completed}))
	if s := l.Stats(); !s.Refused || s.Buffered != 1 {
		t.Errorf("%+v", s)
	}
	if text := said.String(); !strings.Contains(text, "refuses this login") || strings.Contains(text, "away") {
		t.Errorf("it said %q", text)
	}
	if _, err := l.Get(ctx, "job"); !errors.Is(err, lanes.ErrRefused) {
		t.Errorf("%v, not refused", err)
	}
	set(access.Rules(role.Worker))
	redistest.Eventually(t, "the end is told", func() bool { return !l.Stats().Away })
	if err := store.Refusal(); err != nil {
		t.Errorf("the store is still refused: %v", err)
	}
	if state := admin.HGet(ctx, "siren:job:job", "state").Val(); state != string(job.Completed) {
		t.Errorf("the job is %q", state)
	}
}

// anys returns the words of a text.
func anys(text string) (all []any) {
	for word := range strings.FieldsSeq(text) {
		all = append(all, word)
	}
	return all
}
