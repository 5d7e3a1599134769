package system_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/lanes/job"
)

// web API of a gateway of the site's own.
type api struct {
	*process
	url string
}

var listens = regexp.MustCompile(`msg="answering requests" address=(\S+)`)

// gateway starts a gateway at an address; "" is any free one. Without flags it is for everybody on this machine.
func (s *site) gateway(name, address string, flags ...string) *api {
	s.t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	if flags == nil {
		flags = []string{"--auth", "none"}
	}
	p := s.start(name, append([]string{"gateway", "--address", address}, flags...)...)
	g := &api{process: p}
	s.await(name+" to answer", 60*time.Second, func() (bool, string) {
		log := tail(p.log, 30)
		if m := listens.FindStringSubmatch(log); m != nil {
			g.url = "http://" + m[1]
		}
		return g.url != "", log
	})
	return g
}

// reply is what was answered.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

// ask makes a request; headers are "Name: value". An error is that nobody answers.
func (g *api) ask(ctx context.Context, method, path, body string, headers ...string) (reply, error) {
	q, err := http.NewRequestWithContext(ctx, method, g.url+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		q.Header.Set(name, value)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return reply{}, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return reply{r.StatusCode, r.Header, string(text)}, err
}

// answers makes a request that must be answered with that status.
func (g *api) answers(t *testing.T, status int, method, path, body string, headers ...string) reply {
	t.Helper()
	r, err := g.ask(t.Context(), method, path, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	if r.status != status {
		t.Fatalf("%s %s: %s, want %d", method, path, r, status)
	}
	if status >= 400 && r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s %s: %s is no problem: %s", method, path, r.header.Get("Content-Type"), r)
	}
	return r
}

func probeJob(s *site, clip, name string) string {
	return fmt.Sprintf(`{"kind":"probe","labels":{"urgent":"true"},"input":%q,"output":%q}`, clip,
		s.output(name+".json"))
}

// A job's whole life over HTTP: enqueued, watched, explained, its log read; another one called off, retried, promoted.
func TestGateway(t *testing.T) {
	s := newSite(t, oneWorker)
	s.scaler()
	g := s.gateway("gateway", "")
	clip := s.put("clip.mp4")
	enqueue := func(body string, headers ...string) (id string) {
		t.Helper()
		r := g.answers(t, http.StatusAccepted, "POST", "/v1/jobs", body, headers...)
		var e struct{ ID, Lane string }
		s.unmarshal(r.body, &e)
		if r.header.Get("Location") != "/v1/jobs/"+e.ID {
			t.Errorf("Location is %q", r.header.Get("Location"))
		}
		return e.ID
	}

	id := enqueue(probeJob(s, clip, "life"))
	if end := g.watched(t, id); end.State != job.Completed {
		t.Errorf("watched %+v", end)
	}
	if again := g.watched(t, id); again.State != job.Completed { // from its end on
		t.Errorf("watched %+v", again)
	}
	var r job.Record
	s.unmarshal(g.answers(t, 200, "GET", "/v1/jobs/"+id, "").body, &r)
	if r.State != job.Completed || r.Lane != "express" || len(r.Outputs) != 1 {
		t.Errorf("the record is %+v", r)
	}
	g.answers(t, 200, "GET", "/v1/jobs/"+id+"/logs", "")
	if x := g.answers(t, 200, "GET", "/v1/jobs/"+id+"/explain", ""); !strings.Contains(x.body, "completed") {
		t.Errorf("explained: %s", x)
	}
	if l := g.answers(t, 200, "GET", "/v1/jobs?state=completed&lane=express", ""); !strings.Contains(l.body, id) {
		t.Errorf("listed: %s", l)
	}

	t.Run("verbs", func(t *testing.T) {
		s := s.in(t)
		s.siren("", "lanes", "pause", "bulk")
		late := enqueue(fmt.Sprintf(`{"kind":"probe","labels":{"batch":"true"},"input":%q,"output":%q}`, clip,
			s.output("v.json")))
		d := g.answers(t, 200, "POST", "/v1/bulk/cancel", `{"lane":"bulk","dryRun":true}`)
		if !strings.Contains(d.body, `"count":1`) {
			t.Errorf("a dry run says %s", d)
		}
		g.answers(t, 200, "DELETE", "/v1/jobs/"+late+"?reason=test", "")
		if a := g.answers(t, 200, "DELETE", "/v1/jobs/"+late, ""); !strings.Contains(a.body, `"already"`) {
			t.Errorf("cancelled again: %s", a)
		}
		g.answers(t, 200, "POST", "/v1/jobs/"+late+"/retry", "")
		g.answers(t, 200, "POST", "/v1/jobs/"+late+"/promote", "")
		s.completed(late, 30*time.Second)
		g.answers(t, 409, "POST", "/v1/jobs/"+late+"/promote", "")
		dead := enqueue(fmt.Sprintf(`{"kind":"probe","input":%q,"output":%q}`, s.input("later.mp4"),
			s.output("later.json")))
		s.record(dead, "dead", 30*time.Second, func(r job.Record) bool { return r.State == job.Dead })
		s.write("later.mp4", s.clip("clip.mp4"))
		g.answers(t, 200, "POST", "/v1/jobs/"+dead+"/retry", "")
		s.completed(dead, 30*time.Second)
		g.answers(t, 404, "DELETE", "/v1/jobs/nobody", "")
		s.siren("", "lanes", "resume", "bulk")
	})
	t.Run("tunings", func(t *testing.T) {
		l := g.answers(t, 200, "GET", "/v1/tunings", "")
		tag := l.header.Get("ETag")
		field := "/v1/tunings/lanes.standard.startWithin"
		set := `{"value":"20s","for":"10m","reason":"launch"}`
		if d := g.answers(t, 200, "PUT", field+"?dryRun=true", set); !strings.Contains(d.body, `"plansAfter"`) {
			t.Errorf("a dry run says %s", d)
		}
		g.answers(t, 200, "PUT", field, set, "If-Match: "+tag)
		g.answers(t, 412, "PUT", field, `{"value":"25s"}`, "If-Match: "+tag)
		g.answers(t, 404, "PUT", "/v1/tunings/lanes.nolane.reserve", `{"value":1}`)
		if l := g.answers(t, 200, "GET", "/v1/lanes", ""); !strings.Contains(l.body, `"startWithin":"20s"`) {
			t.Errorf("not in force: %s", l)
		}
		g.answers(t, 200, "DELETE", field, "")
		if a := g.answers(t, 200, "GET", "/v1/audit?on=lanes.standard", ""); strings.Count(a.body, `"launch"`) != 1 {
			t.Errorf("the audit log has %s", a)
		}
	})
	t.Run("once", func(t *testing.T) {
		body, key := probeJob(s, clip, "once"), "Idempotency-Key: an order"
		first := g.answers(t, 202, "POST", "/v1/jobs", body, key)
		if again := g.answers(t, 202, "POST", "/v1/jobs", body, key); again.body != first.body {
			t.Errorf("answered %s, then %s", first, again)
		}
		g.answers(t, 422, "POST", "/v1/jobs", probeJob(s, clip, "other"), key)
	})
	t.Run("many", func(t *testing.T) {
		good := probeJob(s, clip, "many")
		r := g.answers(t, 422, "POST", "/v1/jobs", "["+good+`,{"kind":"probe","input":"x"}]`)
		if !strings.Contains(r.body, `"location":"body[1]"`) {
			t.Errorf("what is wrong isn't said: %s", r)
		}
		r = g.answers(t, 202, "POST", "/v1/jobs", "["+good+","+probeJob(s, clip, "many2")+"]")
		if strings.Count(r.body, `"id"`) != 2 {
			t.Errorf("two jobs: %s", r)
		}
	})
	t.Run("refused", func(t *testing.T) {
		deep := strings.Repeat("[", 100_000)
		for name, c := range map[string]struct {
			status  int
			body    string
			headers []string
		}{
			"not JSON":      {400, "{", nil},
			"deep":          {400, deep, nil},
			"another type":  {415, "kind=probe", []string{"Content-Type: application/x-www-form-urlencoded"}},
			"compressed":    {415, "\x1f\x8b", []string{"Content-Encoding: gzip"}},
			"large":         {413, strings.Repeat(" ", 9<<20), nil},
			"no job":        {422, "[]", nil},
			"unknown field": {422, strings.Replace(probeJob(s, clip, "f"), `"kind"`, `"kimd"`, 1), nil},
			"foreign page":  {403, probeJob(s, clip, "f"), []string{"Origin: https://evil.example"}},
			"foreign name":  {403, probeJob(s, clip, "f"), []string{"Host: evil.example"}},
		} {
			t.Run(name, func(t *testing.T) {
				if name == "foreign name" {
					q, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/v1/lanes", nil)
					q.Host = "evil.example"
					r, err := http.DefaultClient.Do(q)
					if err != nil || r.StatusCode != http.StatusForbidden {
						t.Errorf("%v, %v", r, err)
					}
					return
				}
				g.answers(t, c.status, "POST", "/v1/jobs", c.body, c.headers...)
			})
		}
		g.answers(t, 404, "GET", "/v1/nothing", "")
		g.answers(t, 404, "GET", "/v1/jobs/nobody", "")
		g.answers(t, 422, "GET", "/v1/jobs?state=gone", "")
	})
	s.awaitNone("jobs", 60*time.Second, func() (int, string) { return s.left(), "left in the lanes" })
}

// watched follows a job's events to the last, and returns the last record.
func (g *api) watched(t *testing.T, id string) (r job.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	q, _ := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/v1/jobs/"+id+"/events", nil)
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	event := ""
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if name, is := strings.CutPrefix(lines.Text(), "event: "); is {
			event = name
		}
		data, is := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case is && event == "job":
			if err := json.Unmarshal([]byte(data), &r); err != nil {
				t.Fatalf("%s: %v", data, err)
			}
		case is && event == "end":
			return r
		}
	}
	t.Fatalf("the stream of job %s broke off", id)
	return r
}

// The gateway is killed, RabbitMQ takes nothing for a while, Redis goes away, all in mid-load. No job that was answered
// with 202 is lost, none is there twice, and no key is answered twice differently.
func TestGatewayUnderFire(t *testing.T) {
	t.Parallel()
	rabbitmq, err := servers.StartRabbitMQ(t.Context(), servers.Options{}) // not that of all
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rabbitmq.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s := newSiteOn(t, rabbitmq.URL, oneWorker)
	s.scaler()
	clip := s.put("clip.mp4")
	g := s.gateway("gateway-1", "")
	address := strings.TrimPrefix(g.url, "http://")

	var mu sync.Mutex
	accepted := map[string]string{} // ids, by key
	ctx, done := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for k := range 3 {
		load.Go(func() {
			for n := 0; ctx.Err() == nil && n < 40; n++ {
				name := fmt.Sprintf("fire-%d-%d", k, n)
				for range 2 { // the second one asks for the same answer again
					id := g.insist(t, name, probeJob(s, clip, name))
					mu.Lock()
					if known := accepted[name]; known != "" && known != id {
						t.Errorf("key %s was answered with job %s, then %s", name, known, id)
					}
					accepted[name] = id
					mu.Unlock()
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	for round := range 2 {
		s.must(syscall.Kill(g.cmd.Process.Pid, syscall.SIGKILL))
		<-g.done
		next := s.gateway(fmt.Sprint("gateway-", round+2), address)
		g.process = next.process
		for _, mark := range []string{"0.000001", "0.4"} { // it takes nothing for a while
			_, err := rabbitmq.Rabbitmqctl(t.Context(), "set_vm_memory_high_watermark", mark)
			s.must(err)
			time.Sleep(time.Second)
		}
		s.must(s.redis.Restart(t.Context()))
	}
	load.Wait()
	done()
	for name, id := range accepted {
		r := s.completed(id, 60*time.Second)
		if r.Output != s.output(name+".json") {
			t.Errorf("job %s has output %s, want that of %s", id, r.Output, name)
		}
	}
	if files, _ := os.ReadDir(strings.TrimPrefix(s.output(""), "file://")); len(files) < len(accepted) {
		t.Errorf("%d outputs of %d jobs", len(files), len(accepted))
	}
}

// insist enqueues a job as a patient producer does, under one key, until it is answered with 202.
func (g *api) insist(t *testing.T, key, body string) (id string) {
	var last any
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		r, err := g.ask(t.Context(), "POST", "/v1/jobs", body, "Idempotency-Key: "+key)
		last = errors.Join(err, errors.New(r.String()))
		if err != nil {
			continue
		}
		switch r.status {
		case 202:
			var e struct{ ID string }
			if err := json.NewDecoder(bytes.NewReader([]byte(r.body))).Decode(&e); err != nil {
				t.Error(err)
			}
			return e.ID
		case 409, 503:
			if r.header.Get("Retry-After") == "" {
				t.Errorf("%s doesn't say when to try again", r)
			}
		default:
			t.Errorf("enqueue %s: %s", key, r)
			return ""
		}
	}
	t.Errorf("enqueue %s: %v", key, last)
	return ""
}
