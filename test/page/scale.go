package main

import (
	"bufio"
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
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
)

// scale is how much there is in Redis for the page.
type scale struct{ Workers, Records int }

// asked is what is asked of the gateway, and timed.
var asked = []string{
	"/v1/lanes", "/v1/history?since=6h", "/v1/workers?limit=100", "/v1/workers?limit=100&jobs=true",
	"/v1/workers?limit=1000", "/v1/jobs?limit=50", "/v1/jobs?limit=50&state=running", "/v1/jobs?limit=50&state=missing",
	"/v1/jobs?limit=50&selector=customer%3Dnobody", "/v1/dead/reasons",
}

const timesAsked = 20

// runScale fills a Redis of its own, runs a gateway on it, and says how long its answers and its page take, and how
// much memory they need. What it says depends on the machine: it fails only when something doesn't work.
func runScale(ctx context.Context, siren, here string, of scale) error {
	dir, err := os.MkdirTemp("", "siren-page-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	redis, err := servers.StartRedis(ctx, servers.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = redis.Stop(context.WithoutCancel(ctx)) }()
	began := time.Now()
	f, err := newFiller(ctx, redis.URL, of)
	if err != nil {
		return err
	}
	defer f.store.Close()
	if err := f.fill(ctx); err != nil {
		return err
	}
	memory, err := f.memory(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d workers and %d records in %.0f s; Redis has %d MB\n", of.Workers, of.Records,
		time.Since(began).Seconds(), memory>>20)
	ctx, end := context.WithCancel(ctx)
	beating := make(chan error, 1)
	go func() { beating <- f.keepBeating(ctx) }()
	defer func() {
		end()
		if err := <-beating; err != nil {
			fmt.Fprintln(os.Stderr, "page: the heartbeats:", err)
		}
	}()
	g, url, err := startGateway(ctx, siren, dir, redis.URL)
	if err != nil {
		return err
	}
	defer func() { _ = g.Process.Signal(syscall.SIGTERM); _ = g.Wait() }()
	for _, path := range asked {
		if err := timeAnswers(url, path); err != nil {
			return err
		}
	}
	order, err := json.Marshal(map[string]any{"url": url, "job": f.id(0)})
	if err != nil {
		return err
	}
	node := exec.CommandContext(ctx, "node", filepath.Join(here, "scale.mjs"), string(order))
	node.Stdout, node.Stderr = os.Stdout, os.Stderr
	err = node.Run()
	fmt.Printf("gateway: %d MB resident, %d MB at most\n", resident(g.Process.Pid, "VmRSS:"),
		resident(g.Process.Pid, "VmHWM:"))
	fmt.Printf("load of the machine: %s", loadavg())
	return err
}

// startGateway starts a gateway on this Redis, for everybody, and returns when it answers.
func startGateway(ctx context.Context, siren, dir, redisURL string) (*exec.Cmd, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	at := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, "", err
	}
	log, err := os.Create(filepath.Join(dir, "gateway.log"))
	if err != nil {
		return nil, "", err
	}
	defer log.Close()
	c := exec.CommandContext(ctx, siren, "gateway", "--auth", "none", "--address", at)
	c.Env = append(os.Environ(), "XDG_STATE_HOME="+dir, "XDG_CONFIG_HOME="+dir, "SIREN_REDIS_URL="+redisURL,
		"SIREN_AMQP_URL=amqp://127.0.0.1:9/") // where none is: nobody enqueues anything
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		return nil, "", err
	}
	for range 300 {
		if r, err := http.Get("http://" + at + "/v1/whoami"); err == nil {
			r.Body.Close()
			return c, "http://" + at, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	said, _ := os.ReadFile(log.Name())
	return nil, "", fmt.Errorf("the gateway doesn't answer: %s", said)
}

// timeAnswers asks for something again and again, and says how long the answers took.
func timeAnswers(url, path string) error {
	var took []time.Duration
	size := 0
	for range timesAsked {
		began := time.Now()
		r, err := http.Get(url + path)
		if err != nil {
			return err
		}
		said, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK {
			return errors.Join(err, fmt.Errorf("GET %s: %s %.200s", path, r.Status, said))
		}
		took, size = append(took, time.Since(began)), len(said)
	}
	slices.Sort(took)
	fmt.Printf("GET %-46s median %6.1f ms  longest %6.1f ms  %7d bytes\n", path,
		1000*took[len(took)/2].Seconds(), 1000*took[len(took)-1].Seconds(), size)
	return nil
}

// resident returns how much memory a process has, in MB, as its status in /proc says.
func resident(pid int, field string) (mb int) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), field); ok {
			_, _ = fmt.Sscan(rest, &mb) // in kB
		}
	}
	return mb >> 10
}

func loadavg() string {
	text, _ := os.ReadFile("/proc/loadavg")
	return string(text)
}
