package system_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
)

// The lanes, and every queue that there is for them.
var (
	laneQueues  = []string{"siren.lane.express", "siren.lane.standard", "siren.lane.bulk"}
	delayQueues = []string{"siren.delay.1s", "siren.delay.5s", "siren.delay.15s", "siren.delay.1m", "siren.delay.5m", "siren.delay.15m"}
)

const deadQueue = "siren.dead"

// policy is what all sites have in common: short times, and two folders.
const policy = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s}
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: ["batch=true"], startWithin: 30m, retry: {attempts: 9, first: 14s, factor: 1, max: 14s}}
timing: {lease: 3s, coldStart: 1s}
budget: 4
pools:
@POOLS@
storage:
  - {prefix: "file://@DIR@/in/", read: true}
  - {prefix: "file://@DIR@/out/", read: true, write: true}
`

// oneWorker is a fleet of one worker that takes everything.
const oneWorker = `  - {name: general, lanes: [express, standard, bulk], slots: 2, min: 1, max: 1}`

// site is one test's Siren: a policy, folders for media, and processes, on the servers that all tests share.
type site struct {
	t      *testing.T
	dir    string // in/, out/, tmp/ (of the processes), log/
	policy string // path of the file
	env    []string
	client *client.Client
	// buried is how many dead letters there should be at the end.
	buried int
}

// newSite makes a site with the given pools on empty queues and an empty Redis. At the end of the test every process must stop in
// order and leave nothing behind: no process, no scratch files, no job in a queue.
func newSite(t *testing.T, pools string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	for _, d := range []string{"in", "out", "tmp", "log", "state"} {
		s.mkdir(d)
	}
	s.policy = filepath.Join(s.dir, "siren.yaml")
	s.must(os.WriteFile(s.policy, []byte(strings.NewReplacer("@POOLS@", pools, "@DIR@", s.dir).Replace(policy)), 0o644))
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + filepath.Join(s.dir, "tmp"), "XDG_STATE_HOME=" + filepath.Join(s.dir, "state"),
		"SIREN_AMQP_URL=" + rabbitmq.URL, "SIREN_REDIS_URL=" + redis.URL,
	}
	s.empty()
	var err error
	s.client, err = client.New(client.Options{AMQPURL: rabbitmq.URL, RedisURL: redis.URL, Name: "system test"})
	s.must(err)
	t.Cleanup(s.tellLogs)
	t.Cleanup(func() { _ = s.client.Close() })
	t.Cleanup(s.checkEnd)
	return s
}

// in is the site as a subtest has it: what fails there is the subtest's.
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

// empty deletes what earlier tests left on the servers.
func (s *site) empty() {
	s.t.Helper()
	s.broker(func(ch *amqp.Channel) {
		for _, q := range slices.Concat(laneQueues, delayQueues, []string{deadQueue}) {
			_, err := ch.QueueDelete(q, false, false, false)
			s.must(err)
		}
	})
	o, err := goredis.ParseURL(redis.URL)
	s.must(err)
	raw := goredis.NewClient(o)
	defer raw.Close()
	s.must(raw.FlushAll(s.t.Context()).Err())
}

// checkEnd is what must hold when all processes have stopped.
func (s *site) checkEnd() {
	if left := s.programs(""); len(left) > 0 {
		s.t.Errorf("media programs still run: %v", left)
	}
	if left := s.workers(); len(left) > 0 {
		s.t.Errorf("workers still run: %v", left)
	}
	scratch, _ := filepath.Glob(filepath.Join(s.dir, "tmp", "siren-scratch-*", "*"))
	if len(scratch) > 0 {
		s.t.Errorf("scratch files are left: %v", scratch)
	}
	if s.t.Failed() {
		return
	}
	for _, q := range slices.Concat(laneQueues, delayQueues) {
		if n := s.ready(q); n > 0 {
			s.t.Errorf("%d jobs are left in %s", n, q)
		}
	}
	if n := s.ready(deadQueue); n != s.buried {
		s.t.Errorf("%d dead letters, want %d", n, s.buried)
	}
}

// tellLogs shows the end of every process's log when the test has failed.
func (s *site) tellLogs() {
	if !s.t.Failed() {
		return
	}
	logs, _ := filepath.Glob(filepath.Join(s.dir, "log", "*.log"))
	workers, _ := filepath.Glob(filepath.Join(s.dir, "log", "fleet", "workers", "logs", "*.log"))
	for _, path := range append(logs, workers...) {
		s.t.Logf("--- the end of %s:\n%s", filepath.Base(path), tail(path, 30))
	}
}

// tail is the last lines of a file.
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

// await polls until the condition holds. What it was instead goes into the failure.
func (s *site) await(what string, within time.Duration, holds func() (ok bool, instead string)) {
	s.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		ok, instead := holds()
		if ok {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("waited %s for %s; instead: %s", within, what, instead)
		}
	}
}

// record waits until the job's record is as wanted.
func (s *site) record(id, what string, within time.Duration, wanted func(lanes.Record) bool) (r lanes.Record) {
	s.t.Helper()
	s.await("job "+id+" to be "+what, within, func() (bool, string) {
		var err error
		r, err = s.client.Get(s.t.Context(), id)
		return err == nil && wanted(r), fmt.Sprintf("%+v, %v", r, err)
	})
	return r
}

// completed waits for a job's good end.
func (s *site) completed(id string, within time.Duration) lanes.Record {
	s.t.Helper()
	return s.record(id, "completed", within, func(r lanes.Record) bool {
		if r.State == lanes.Dead {
			s.t.Fatalf("job %s is dead: %s: %s", id, r.Reason, r.Error)
		}
		return r.State == lanes.Completed
	})
}

// process is a siren process that runs for a while.
type process struct {
	s    *site
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start runs siren until it is stopped, at the end of the test at the latest; then it must exit with 0.
func (s *site) start(name string, args ...string) *process {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.dir, "log", name+".log"))
	s.must(err)
	defer log.Close() // the process has its own copy
	p := &process{s: s, name: name, cmd: exec.Command(sirenPath, args...), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.env, s.dir, log, log
	// A group of its own, as a shell gives each command. Nothing of it must outlive a test run that is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	s.must(p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the exit code is read from its state
	}()
	s.t.Cleanup(func() { p.stop(30 * time.Second) })
	return p
}

// scaler starts a scaler with the workers that it wants, and waits until every pool has its least number of workers.
func (s *site) scaler() *process {
	s.t.Helper()
	p := s.start("scaler", "scaler", "--policy", s.policy, "--data", filepath.Join(s.dir, "log", "fleet"), "--drain-timeout", "5s")
	parsed, err := lanes.Load(s.policy)
	s.must(err)
	s.await("the fleet to be there", 60*time.Second, func() (bool, string) {
		pools, err := s.pools()
		if err != nil {
			return false, err.Error()
		}
		for _, q := range parsed.Pools {
			if pools[q.Name].Ready < q.Min {
				return false, fmt.Sprintf("%+v", pools)
			}
		}
		return true, ""
	})
	return p
}

// pools is what `siren pools` says.
func (s *site) pools() (map[string]lanes.PoolStatus, error) {
	r := s.siren("", "pools", "-o", "json")
	var list []lanes.PoolStatus
	if err := json.Unmarshal([]byte(r.out), &list); err != nil {
		return nil, fmt.Errorf("siren pools: %s", r)
	}
	pools := map[string]lanes.PoolStatus{}
	for _, p := range list {
		pools[p.Name] = p
	}
	return pools, nil
}

// worker starts a worker by hand.
func (s *site) worker(name, pool, drain string) *process {
	s.t.Helper()
	return s.start(name, "worker", "--pool", pool, "--name", name, "--drain-timeout", drain)
}

func (p *process) signal(sig syscall.Signal) {
	p.s.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.s.t.Fatalf("%s: %s: %v", sig, p.name, err)
	}
}

// ends waits for the process to exit with 0.
func (p *process) ends(within time.Duration) {
	p.s.t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		p.s.t.Errorf("%s was still there after %s", p.name, within)
		return
	}
	if !p.cmd.ProcessState.Success() {
		p.s.t.Errorf("%s ended with %s", p.name, p.cmd.ProcessState)
	}
}

// stop ends the process unless it has ended already.
func (p *process) stop(within time.Duration) {
	p.s.t.Helper()
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.ends(within)
}

// result is what a siren command said.
type result struct {
	out, err string
	code     int
}

func (r result) String() string { return fmt.Sprintf("exit code %d\n%s%s", r.code, r.out, r.err) }

// siren runs a command to its end.
func (s *site) siren(stdin string, args ...string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, sirenPath, args...)
	c.Env, c.Dir, c.Stdin, c.Stdout, c.Stderr = s.env, s.dir, strings.NewReader(stdin), &out, &errs
	err := c.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("siren %s: %v", strings.Join(args, " "), err)
	}
	return result{out.String(), errs.String(), c.ProcessState.ExitCode()}
}

// enqueue puts a job into its lane by the command line, and returns its id.
func (s *site) enqueue(args ...string) string {
	s.t.Helper()
	r := s.siren("", append([]string{"enqueue"}, args...)...)
	if r.code != 0 {
		s.t.Fatalf("siren enqueue: %s", r)
	}
	return strings.TrimSpace(r.out)
}

// broker gives a plain AMQP channel: for what other producers do, and to look behind Siren.
func (s *site) broker(use func(*amqp.Channel)) {
	s.t.Helper()
	conn, err := amqp.Dial(rabbitmq.URL)
	s.must(err)
	defer conn.Close()
	ch, err := conn.Channel()
	s.must(err)
	use(ch)
}

// publish sends jobs to the exchange with a routing key as any AMQP client may, past all of Siren's checks.
func (s *site) publish(key string, jobs ...lanes.Job) {
	s.t.Helper()
	s.broker(func(ch *amqp.Channel) {
		s.must(ch.Confirm(false))
		for _, j := range jobs {
			body, err := json.Marshal(j)
			s.must(err)
			c, err := ch.PublishWithDeferredConfirm("siren.jobs", key, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
			s.must(err)
			if ok, err := c.WaitContext(s.t.Context()); err != nil || !ok {
				s.t.Fatalf("publish job %s: confirmed %t, %v", j.ID, ok, err)
			}
		}
	})
}

// ready is how many messages wait in a queue; 0 when there is no such queue.
func (s *site) ready(queue string) (n int) {
	s.t.Helper()
	s.broker(func(ch *amqp.Channel) {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		if refused := (*amqp.Error)(nil); !errors.As(err, &refused) || refused.Code != amqp.NotFound {
			s.must(err)
		}
		n = q.Messages
	})
	return n
}

// deadLetters takes every message out of siren.dead, by id.
func (s *site) deadLetters() map[string]amqp.Delivery {
	s.t.Helper()
	letters := map[string]amqp.Delivery{}
	s.broker(func(ch *amqp.Channel) {
		for {
			d, ok, err := ch.Get(deadQueue, true)
			s.must(err)
			if !ok {
				return
			}
			letters[d.MessageId] = d
		}
	})
	return letters
}

// input and output are URLs of files that jobs may read and write.
func (s *site) input(name string) string  { return "file://" + filepath.Join(s.dir, "in", name) }
func (s *site) output(name string) string { return "file://" + filepath.Join(s.dir, "out", name) }

// path is the file that a URL names.
func path(url string) string { return strings.TrimPrefix(url, "file://") }
