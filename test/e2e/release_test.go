//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

const chart = "../../charts/siren"

// policy is what most tests run with: small pods, short objectives, and hold windows that a test can wait for.
const policy = `
lanes:
  - {name: express, match: [urgent=true], startWithin: 2s}
  - {name: standard, startWithin: 10s}
  - {name: bulk, match: [batch=true], startWithin: 1m}
pools:
  - {name: general, lanes: [express, standard], guests: [bulk], slots: 1, shoulder: {express: 1},
     min: 1, max: 6, hold: 5s, slot: &slot {memory: 640Mi, scratch: 256Mi, cores: 0.1}}
  - {name: batch, lanes: [bulk], slots: 1, max: 4, hold: 5s, slot: *slot}
budget: 8
storage: [{prefix: "s3://media/", read: true, write: true}]
`

// release is Siren installed in the site's namespace, with its own RabbitMQ and Redis, whose storage is an S3 server
// there.
type release struct {
	*site
	storage *storage
	values  map[string]any
	client  *client.Client // for producers
	store   *redislink.Store
	board   *redis.Board
	roster  *redis.Roster
}

// values is a tree of Helm values.
type values = map[string]any

// baseValues returns what every release of the suite is installed with.
func (s *site) baseValues(policy string) values {
	s.Helper()
	var p map[string]any
	s.must(yaml.Unmarshal([]byte(policy), &p))
	repository, tag := splitImage(image)
	workerRepository, workerTag := splitImage(workerImage)
	return values{
		"image":       values{"repository": repository, "tag": tag},
		"workerImage": values{"repository": workerRepository, "tag": workerTag},
		"policy":      p,
		"workers":     values{"minReadySeconds": 0}, // rollouts take a while as it is
		"rabbitmq":    values{"enabled": true},
		"redis":       values{"enabled": true},
		"s3": values{
			"endpoint": "http://s3:7070", "region": "us-east-1", "pathStyle": true,
			"accessKeyID": accessKey, "secretAccessKey": secretKey,
		},
	}
}

func splitImage(ref string) (repository, tag string) {
	i := strings.LastIndexByte(ref, ':')
	return ref[:i], ref[i+1:]
}

// merge puts more into a tree of values.
func merge(into, more values) values {
	for k, v := range more {
		deeper, ok := v.(values)
		if old, was := into[k].(values); ok && was {
			merge(old, deeper)
			continue
		}
		into[k] = v
	}
	return into
}

// install installs the chart and connects to it.
func (s *site) install(policy string, more ...values) *release {
	s.Helper()
	r := &release{site: s, storage: s.startStorage(), values: s.baseValues(policy)}
	for _, m := range more {
		merge(r.values, m)
	}
	r.helm("install")
	r.connect()
	return r
}

// helm installs or upgrades the release by its values, and waits until all is ready.
func (r *release) helm(verb string) string {
	r.Helper()
	args := []string{verb, "siren", chart, "--namespace", r.namespace, "--wait", "--timeout", "3m"}
	if brokers != "" {
		args = append(args, "--values", brokers)
	}
	return r.run("helm", append(args, "--values", r.write("values.yaml", r.values))...)
}

// upgrade changes some values.
func (r *release) upgrade(more values) {
	r.Helper()
	merge(r.values, more)
	r.helm("upgrade")
}

// withPolicy upgrades to another policy.
func (r *release) withPolicy(text string) {
	r.Helper()
	var p map[string]any
	r.must(yaml.Unmarshal([]byte(text), &p))
	r.values["policy"] = p
	r.helm("upgrade")
}

func (r *release) write(name string, v any) (file string) {
	r.Helper()
	text, err := yaml.Marshal(v)
	r.must(err)
	file = filepath.Join(r.TempDir(), name)
	r.must(os.WriteFile(file, text, 0o600))
	return file
}

// connect opens a producer's client and the board, through forwards that survive the servers' restarts.
func (r *release) connect() {
	r.Helper()
	amqpURL := r.forwarded("siren-rabbitmq", 5672)
	redisURL := r.forwarded("siren-redis", 6379)
	var err error
	r.client, err = client.New(client.Options{AMQPURL: amqpURL, RedisURL: redisURL, Name: "e2e"})
	r.must(err)
	r.Cleanup(func() { _ = r.client.Close() })
	r.store, err = redislink.Open(redisURL, slog.New(slog.DiscardHandler))
	r.must(err)
	r.Cleanup(func() { _ = r.store.Close() })
	r.board = redis.NewBoard(r.store, slog.New(slog.DiscardHandler))
	r.roster = redis.NewRoster(r.store, slog.New(slog.DiscardHandler))
}

// forwarded returns the URL in the Secret of a bundled server, with an address that this machine reaches.
func (r *release) forwarded(server string, port int) string {
	r.Helper()
	encoded := r.kubectl("get", "secret", server, "-o", "jsonpath={.data.url}")
	text, err := base64.StdEncoding.DecodeString(encoded)
	r.must(err)
	u, err := url.Parse(string(text))
	r.must(err)
	u.Host = r.forward("service/"+server, port)
	return u.String()
}

// jobs makes n jobs of the same kind. Their ids and outputs begin with the prefix.
func (r *release) jobs(prefix string, n int, template job.Job) []job.Job {
	jobs := make([]job.Job, n)
	ext := map[string]string{"probe": "json", "thumbnail": "jpg", "transcode": "mp4", "image": "avif"}[template.Kind]
	for i := range jobs {
		jobs[i] = template
		jobs[i].ID = fmt.Sprintf("%s-%03d", prefix, i)
		jobs[i].Output = fmt.Sprintf("s3://%s/out/%s.%s", bucket, jobs[i].ID, ext)
	}
	return jobs
}

// enqueue puts the jobs into their lanes, as a patient producer does: again until each is confirmed.
func (r *release) enqueue(jobs []job.Job) {
	r.Helper()
	for end := time.Now().Add(2 * time.Minute); ; {
		var again []job.Job
		var last error
		for i, o := range r.client.EnqueueBatch(r.Context(), jobs) {
			if o.Err != nil {
				again, last = append(again, jobs[i]), o.Err
			}
		}
		if len(again) == 0 {
			return
		}
		if time.Now().After(end) {
			r.Fatalf("%d jobs couldn't be enqueued: %v", len(again), last)
		}
		jobs = again
		time.Sleep(200 * time.Millisecond)
	}
}

// begun returns the jobs that weren't cancelled before they began, at least one.
func (r *release) begun(jobs []job.Job) (begun []job.Job) {
	r.Helper()
	for _, j := range jobs {
		record, err := r.client.Get(r.Context(), j.ID)
		r.must(err)
		if record.State != job.Cancelled {
			begun = append(begun, j)
		}
	}
	if len(begun) == 0 {
		r.Fatalf("all %d jobs were cancelled", len(jobs))
	}
	return begun
}

// completed waits until every job has ended, and fails the test unless each is completed and its output is there.
func (r *release) completed(jobs []job.Job, within time.Duration) map[string]job.Record {
	r.Helper()
	records := map[string]job.Record{}
	var open []string
	r.await(fmt.Sprintf("%d jobs to end", len(jobs)), within, func() (bool, string) {
		open = nil
		for _, j := range jobs {
			if records[j.ID].State.Final() {
				continue
			}
			ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
			record, err := r.client.Get(ctx, j.ID)
			cancel()
			if err != nil || !record.State.Final() {
				open = append(open, fmt.Sprintf("%s %s %v", j.ID, record.State, err))
			}
			records[j.ID] = record
		}
		return len(open) == 0, fmt.Sprintf("%d open: %.300s", len(open), strings.Join(open, ", "))
	})
	stored := map[string]bool{}
	for _, key := range r.storage.keys("out/") {
		stored["s3://"+bucket+"/"+key] = true
	}
	for _, j := range jobs {
		if record := records[j.ID]; record.State != job.Completed || !stored[j.Output] {
			r.Errorf("job %s: %s, output there: %v (%s %s)", j.ID, record.State, stored[j.Output], record.Reason,
				record.Error)
		}
	}
	return records
}

// uninterrupted fails the test for every job that was started more than once.
func (r *release) uninterrupted(records map[string]job.Record) {
	r.Helper()
	for id, record := range records {
		if record.Attempts != 1 || record.Crashes != 0 {
			r.Errorf("job %s was interrupted: %d attempts, %d crashes", id, record.Attempts, record.Crashes)
		}
	}
}

// pool returns what the leading scaler last saw of a pool; zero while nothing is known.
func (r *release) pool(name string) fleet.PoolStatus {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	snapshot, err := r.board.Snapshot(ctx)
	if err != nil || time.Since(snapshot.At) > 5*time.Second {
		return fleet.PoolStatus{}
	}
	for _, p := range snapshot.Pools {
		if p.Name == name {
			return p
		}
	}
	return fleet.PoolStatus{}
}

// settled waits until a pool has exactly n replicas, all of them ready, and none parked or leaving.
func (r *release) settled(pool string, n int, within time.Duration) {
	r.Helper()
	r.await(fmt.Sprintf("%d workers in pool %s", n, pool), within, func() (bool, string) {
		p, pods := r.pool(pool), r.workers(pool)
		return p.Replicas == n && p.Ready == n && p.Parked+p.Retired == 0 && len(pods) == n,
			fmt.Sprintf("%d pods, replicas %d, ready %d, parked %d, retired %d: %s", len(pods), p.Replicas, p.Ready,
				p.Parked, p.Retired, p.Why)
	})
}

// workers returns the names of a pool's pods.
func (r *release) workers(pool string) (names []string) {
	r.Helper()
	for _, p := range r.pods("app.kubernetes.io/component=worker,siren.polyglot.media/pool=" + pool) {
		names = append(names, p.Name)
	}
	return names
}

// deployment returns a pool's Deployment.
func (r *release) deployment(pool string) *appsv1.Deployment {
	r.Helper()
	d, err := kubeClient.AppsV1().Deployments(r.namespace).Get(r.Context(), "siren-worker-"+pool, metav1.GetOptions{})
	r.must(err)
	return d
}

// plans returns what was decided for a pool since then, the oldest first.
func (r *release) plans(pool string, since time.Time) []fleet.Plan {
	r.Helper()
	var plans []fleet.Plan
	r.await("the plans", time.Minute, func() (bool, string) { // Redis may be on its way back
		var err error
		plans, err = r.board.Plans(r.Context(), pool, since, 1000)
		return err == nil, fmt.Sprint(err)
	})
	for i, j := 0, len(plans)-1; i < j; i, j = i+1, j-1 {
		plans[i], plans[j] = plans[j], plans[i]
	}
	return plans
}

// leader returns the scaler pod that holds the Lease.
func (r *release) leader() string {
	r.Helper()
	l, err := kubeClient.CoordinationV1().Leases(r.namespace).Get(r.Context(), "siren-scaler", metav1.GetOptions{})
	if err != nil || l.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.Spec.HolderIdentity
}
