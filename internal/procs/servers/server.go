package servers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/internal/procs"
)

const (
	// a server that isn't ready by then is given up; a RabbitMQ needs 3 to 9 s, and more on a busy machine.
	startLimit = 90 * time.Second
	stopGrace  = 20 * time.Second      // from SIGTERM to SIGKILL
	probePause = 50 * time.Millisecond // between two readiness probes
)

// Options says how to run a private server.
type Options struct {
	// Dir keeps the data, password and ports from one run to the next, in a subdirectory for each server
	// (DIR/rabbitmq, DIR/redis). "": a temporary directory, removed by Stop.
	Dir string
	// Log gets starts, stops and leftovers; nil: nowhere. What the server itself logs goes to files in its directory.
	Log *slog.Logger
	// Config is added to the server's configuration file as it is, one setting a line.
	Config string
	// Args are more arguments of redis-server: --sentinel. For tests.
	Args []string
	// Secret is the password, and RabbitMQ's Erlang cookie, that the nodes of a cluster have in common. "": its own.
	Secret string
	// Host is where the server runs; nil: on this machine, on loopback and free ports.
	Host *Host
	// Plugins of RabbitMQ to enable; for tests. The ports that they listen on are Config's to choose.
	Plugins []string
	// TLS has the server listen with TLS too (Server.TLSURL), with a certificate of this authority, and want one from
	// its clients. For tests.
	TLS *Authority
	// Program is the path of rabbitmq-server or redis-server; "": the one of the Debian package.
	Program string
	// Root is the folder of another Debian, as scripts/servers makes them: the server, and all that belongs to it, runs
	// in there, with Program a path in it, and sees of this machine only its own directory and the authority's. "": as
	// SIREN_RABBITMQ_ROOT or SIREN_REDIS_ROOT says, unless a Program is given; without that, this machine's own server.
	Root string
}

// Server is a private server, on loopback or on a host of its own. Its methods are safe for concurrent use.
type Server struct {
	// URL is where it listens, with user and password. It stays the same over Kill and Restart.
	URL string
	// TLSURL is the same for Options.TLS, with amqps:// or rediss://; "" without it.
	TLSURL string

	name string
	home *procs.Home
	log  *slog.Logger
	root root
	host *Host
	logs []string // files to quote when it fails
	// commands are its processes in the order in which they start: the last one is the server, the others what it
	// needs.
	commands []command
	tool     func(ctx context.Context, name string, args ...string) *exec.Cmd // RabbitMQ only

	mu      sync.Mutex
	version string
	running []*procs.Process // one for each command, nil when not started yet
	stopped bool
}

// command is one of the processes that make up a server.
type command struct {
	name  string
	argv  []string
	env   []string
	ready func(context.Context) (version string, err error)
}

// secrets is what a server keeps from one run to the next: the data was made with it.
type secrets struct {
	Password string `json:"password"`
	Cookie   string `json:"cookie,omitempty"` // RabbitMQ only
	Node     string `json:"node,omitempty"`   // RabbitMQ only
	Ports    []int  `json:"ports"`
}

// newServer opens the directory and reads or makes the secrets; the caller fills in the commands. It listens on these
// ports when it has a host of its own, else on free ones. With TLS there is one more, the last one.
func newServer(name, subdir string, ports []int, r root, o Options) (*Server, secrets, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log = log.With(slog.String("server", name))
	if o.TLS != nil {
		ports = append(ports, 0)
	}
	h, err := procs.OpenHome(o.Dir, subdir, log)
	if err != nil {
		return nil, secrets{}, fmt.Errorf("%s: %w", name, err)
	}
	_ = os.Remove(h.Path("output.log")) // of the last run
	s := &Server{name: name, home: h, log: log, root: r, host: o.Host}
	keys, err := readSecrets(h, ports, o)
	if err == nil {
		err = r.prepare(h)
	}
	if err != nil {
		h.Close()
		return nil, secrets{}, fmt.Errorf("%s: %w", name, err)
	}
	return s, keys, nil
}

// readSecrets reads what the last run in this directory used, or makes it. Ports that were taken meanwhile are
// replaced.
func readSecrets(h *procs.Home, ports []int, o Options) (secrets, error) {
	keys := secrets{Password: rand.Text(), Cookie: rand.Text(), Node: "siren-" + rand.Text()[:8] + "@localhost"}
	raw, err := os.ReadFile(h.Path("server.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return secrets{}, err
	default:
		if err := json.Unmarshal(raw, &keys); err != nil {
			return secrets{}, fmt.Errorf("%s: %w", h.Path("server.json"), err)
		}
	}
	switch {
	case o.Host != nil:
		keys.Node, keys.Ports = "siren@"+o.Host.Name, ports
	case len(keys.Ports) != len(ports) || slices.ContainsFunc(keys.Ports, func(p int) bool { return !portFree(p) }):
		if keys.Ports, err = freePorts(len(ports)); err != nil {
			return secrets{}, err
		}
	}
	if o.Secret != "" {
		keys.Password, keys.Cookie = o.Secret, o.Secret
	}
	if raw, err = json.Marshal(keys); err != nil {
		return secrets{}, err
	}
	return keys, procs.WriteWhole(h.Path("server.json"), raw)
}

// startFirst starts a fresh Server: on failure nothing of it is left.
func (s *Server) startFirst(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = make([]*procs.Process, len(s.commands))
	if err := s.start(ctx); err != nil {
		err = errors.Join(err, s.stopAll(ctx))
		s.home.Close()
		return err
	}
	return nil
}

// start runs every command that doesn't run, and returns when the server answers. The caller holds mu.
func (s *Server) start(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for i, c := range s.commands {
		if p := s.running[i]; p != nil && p.Running() {
			continue
		}
		p, err := s.launch(c)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.running[i] = p
		if s.version, err = s.await(ctx, p, c.ready); err != nil {
			return err
		}
	}
	s.log.Info("started", slog.String("version", s.version), slog.Int("pid", s.main().PID.Number),
		slog.Duration("after", time.Since(began)))
	return nil
}

func (s *Server) launch(c command) (*procs.Process, error) {
	out, err := os.OpenFile(s.home.Path("output.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }() // the child has its own copy
	cmd := &exec.Cmd{Path: c.argv[0], Args: c.argv, Env: c.env, Dir: s.home.Dir, Stdout: out, Stderr: out}
	// SIGTERM, not SIGKILL: a server that loses us should still close its files.
	return s.home.Run(c.name, cmd, syscall.SIGTERM)
}

// await returns the version once the process is ready; it fails when that ends first or the time is over.
func (s *Server) await(
	ctx context.Context, p *procs.Process, ready func(context.Context) (version string, err error),
) (version string, err error) {
	for {
		version, err := ready(ctx)
		if err == nil {
			return version, nil
		}
		select {
		case <-p.Done:
			return "", fmt.Errorf("%s: %s ended while starting (%s)%s", s.name, p.Name, p.Exit(), s.quoteLogs())
		case <-ctx.Done():
			return "", fmt.Errorf("%s: not ready: %w (%w)%s", s.name, err, context.Cause(ctx), s.quoteLogs())
		case <-time.After(probePause):
		}
	}
}

// main returns the server process itself.
func (s *Server) main() *procs.Process { return s.running[len(s.running)-1] }

// Version returns the product and version that the server reports: RabbitMQ 3.10.8, Redis 7.0.15, Valkey 8.1.1.
func (s *Server) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// Done returns a channel that is closed when the server's process has ended, for whatever reason. Ask again after a
// Restart.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.main().Done
}

// Stop ends the server: SIGTERM, and SIGKILL when ctx ends or 20 s are over. Nothing of it is left running, and a
// temporary directory is gone. A second Stop does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	err := s.stopAll(ctx)
	s.home.Close()
	s.log.Info("stopped")
	return err
}

// stopAll stops the commands, the last one first, and then what they started in sessions of its own (Erlang's helpers
// do that; they end by themselves, but a moment later). The caller holds mu.
func (s *Server) stopAll(ctx context.Context) error {
	var problems []error
	var helpers []procs.PID
	for _, p := range slices.Backward(s.running) {
		if p != nil {
			helpers = append(helpers, p.PID.Descendants()...)
			problems = append(problems, p.Stop(ctx, stopGrace))
		}
	}
	return errors.Join(append(problems, procs.KillAll(helpers, time.Second))...)
}

// Kill ends the server's process at once, as a crash would. Restart brings it back.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.Info("killed")
	return s.main().Kill()
}

// Restart stops the server when it runs, and starts it again on the same port with the same data.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return fmt.Errorf("%s: restart after Stop", s.name)
	}
	if err := s.main().Stop(ctx, stopGrace); err != nil {
		return err
	}
	return s.start(ctx)
}

// quoteLogs returns the end of the server's logs, to append to an error.
func (s *Server) quoteLogs() string {
	var quoted string
	for _, path := range append([]string{s.home.Path("output.log")}, s.logs...) {
		if t := procs.Tail(path, 12); t != "" {
			quoted += fmt.Sprintf("\n--- the end of %s:\n%s", path, t)
		}
	}
	return quoted
}

// findProgram returns the path, checked, of the program that the Debian package has at debian. In a root it is a path
// in there.
func findProgram(r root, chosen, debian, pkg string) (string, error) {
	path := chosen
	if path == "" {
		path = debian
	}
	if r != "" {
		return path, r.check(path, pkg)
	}
	info, err := os.Stat(path)
	if err == nil && (info.IsDir() || info.Mode()&0o111 == 0) {
		err = fmt.Errorf("%s is not a program", path)
	}
	if err != nil {
		return "", fmt.Errorf("%s is not installed (%w): run scripts/install, or apt-get install %s",
			filepath.Base(debian), err, pkg)
	}
	return path, nil
}

// Signal sends the server's process a signal: SIGSTOP hangs it, SIGCONT lets it go on.
func (s *Server) Signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.main().Signal(sig)
}
