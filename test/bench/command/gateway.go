package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/wait"
)

const (
	httpSenders = 32 // that enqueue a job at a time
	httpLot     = 2000
	httpBatch   = 1000 // jobs of a request
	httpBatches = 6
	httpRate    = 500 // single jobs a second, of the measured delays
)

// Gateway measures jobs that are enqueued over HTTP beside the same ones that the client sends by AMQP: how many a
// second when each sender waits for the answer, how long an answer takes at a steady rate, and how many a second in
// requests of a thousand. Each has a record in Redis and the broker's confirm when it is answered, either way.
func Gateway(ctx context.Context, b *stand.Bench) (all []report.Figure, err error) {
	g, err := openGateway(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.stop()) }()
	direct := func(ctx context.Context, jobs []job.Job) error {
		for _, o := range b.Client.EnqueueBatch(ctx, jobs) {
			if o.Err != nil {
				return o.Err
			}
		}
		return nil
	}
	const against = "the client, by AMQP"
	single := report.Figure{
		Name: fmt.Sprintf("single jobs over HTTP, %d at once", httpSenders), Unit: "jobs/s", Against: against,
		Aim: &report.Aim{AtLeast: 500},
	}
	delay := report.Figure{
		Name: fmt.Sprintf("single jobs over HTTP, %d/s, p50", httpRate), Unit: "ms", Against: against,
	}
	slow := report.Figure{
		Name: fmt.Sprintf("single jobs over HTTP, %d/s, p99", httpRate), Unit: "ms", Against: against,
		Aim: &report.Aim{AtMost: 15},
	}
	batch := report.Figure{
		Name: fmt.Sprintf("jobs over HTTP by %d", httpBatch), Unit: "jobs/s", Against: against,
		Aim: &report.Aim{OfRatio: true, AtLeast: 0.6},
	}
	if err := errors.Join(inBatches(ctx, b, nil, g.send), inBatches(ctx, b, nil, direct)); err != nil { // to warm up
		return nil, err
	}
	for run := range b.Runs {
		b.Say("jobs over HTTP, run %d of %d", run+1, b.Runs)
		ways := []func() error{
			func() error { return singly(ctx, b, &single.Siren, g.send) },
			func() error { return singly(ctx, b, &single.Baseline, direct) },
			func() error { return steadily(ctx, b, &delay.Siren, &slow.Siren, g.send) },
			func() error { return steadily(ctx, b, &delay.Baseline, &slow.Baseline, direct) },
			func() error { return inBatches(ctx, b, &batch.Siren, g.send) },
			func() error { return inBatches(ctx, b, &batch.Baseline, direct) },
		}
		for i := range ways { // each run another one of a pair comes first
			if err := errors.Join(b.Raw.Purge(), ways[i^run&1]()); err != nil {
				return nil, err
			}
		}
	}
	return []report.Figure{single, delay, slow, batch}, b.Raw.Purge()
}

// sender enqueues jobs, and returns when they are confirmed.
type sender func(ctx context.Context, jobs []job.Job) error

// singly adds how many jobs a second some senders enqueue that send one at a time.
func singly(ctx context.Context, b *stand.Bench, rates *[]float64, send sender) error {
	jobs := probes(b, httpLot)
	var next atomic.Int64
	var senders sync.WaitGroup
	problems := make([]error, httpSenders)
	began := time.Now()
	for k := range httpSenders {
		senders.Go(func() {
			for problems[k] == nil {
				n := int(next.Add(1)) - 1
				if n >= len(jobs) {
					return
				}
				problems[k] = send(ctx, jobs[n:n+1])
			}
		})
	}
	senders.Wait()
	*rates = append(*rates, float64(len(jobs))/time.Since(began).Seconds())
	return errors.Join(problems...)
}

// steadily adds how long single jobs take, in milliseconds, that are sent at a steady rate whether or not the ones
// before are answered. Each counts from the moment at which it was to be sent.
func steadily(ctx context.Context, b *stand.Bench, half, most *[]float64, send sender) error {
	jobs := probes(b, 6*httpRate)
	took, problems := make([]float64, len(jobs)), make([]error, len(jobs))
	var sent sync.WaitGroup
	for i, began := 0, time.Now(); i < len(jobs); i++ {
		at := began.Add(time.Duration(i) * time.Second / httpRate)
		time.Sleep(time.Until(at))
		sent.Go(func() {
			problems[i] = send(ctx, jobs[i:i+1])
			took[i] = report.Millis(time.Since(at))
		})
	}
	sent.Wait()
	*half, *most = append(*half, report.Percentile(took, 50)), append(*most, report.Percentile(took, 99))
	return errors.Join(problems...)
}

// inBatches adds how many jobs a second two senders enqueue that send many at a time.
func inBatches(ctx context.Context, b *stand.Bench, rates *[]float64, send sender) error {
	jobs := probes(b, httpBatches*httpBatch)
	half := len(jobs) / 2
	var senders sync.WaitGroup
	problems := make([]error, 2)
	began := time.Now()
	for k := range problems {
		senders.Go(func() {
			for mine := jobs[k*half : (k+1)*half]; len(mine) > 0 && problems[k] == nil; mine = mine[httpBatch:] {
				problems[k] = send(ctx, mine[:httpBatch])
			}
		})
	}
	senders.Wait()
	if rates != nil {
		*rates = append(*rates, float64(len(jobs))/time.Since(began).Seconds())
	}
	return errors.Join(problems...)
}

func probes(b *stand.Bench, n int) []job.Job {
	jobs := make([]job.Job, n)
	for i := range jobs {
		jobs[i] = b.Media(stand.StandardLane, "probe", ".json", filepath.Join(b.Dir, "clip.mp4"), `{}`)
	}
	return jobs
}

// gateway is a `siren gateway` on the bench's servers.
type gateway struct {
	cmd    *exec.Cmd
	ended  chan error
	url    string
	tokens []string // of several subjects: one may not ask as often as is measured
	turn   atomic.Int64
	http   http.Client
}

func openGateway(ctx context.Context, b *stand.Bench) (g *gateway, err error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		return nil, err
	}
	g = &gateway{ended: make(chan error, 1), url: "http://" + address}
	g.http.Transport = &http.Transport{MaxIdleConnsPerHost: 2 * httpSenders}
	file := filepath.Join(b.Dir, "tokens.yaml")
	for n := range 8 {
		token, err := said(ctx, b, "tokens", "create", fmt.Sprint("bench-", n), "--role", "producer", "--file", file)
		if err != nil {
			return nil, err
		}
		g.tokens = append(g.tokens, strings.TrimSpace(string(token)))
	}
	log, err := os.Create(filepath.Join(b.Dir, "gateway.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own copy
	g.cmd = b.Command(context.WithoutCancel(ctx), "gateway", "--address", address, "--tokens", file, "--listen", "")
	g.cmd.Stdout, g.cmd.Stderr = log, log
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM} // Ctrl-C is for us to pass on
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { g.ended <- g.cmd.Wait() }()
	err = wait.Until(ctx, 30*time.Second, "the gateway to answer", func() (bool, error) {
		r, err := g.http.Get(g.url + "/openapi.json")
		if err != nil {
			return false, nil //nolint:nilerr // not yet
		}
		return true, r.Body.Close()
	})
	if err != nil {
		err = errors.Join(err, g.stop())
	}
	return g, err
}

// send enqueues jobs by one request.
func (g *gateway) send(ctx context.Context, jobs []job.Job) error {
	var content any = jobs
	if len(jobs) == 1 {
		content = jobs[0]
	}
	body, err := json.Marshal(content)
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/v1/jobs", bytes.NewReader(body))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Authorization", "Bearer "+g.tokens[int(g.turn.Add(1))%len(g.tokens)])
	r, err := g.http.Do(q)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("the gateway answered %s: %s", r.Status, text)
	}
	return err
}

func (g *gateway) stop() error {
	g.http.CloseIdleConnections()
	return stop("gateway", g.cmd, g.ended)
}
