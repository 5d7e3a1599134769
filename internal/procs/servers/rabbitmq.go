package servers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/procs"
)

const (
	// not the one in /usr/sbin: that changes to the system's user.
	rabbitProgram = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	epmdProgram   = "/usr/bin/epmd"
	rabbitUser    = "siren"
	systemPath    = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// StartRabbitMQ starts a private RabbitMQ and returns when it speaks AMQP, which takes 3 to 9 s. It listens on
// loopback or its host's address only, and nothing of a system-wide RabbitMQ is touched or read.
//
// A RabbitMQ needs an epmd (Erlang's port mapper), which would otherwise be started as a daemon, listen on all
// addresses and outlive it; so it gets one of its own, as a child of ours.
func StartRabbitMQ(ctx context.Context, o Options) (*Server, error) {
	root, err := findRoot(o, rabbitRootVar)
	if err != nil {
		return nil, err
	}
	program, err := findProgram(root, o.Program, rabbitProgram, "rabbitmq-server")
	if err != nil {
		return nil, err
	}
	epmd, err := findProgram(root, "", epmdProgram, "rabbitmq-server")
	if err != nil {
		return nil, err
	}
	s, keys, err := newServer("RabbitMQ", "rabbitmq", []int{5672, 4369, 25672, 35672}, root, o)
	if err != nil {
		return nil, err
	}
	r := rabbit{
		home: s.home, host: s.host, keys: keys, amqp: keys.Ports[0], epmd: keys.Ports[1], dist: keys.Ports[2],
		ctl: keys.Ports[3],
	}
	s.URL = (&url.URL{
		Scheme: "amqp", User: url.UserPassword(rabbitUser, keys.Password), Host: s.at(r.amqp),
		Path: "/",
	}).String()
	config, err := s.withTLS(o, keys, "amqps", rabbitTLS)
	if err == nil {
		err = r.writeFiles(config, o.Plugins)
	}
	if err != nil {
		s.home.Close()
		return nil, fmt.Errorf("RabbitMQ: %w", err)
	}
	s.commands = []command{
		{
			name: "epmd", argv: s.argv(o, epmd, "-address", s.host.address(), "-port", strconv.Itoa(r.epmd)),
			env:   r.env(),
			ready: func(ctx context.Context) (string, error) { return askTCP(ctx, s.at(r.epmd)) },
		},
		{
			name: "rabbitmq-server", argv: s.argv(o, program), env: r.env(),
			ready: func(ctx context.Context) (string, error) {
				if o.TLS != nil {
					if _, err := askTCP(ctx, s.at(keys.Ports[len(keys.Ports)-1])); err != nil {
						return "", err
					}
				}
				return askAMQP(ctx, s.at(r.amqp))
			},
		},
	}
	s.logs = []string{s.home.Path("log", keys.Node+".log")}
	s.tool = func(ctx context.Context, name string, args ...string) *exec.Cmd {
		argv := s.argv(o, append([]string{filepath.Join(filepath.Dir(program), name)}, args...)...)
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env, cmd.Dir = r.env(), s.home.Dir
		return cmd
	}
	if err := s.startFirst(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// bootsWithin is how much later than AMQP a starting RabbitMQ, or one on a machine that is out of breath, may let
// rabbitmqctl in.
const bootsWithin = 20 * time.Second

// notYet is how a tool says that it couldn't ask the server.
var notYet = regexp.MustCompile(`'rabbit' app to be running|unable to perform an operation on node`)

// Rabbitmqctl runs rabbitmqctl on this server and returns what it prints. For tests: "eval" with
// `rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []}).` raises an alarm.
func (s *Server) Rabbitmqctl(ctx context.Context, args ...string) (string, error) {
	return s.Tool(ctx, "rabbitmqctl", args...)
}

// Tool does the same with another of RabbitMQ's tools, such as rabbitmq-queues.
func (s *Server) Tool(ctx context.Context, name string, args ...string) (string, error) {
	if s.tool == nil {
		return "", fmt.Errorf("%s has no %s", s.name, name)
	}
	var out []byte
	var err error
	for end := time.Now().Add(bootsWithin); ; time.Sleep(bootsWithin / 100) {
		out, err = s.tool(ctx, name, args...).CombinedOutput()
		if err == nil || ctx.Err() != nil || time.Now().After(end) || !notYet.Match(out) {
			break
		}
	}
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err,
			strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Vhost makes a virtual host and returns its URL. For tests that share a server: none sees what is in another's. To
// eval this takes a third of the CPU time of add_vhost and set_permissions, which start an Erlang each.
func (s *Server) Vhost(ctx context.Context) (string, error) {
	name := rand.Text()
	_, err := s.Rabbitmqctl(ctx, "eval", fmt.Sprintf(`Name = <<%q>>, User = <<%q>>, All = <<".*">>, By = <<"test">>,
		ok = rabbit_vhost:add(Name, By),
		ok = rabbit_auth_backend_internal:set_permissions(User, Name, All, All, All, By).`, name, rabbitUser))
	return s.URL + name, err
}

// rabbitTLS is the configuration of the listener with TLS.
const rabbitTLS = `listeners.ssl.local = 127.0.0.1:%d
ssl_options.cacertfile = %s
ssl_options.certfile = %s
ssl_options.keyfile = %s
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
`

// rabbit is where one RabbitMQ has what.
type rabbit struct {
	home                  *procs.Home
	host                  *Host
	keys                  secrets
	amqp, epmd, dist, ctl int // ports
}

// writeFiles writes the configuration and the Erlang cookie. The password is in a private file only.
func (r rabbit) writeFiles(extra string, plugins []string) error {
	for _, dir := range []string{"log", "conf.d", "data"} {
		if err := os.MkdirAll(r.home.Path(dir), 0o700); err != nil {
			return err
		}
	}
	// An Erlang cookie must be readable for its owner only, or Erlang refuses it.
	if err := os.Remove(r.home.Path(".erlang.cookie")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for name, content := range map[string]string{
		"rabbitmq.conf":   r.config(extra),
		"advanced.config": "[].\n",
		"enabled_plugins": "[" + strings.Join(plugins, ",") + "].\n",
		"rabbitmq-env":    "", // instead of /etc/rabbitmq/rabbitmq-env.conf
		".erlang.cookie":  r.keys.Cookie,
		"inetrc":          r.host.inetrc(),
	} {
		if err := os.WriteFile(r.home.Path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (r rabbit) config(extra string) string {
	return fmt.Sprintf(`listeners.tcp.local = %s:%d
default_user = %s
default_pass = %s
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
log.console = false
log.file.level = info
log.file.rotation.size = 4194304
log.file.rotation.count = 1
%s
`, r.host.address(), r.amqp, rabbitUser, r.keys.Password, extra)
}

// env returns the whole environment of everything Erlang here: nothing of ours or of the system's configuration gets
// in.
func (r rabbit) env() []string {
	return []string{
		"PATH=" + systemPath,
		"LANG=C.UTF-8",
		"HOME=" + r.home.Dir, // the cookie's place
		"ERL_EPMD_ADDRESS=" + r.host.address(),
		"ERL_EPMD_PORT=" + strconv.Itoa(r.epmd),
		"ERL_INETRC=" + r.home.Path("inetrc"),
		// Also for the short-lived Erlang nodes that RabbitMQ and rabbitmqctl start: else they listen on all addresses.
		"ERL_FLAGS=-kernel inet_dist_use_interface " + erlangAddress(r.host.address()),
		"RUNNING_UNDER_SYSTEMD=true", // the script execs Erlang instead of keeping a shell around it
		"RABBITMQ_NODENAME=" + r.keys.Node,
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(r.dist),
		"RABBITMQ_CTL_DIST_PORT_MIN=" + strconv.Itoa(r.ctl),
		"RABBITMQ_CTL_DIST_PORT_MAX=" + strconv.Itoa(r.ctl+10),
		"RABBITMQ_CONF_ENV_FILE=" + r.home.Path("rabbitmq-env"),
		"RABBITMQ_CONFIG_FILE=" + r.home.Path("rabbitmq.conf"),
		"RABBITMQ_CONFIG_FILES=" + r.home.Path("conf.d"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + r.home.Path("advanced.config"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + r.home.Path("generated"),
		"RABBITMQ_SCHEMA_DIR=" + r.home.Path("schema"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + r.home.Path("enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + r.home.Path("data"),
		"RABBITMQ_FEATURE_FLAGS_FILE=" + r.home.Path("feature_flags"),
		"RABBITMQ_LOG_BASE=" + r.home.Path("log"),
		"RABBITMQ_PID_FILE=" + r.home.Path("rabbitmq.pid"),
	}
}
