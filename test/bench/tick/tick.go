// Package tick measures what a tick of the scaler costs on a large fleet: 1,000 lanes, 200 pools, 10,000 workers.
//
// The real loop runs in a process of its own, on a real RabbitMQ with all the queues and a real Redis in which all the
// workers beat each second, two fifths of them with news. Only the workers themselves and their cluster aren't there.
package tick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/wait"
)

// Scaler measures the loop's CPU time for each tick, the longest of them, and its resident memory.
func Scaler(ctx context.Context, b *stand.Bench) (figures []report.Figure, err error) {
	cpu := report.Figure{Name: "a tick with 10,000 workers, CPU time", Unit: "ms", Aim: &report.Aim{AtMost: 100}}
	wall := report.Figure{Name: "a tick with 10,000 workers, p50", Unit: "ms"}
	memory := report.Figure{Name: "its scaler, resident memory at most", Unit: "MiB", Aim: &report.Aim{AtMost: 300}}
	redis, err := servers.StartRedis(ctx, servers.Options{Log: b.Log}) // one of its own: the bench's has other workers
	if err != nil {
		return nil, err
	}
	defer func() { _ = redis.Stop(context.WithoutCancel(ctx)) }()
	amqp, err := servers.StartRabbitMQ(ctx, servers.Options{Log: b.Log})
	if err != nil {
		return nil, err
	}
	defer func() { _ = amqp.Stop(context.WithoutCancel(ctx)) }()
	b.Say("declaring 1,000 queues")
	if err := declare(ctx, b, amqp.URL); err != nil {
		return nil, err
	}
	o, err := goredis.ParseURL(redis.URL)
	if err != nil {
		return nil, err
	}
	c := goredis.NewClient(o)
	defer func() { _ = c.Close() }()
	beating, stop := context.WithCancel(ctx)
	beaten := make(chan error, 1)
	go func() { beaten <- beats(beating, c) }()
	defer func() {
		stop()
		err = errors.Join(err, <-beaten)
	}()
	for run := range b.Runs {
		b.Say("ticks of a scaler with 10,000 workers, run %d of %d", run+1, b.Runs)
		m, err := child(ctx, amqp.URL, redis.URL)
		if err != nil {
			return nil, err
		}
		cpu.Siren, wall.Siren = append(cpu.Siren, m.CPU), append(wall.Siren, m.Took)
		memory.Siren = append(memory.Siren, m.Memory)
	}
	return []report.Figure{cpu, wall, memory}, nil
}

// declare makes the queues of the large fleet.
func declare(ctx context.Context, b *stand.Bench, url string) error {
	p, err := policy()
	if err != nil {
		return err
	}
	conn, err := rabbitlink.Open(rabbitlink.Options{URL: url, Name: "bench declare", Log: b.Log})
	if err != nil {
		return err
	}
	defer conn.Close()
	var last error
	err = wait.Until(ctx, 3*time.Minute, "the queues to be declared", func() (bool, error) { // so many take their time
		last = topology.Declare(ctx, conn, p, nil)
		return last == nil, nil
	})
	return errors.Join(err, last)
}

// measured is what a child says at its end.
type measured struct {
	CPU    float64 // ms of CPU time for each tick
	Took   float64 // ms that a tick took, the median
	Memory float64 // MiB that were resident at most
}

// childVariable has a child's servers, as JSON.
const childVariable = "SIREN_BENCH_TICK"

// child runs the loop in a process of its own: this same program (see Child).
func child(ctx context.Context, amqpURL, redisURL string) (m measured, err error) {
	self, err := os.Executable()
	if err != nil {
		return m, err
	}
	at, err := json.Marshal([]string{amqpURL, redisURL})
	if err != nil {
		return m, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childVariable+"="+string(at))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	text, err := cmd.Output()
	if err != nil {
		return m, fmt.Errorf("the scaler's process: %w", err)
	}
	return m, json.Unmarshal(text, &m)
}

// Child runs the loop if this process was started for that, and reports whether it was. It prints what it measured.
func Child(ctx context.Context) (was bool, err error) {
	text := os.Getenv(childVariable)
	if text == "" {
		return false, nil
	}
	var at []string
	if err := json.Unmarshal([]byte(text), &at); err != nil || len(at) != 2 {
		return true, errors.Join(err, errors.New("no servers were given"))
	}
	m, err := loop(ctx, at[0], at[1])
	if err != nil {
		return true, err
	}
	return true, json.NewEncoder(os.Stdout).Encode(m)
}
