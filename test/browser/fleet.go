// Package browser is what tests in Chromium share: a fleet with gateways, and how a script that drives the browser is
// run. The scripts' part is chromium.mjs. What is looked at is in the folder of each test; scripts/browser installs
// what all of them need.
package browser

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/lanes/role"
)

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

// Fleet is a running `siren up`, and the only one of this process.
type Fleet struct {
	Dir     string // in which jobs may read and write, and which has a film: clip.mp4
	version string
	up      *exec.Cmd
	ended   chan error
}

// Start starts a fleet. The caller stops it with Stop.
func Start(ctx context.Context, siren string) (f *Fleet, err error) {
	f = &Fleet{ended: make(chan error, 1)}
	if f.Dir, err = os.MkdirTemp("", "siren-browser-"); err != nil {
		return nil, err
	}
	if err = f.prepare(ctx, siren); err == nil {
		err = f.start(ctx, siren)
	}
	if err != nil {
		os.RemoveAll(f.Dir)
		return nil, err
	}
	return f, nil
}

// prepare makes the film and what the fleet needs to know.
func (f *Fleet) prepare(ctx context.Context, siren string) error {
	for name, value := range map[string]string{
		"XDG_STATE_HOME": f.Dir, "XDG_CONFIG_HOME": f.Dir, "SIREN_AMQP_URL": "", "SIREN_REDIS_URL": "",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	said, err := exec.CommandContext(ctx, siren, "--version").Output()
	if err != nil {
		return err
	}
	f.version = strings.Fields(string(said))[1] // siren VERSION (…)
	clip := exec.CommandContext(ctx, "ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i",
		"testsrc2=size=160x90:duration=1", filepath.Join(f.Dir, "clip.mp4"))
	if out, err := clip.CombinedOutput(); err != nil {
		return fmt.Errorf("make a clip: %w: %s", err, out)
	}
	yaml := strings.ReplaceAll(policy, "@PREFIX@", "file://"+f.Dir+"/")
	return os.WriteFile(filepath.Join(f.Dir, "siren.yaml"), []byte(yaml), 0o644)
}

// start starts the fleet, and waits until it is up.
func (f *Fleet) start(ctx context.Context, siren string) error {
	said := filepath.Join(f.Dir, "up.log")
	log, err := os.Create(said)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own copy
	f.up = exec.CommandContext(ctx, siren, "up", "--policy", filepath.Join(f.Dir, "siren.yaml"), "--address", "",
		"--drain-timeout", "2s")
	f.up.Stdout, f.up.Stderr, f.up.SysProcAttr = log, log, &syscall.SysProcAttr{Setpgid: true}
	if err := f.up.Start(); err != nil {
		return err
	}
	go func() { f.ended <- f.up.Wait() }()
	for range 600 {
		if _, there := reach.Running(); there {
			return nil
		}
		select {
		case err := <-f.ended:
			text, _ := os.ReadFile(said)
			return fmt.Errorf("siren up ended: %w: %s", err, text)
		case <-time.After(100 * time.Millisecond):
		}
	}
	f.Stop()
	return errors.New("siren up isn't up after a minute")
}

// Stop stops the fleet, and removes its folder.
func (f *Fleet) Stop() {
	_ = syscall.Kill(-f.up.Process.Pid, syscall.SIGINT)
	if err := <-f.ended; err != nil {
		fmt.Fprintln(os.Stderr, "siren up ended:", err)
	}
	os.RemoveAll(f.Dir)
}

// Gateway starts a gateway, which answers until ctx ends, and returns its address.
func (f *Fleet) Gateway(ctx context.Context, who auth.Guard) (string, error) {
	at, err := reach.Flags{Role: role.Gateway}.Find()
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	g := serve.Gateway{
		Listener: listener, Guard: who, Version: f.version, At: at, Log: slog.New(slog.DiscardHandler),
		Outputs: []string{"https://pictures.invalid"},
	}
	go func() {
		if err := g.Run(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "a gateway ended:", err)
		}
	}()
	return "http://" + listener.Addr().String(), nil
}

// Tokens are those that a gateway lets in.
type Tokens map[string]auth.Identity

// Identify returns whose the token is.
func (t Tokens) Identify(_ context.Context, token string) (auth.Identity, error) {
	i, ok := t[token]
	if !ok {
		return i, auth.ErrUnknown
	}
	return i, nil
}
