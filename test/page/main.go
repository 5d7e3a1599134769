// Command page runs a fleet with a gateway, fills it with jobs, and drives the gateway's web page in Chromium:
// drive.mjs says what it looks at. scripts/page installs what it needs.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/internal/gateway/auth"
)

func main() {
	siren := flag.String("siren", "bin/siren", "the binary that runs the fleet")
	here := flag.String("page", "test/page", "the folder with drive.mjs and its node_modules")
	shots := flag.String("shots", "", "a folder for pictures of what failed; none are made when empty")
	large := flag.Bool("scale", false, "say how fast a large fleet's page is instead; a gigabyte, and some minutes")
	workers := flag.Int("workers", 10_000, "how many workers that one has")
	records := flag.Int("records", 1_000_000, "how many jobs")
	flag.Parse()
	var err error
	if *large {
		err = runScale(context.Background(), *siren, *here, scale{*workers, *records})
	} else {
		err = run(context.Background(), *siren, *here, *shots)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

// policy is the fleet's: one worker, and lanes that tests may pause.
const policy = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s, reserve: 1}
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: ["batch=true"], startWithin: 30m}
pools:
  - {name: general, lanes: [express, standard, bulk], slots: 1, shoulder: {express: 1}, min: 1, max: 2}
budget: 3
timing: {coldStart: 1s}
storage: [{prefix: "@PREFIX@", read: true, write: true}]
`

// tokens is who is let in by the second gateway.
var tokens = guard{
	"read":    {Subject: "reader", Roles: []auth.Role{auth.Reader}},
	"operate": {Subject: "operator", Roles: []auth.Role{auth.Operator}},
	"acme":    {Subject: "acme", Tenant: "acme", Roles: []auth.Role{auth.Producer}},
}

type guard map[string]auth.Identity

func (g guard) Identify(_ context.Context, token string) (auth.Identity, error) {
	i, ok := g[token]
	if !ok {
		return i, auth.ErrUnknown
	}
	return i, nil
}

// order is what drive.mjs is told.
type order struct {
	Open    string            `json:"open"`    // the gateway that lets everybody do everything
	Guarded string            `json:"guarded"` // the one that asks for a token
	Done    string            `json:"done"`    // a completed job
	Dead    string            `json:"dead"`
	Hostile string            `json:"hostile"` // one whose data is meant to do harm
	Shots   string            `json:"shots"`
	Job     map[string]string `json:"job"` // input and output of one that works, before its labels
}

func run(ctx context.Context, siren, here, shots string) (err error) {
	dir, err := os.MkdirTemp("", "siren-page-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for name, value := range map[string]string{
		"XDG_STATE_HOME": dir, "XDG_CONFIG_HOME": dir, "SIREN_AMQP_URL": "", "SIREN_REDIS_URL": "",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	stop, err := up(ctx, siren, dir)
	if err != nil {
		return err
	}
	defer stop()
	ctx, end := context.WithCancel(ctx)
	defer end()
	said, err := exec.CommandContext(ctx, siren, "--version").Output()
	if err != nil {
		return err
	}
	version := strings.Fields(string(said))[1] // siren VERSION (…)
	o := order{Shots: shots, Job: map[string]string{
		"input": "file://" + dir + "/clip.mp4", "output": "file://" + dir + "/out",
	}}
	if o.Open, err = gateway(ctx, version, auth.Anybody{Name: "tester"}); err != nil {
		return err
	}
	if o.Guarded, err = gateway(ctx, version, tokens); err != nil {
		return err
	}
	if err := o.fill(dir); err != nil {
		return err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	node := exec.CommandContext(ctx, "node", filepath.Join(here, "drive.mjs"), string(text))
	node.Stdout, node.Stderr = os.Stdout, os.Stderr
	if err := node.Run(); err != nil {
		return fmt.Errorf("the page isn't as it should be: %w", err)
	}
	return nil
}

// up starts the fleet; stop stops it.
func up(ctx context.Context, siren, dir string) (stop func(), err error) {
	clip := exec.CommandContext(ctx, "ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i",
		"testsrc2=size=160x90:duration=1", filepath.Join(dir, "clip.mp4"))
	if out, err := clip.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make a clip: %w: %s", err, out)
	}
	file := filepath.Join(dir, "siren.yaml")
	yaml := strings.ReplaceAll(policy, "@PREFIX@", "file://"+dir+"/")
	if err := os.WriteFile(file, []byte(yaml), 0o644); err != nil {
		return nil, err
	}
	said := filepath.Join(dir, "up.log")
	log, err := os.Create(said)
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, siren, "up", "--policy", file, "--drain-timeout", "2s", "--address", "")
	c.Stdout, c.Stderr, c.SysProcAttr = log, log, &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	stop = func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGINT)
		if err := <-ended; err != nil {
			fmt.Fprintln(os.Stderr, "page: siren up ended:", err)
		}
	}
	for range 600 {
		if _, there := reach.Running(); there {
			return stop, nil
		}
		select {
		case err := <-ended:
			text, _ := os.ReadFile(said)
			return nil, fmt.Errorf("siren up ended: %w: %s", err, text)
		case <-time.After(100 * time.Millisecond):
		}
	}
	stop()
	return nil, errors.New("siren up isn't up after a minute")
}

// gateway starts a gateway, and returns its address.
func gateway(ctx context.Context, version string, who auth.Guard) (string, error) {
	at, err := reach.Flags{}.Find()
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	g := serve.Gateway{
		Listener: listener, Guard: who, Version: version, At: at, Log: slog.New(slog.DiscardHandler),
		Outputs: []string{"https://pictures.invalid"},
	}
	go func() {
		if err := g.Run(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "page: a gateway ended:", err)
		}
	}()
	return "http://" + listener.Addr().String(), nil
}

// harm is text that would do something if it were taken for more than text.
const harm = `"><img src=x onerror="window.harmed=1"><b id=harm>`

// fill enqueues jobs, and waits until those that should have ended.
func (o *order) fill(dir string) error {
	job := func(id, input string, labels map[string]string) map[string]any {
		return map[string]any{
			"id": id, "kind": "thumbnail", "input": "file://" + dir + "/" + input,
			"output": "file://" + dir + "/out/" + id + ".jpg", "labels": labels,
		}
	}
	o.Done, o.Dead, o.Hostile = "page-done", "page-dead", "page-hostile"
	jobs := []any{
		job(o.Done, "clip.mp4", map[string]string{"urgent": "true", "customer": "acme"}),
		job(o.Dead, "missing.mp4", map[string]string{"customer": "globex"}),
		job(o.Hostile, "missing-<b id=harm>.mp4", map[string]string{"customer": harm, "שלום": "مرحبا"}),
	}
	if err := o.post("/v1/jobs", jobs); err != nil {
		return err
	}
	for range 600 {
		if o.ended(o.Done) && o.ended(o.Dead) && o.ended(o.Hostile) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the jobs haven't ended within a minute")
}

func (o *order) post(path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	for range 100 { // until the scaler has said what the policy is
		r, err := http.Post(o.Open+path, "application/json", bytes.NewReader(text))
		if err != nil {
			return err
		}
		said, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode < 300 {
			return nil
		}
		err = fmt.Errorf("POST %s: %s: %s", path, r.Status, said)
		if r.StatusCode != http.StatusServiceUnavailable && r.StatusCode != http.StatusNotFound {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the gateway takes no jobs")
}

// ended reports whether a job has ended.
func (o *order) ended(id string) bool {
	r, err := http.Get(o.Open + "/v1/jobs/" + id)
	if err != nil {
		return false
	}
	defer r.Body.Close()
	var job struct {
		State string `json:"state"`
	}
	return json.NewDecoder(r.Body).Decode(&job) == nil && (job.State == "completed" || job.State == "dead")
}
