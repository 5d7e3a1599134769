package system_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/role"
	"github.com/polyglot-media/siren/test/binary"
)

// The lanes, and every queue that there is for them.
var (
	laneQueues  = []string{laneQueue("express"), laneQueue("standard"), laneQueue("bulk")}
	otherQueues = []string{ // of lanes that change
		"siren.lane.express", "siren.lane.standard", "siren.lane.bulk",
		"siren.lane.express.quorum", "siren.lane.standard.quorum", "siren.lane.bulk.quorum", "siren.lane.fast",
		"siren.lane.rest.quorum",
	}
	delayQueues = []string{
		"siren.delay.1s", "siren.delay.5s", "siren.delay.15s", "siren.delay.1m", "siren.delay.5m",
		"siren.delay.15m", "siren.delay.far",
	}
)

const deadQueue = "siren.dead"

// queueType is the type of the queues: `make test-matrix` runs these tests on both.
var queueType = cmp.Or(os.Getenv("SIREN_TEST_QUEUE_TYPE"), lanes.Classic)

func laneQueue(lane string) string {
	return "siren.lane." + lanes.Queue{Lane: lane, Type: queueType}.String()
}

// policy is what all sites have in common: short times, and two folders.
const policy = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s, maxCrashes: 2}
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: ["batch=true"], startWithin: 30m, retry: {attempts: 9, first: 14s, factor: 1, max: 14s}}
timing: {lease: 3s, coldStart: 1s}
budget: 4
broker: {queueType: @QUEUES@}
pools:
@POOLS@
storage:
  - {prefix: "file://@DIR@/in/", read: true}
  - {prefix: "file://@DIR@/out/", read: true, write: true}
`

// oneWorker is a fleet of one worker that takes everything.
const oneWorker = `  - {name: general, lanes: [express, standard, bulk], slots: 2, min: 1, max: 1}`

// site is one test's Siren: a policy, folders for media, and processes.
type site struct {
	t       *testing.T
	dir     string // in/, out/, tmp/ (of the processes), log/
	policy  string // path of the file
	amqpURL string
	redis   *servers.Server
	env     []string
	client  *client.Client
	// What there should be at the end in siren.dead and in the lanes.
	buried, leftover int
	secrets          []string // that no log may have, beside the servers' passwords
}

// newSite makes a site with the given pools, in a virtual host of the RabbitMQ that all tests share and on a Redis of
// its own: so it runs beside others. At the end of the test every process must stop in order and leave nothing behind:
// no process, no scratch files, no job in a queue.
func newSite(t *testing.T, pools string) *site {
	t.Helper()
	t.Parallel()
	url, err := rabbitmq.Vhost(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return newSiteOn(t, url, pools)
}

// newSiteOn makes a site on an empty RabbitMQ.
func newSiteOn(t *testing.T, amqpURL, pools string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), amqpURL: amqpURL}
	s.must(binary.Watch("../.."))
	for _, d := range []string{"in", "out", "tmp", "log", "state"} {
		s.mkdir(d)
	}
	s.policy = filepath.Join(s.dir, "siren.yaml")
	s.must(os.WriteFile(s.policy, []byte(strings.NewReplacer("@POOLS@", pools, "@QUEUES@", queueType, "@DIR@",
		s.dir).Replace(policy)), 0o644))
	s.startRedis()
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + filepath.Join(s.dir, "tmp"),
		"XDG_STATE_HOME=" + filepath.Join(s.dir, "state"),
		"SIREN_AMQP_URL=" + s.amqpURL, "SIREN_REDIS_URL=" + s.redisFor(role.Producer),
	}
	for _, role := range []string{role.Operator, role.Scaler, role.Worker, role.Gateway} {
		s.env = append(s.env, fmt.Sprintf("SIREN_REDIS_%s_URL=%s", strings.ToUpper(role), s.redisFor(role)))
	}
	var err error
	producer := s.redisFor(role.Producer)
	s.client, err = client.New(client.Options{AMQPURL: s.amqpURL, RedisURL: producer, Name: "system test"})
	s.must(err)
	t.Cleanup(s.tellLogs)
	t.Cleanup(func() { _ = s.client.Close() })
	t.Cleanup(s.checkEnd)
	return s
}

// startRedis starts the site's Redis. In the end it must have refused nothing to anybody.
func (s *site) startRedis() {
	s.t.Helper()
	var err error
	s.redis, err = servers.StartRedis(s.t.Context(), servers.Options{Config: logins.Config()})
	s.must(err)
	s.t.Cleanup(func() {
		if err := errors.Join(redistest.Refused(s.redis.URL), s.redis.Stop(context.Background())); err != nil {
			s.t.Error(err)
		}
	})
}

// redisFor returns the URL of Redis with the login of the role.
func (s *site) redisFor(role string) string {
	s.t.Helper()
	u, err := logins.URL(role, s.redis.URL)
	s.must(err)
	return u
}

// in returns the site as a subtest has it: what fails there is the subtest's.
func (s *site) in(t *testing.T) *site {
	sub := *s
	sub.t = t
	return &sub
}

// allow adds rules to the policy's storage.
func (s *site) allow(rules ...string) {
	s.t.Helper()
	text, err := os.ReadFile(s.policy)
	s.must(err)
	more := strings.ReplaceAll(strings.Join(rules, "\n"), "@DIR@", s.dir)
	s.must(os.WriteFile(s.policy, append(text, more...), 0o644))
}

// checkEnd checks what must hold when all processes have stopped.
func (s *site) checkEnd() {
	if left := s.programs(""); len(left) > 0 {
		s.t.Errorf("media programs still run: %v", left)
	}
	if left := s.workers(); len(left) > 0 {
		s.t.Errorf("workers still run: %v", left)
	}
	scratch, _ := filepath.Glob(filepath.Join(s.dir, "tmp", "siren-attempts-*", "*-*"))
	if len(scratch) > 0 {
		s.t.Errorf("scratch files are left: %v", scratch)
	}
	s.checkSecrets()
	if s.t.Failed() {
		return
	}
	if left := s.left(); left != s.leftover {
		s.t.Errorf("%d jobs are left in the lanes and delay queues, want %d", left, s.leftover)
	}
	if n := s.ready(deadQueue); n != s.buried {
		s.t.Errorf("%d dead letters, want %d", n, s.buried)
	}
}

// checkSecrets looks for passwords and tokens in all that was logged.
func (s *site) checkSecrets() {
	secrets := slices.Collect(maps.Values(logins))
	for _, server := range []string{s.amqpURL, s.redis.URL} {
		u, err := url.Parse(server)
		s.must(err)
		if password, has := u.User.Password(); has {
			secrets = append(secrets, password)
		}
	}
	secrets = append(secrets, s.secrets...)
	for _, path := range s.logs() {
		text, err := os.ReadFile(path)
		s.must(err)
		for _, secret := range secrets {
			if i := bytes.Index(text, []byte(secret)); i >= 0 {
				line, _, _ := bytes.Cut(text[1+bytes.LastIndexByte(text[:i], '\n'):], []byte("\n"))
				s.t.Errorf("a secret is in %s: %s", filepath.Base(path), line)
			}
		}
	}
}

// logs returns the files with what the processes logged.
func (s *site) logs() []string {
	logs, _ := filepath.Glob(filepath.Join(s.dir, "log", "*.log"))
	workers, _ := filepath.Glob(filepath.Join(s.fleet(), "workers", "logs", "*.log"))
	return append(logs, workers...)
}

// left returns how many messages wait in the lanes and delay queues.
func (s *site) left() (n int) {
	s.t.Helper()
	for _, q := range slices.Concat(laneQueues, delayQueues) {
		n += s.ready(q)
	}
	return n
}

// awaitEnd waits, before a process is stopped at the end of a test, until nothing is left to do for it. A job that has
// completed may have a second message yet: whoever was told that another worker runs it looks again a second later.
func (s *site) awaitEnd() {
	end := time.Now().Add(patience * 30 * time.Second)
	for !s.t.Failed() && s.left() != s.leftover && time.Now().Before(end) {
		time.Sleep(20 * time.Millisecond) // checkEnd says what is wrong
	}
}

// tellLogs shows the end of every process's log when the test has failed.
func (s *site) tellLogs() {
	if !s.t.Failed() {
		return
	}
	for _, path := range s.logs() {
		s.t.Logf("--- the end of %s:\n%s", filepath.Base(path), tail(path, 30))
	}
}

// tail returns the last lines of a file.
func tail(path string, lines int) string {
	text, _ := os.ReadFile(path)
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func (s *site) mkdir(name string) {
	s.t.Helper()
	s.must(os.Mkdir(filepath.Join(s.dir, name), 0o755))
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) unmarshal(text string, to any) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(text), to); err != nil {
		s.t.Fatalf("%v in %q", err, text)
	}
}

// patience is how much longer than is usual everything may take: no test needs a quick machine. Where the machine has
// other things to do, a job's programs, which run at a low priority, wait most.
const patience = 3

// await polls until the condition holds. What it was instead goes into the failure.
func (s *site) await(what string, within time.Duration, holds func() (ok bool, instead string)) {
	s.t.Helper()
	within *= patience
	for end := time.Now().Add(within); ; {
		looked := time.Now()
		ok, instead := holds()
		if ok {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("waited %s for %s; instead: %s", within, what, instead)
		}
		time.Sleep(max(10*time.Millisecond, time.Since(looked))) // a costly look, as by a command, leaves room
	}
}

// awaitNone awaits what becomes less: it goes on waiting for as long as it does.
func (s *site) awaitNone(what string, within time.Duration, left func() (n int, instead string)) {
	s.t.Helper()
	within *= patience
	least, end := math.MaxInt, time.Now().Add(within)
	for {
		looked := time.Now()
		n, instead := left()
		if n == 0 {
			return
		}
		if n < least {
			least, end = n, looked.Add(within)
		}
		if looked.After(end) {
			s.t.Fatalf("waited for %s, and nothing came of it for %s; left are %d: %s", what, within, n, instead)
		}
		time.Sleep(max(10*time.Millisecond, time.Since(looked)))
	}
}

// record waits until the job's record is as wanted.
func (s *site) record(id, what string, within time.Duration, wanted func(job.Record) bool) (r job.Record) {
	s.t.Helper()
	s.await("job "+id+" to be "+what, within, func() (bool, string) {
		var err error
		r, err = s.client.Get(s.t.Context(), id)
		return err == nil && wanted(r), fmt.Sprintf("%+v, %v", r, err)
	})
	return r
}

// completed waits for a job's good end.
func (s *site) completed(id string, within time.Duration) job.Record {
	s.t.Helper()
	return s.record(id, "completed", within, func(r job.Record) bool {
		if r.State == job.Dead {
			s.t.Fatalf("job %s is dead: %s: %s", id, r.Reason, r.Error)
		}
		return r.State == job.Completed
	})
}

// input and output return URLs of files that jobs may read and write.
func (s *site) input(name string) string  { return "file://" + filepath.Join(s.dir, "in", name) }
func (s *site) output(name string) string { return "file://" + filepath.Join(s.dir, "out", name) }

// path returns the file that a URL names.
func path(url string) string { return strings.TrimPrefix(url, "file://") }
