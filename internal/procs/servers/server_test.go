package servers

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/procs/procstest"
)

// TestServersSurviveACrash walks through the life of both servers in one directory: a run that is killed, the next
// one with the same data, a kill and restart, the end.
func TestServersSurviveACrash(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "with a blank")
	crashed, urls := procstest.Start(t, 2, "servers", dir)
	left := procs.PID{Number: crashed.Process.Pid}.Descendants()
	if err := crashed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = crashed.Wait()

	o := Options{Dir: dir, Log: procstest.Log(t)}
	redis, err := StartRedis(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	rabbit, err := StartRabbitMQ(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	procstest.Eventually(t, "no process of the crashed run is left", func() bool {
		return !slices.ContainsFunc(left, procs.PID.Alive)
	})
	if got := []string{redis.URL, rabbit.URL}; !slices.Equal(got, urls) {
		t.Errorf("URLs after the crash %v, before %v", got, urls)
	}
	users := func(when string) {
		t.Helper()
		if out, err := rabbit.Rabbitmqctl(ctx, "list_users"); err != nil || !strings.Contains(out, "kept") {
			t.Errorf("%s: users: %v\n%s", when, err, out)
		}
	}
	for s, form := range map[*Server]string{
		redis:  `^(Redis|Valkey) [0-9]+\.[0-9]+\.[0-9]+$`,
		rabbit: `^RabbitMQ [0-9]+\.[0-9]+\.[0-9]+$`,
	} {
		if v := s.Version(); !regexp.MustCompile(form).MatchString(v) {
			t.Errorf("version %q", v)
		}
	}
	users("after the crash")
	checkExposure(t, rabbit, redis)

	if err := rabbit.Kill(); err != nil {
		t.Fatal(err)
	}
	<-rabbit.Done()
	if err := rabbit.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	users("after kill and restart")

	var family []procs.PID
	for _, s := range []*Server{rabbit, redis} {
		for _, p := range s.running {
			family = append(append(family, p.PID), p.PID.Descendants()...)
		}
	}
	for _, s := range []*Server{rabbit, redis} {
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
		if err := s.Stop(ctx); err != nil {
			t.Errorf("second stop: %v", err)
		}
	}
	if len(family) < 4 { // redis, epmd, beam, erl_child_setup
		t.Errorf("only %d processes seen", len(family))
	}
	if slices.ContainsFunc(family, procs.PID.Alive) {
		t.Error("something still runs after Stop")
	}
	if err := rabbit.Restart(ctx); err == nil {
		t.Error("restarted after Stop")
	}
}

// checkExposure looks for ports beyond loopback and for secrets in argument lists, of the servers and all that they
// started.
func checkExposure(t *testing.T, servers ...*Server) {
	t.Helper()
	for _, s := range servers {
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		var open []string
		for _, p := range s.running {
			for _, q := range append(p.PID.Descendants(), p.PID) {
				args, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(q.Number), "cmdline"))
				if bytes.Contains(args, []byte(password)) {
					t.Errorf("%s: the password is in the arguments of process %d", s.name, q.Number)
				}
				open = append(open, listening(t, q.Number)...)
			}
		}
		for _, a := range open {
			if host, _, _ := net.SplitHostPort(a); !net.ParseIP(host).IsLoopback() {
				t.Errorf("%s listens on %s", s.name, a)
			}
		}
		if !slices.Contains(open, u.Host) {
			t.Errorf("%s listens on %v, which %s is not among", s.name, open, u.Host)
		}
	}
}

// listening returns the addresses that the process listens on: its sockets, looked up in /proc/net.
func listening(t *testing.T, number int) []string {
	t.Helper()
	fds, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(number), "fd", "*"))
	sockets := map[string]bool{}
	for _, fd := range fds {
		target, _ := os.Readlink(fd)
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			sockets[strings.TrimSuffix(inode, "]")] = true
		}
	}
	var found []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		raw, _ := os.ReadFile(table)
		for _, line := range strings.Split(string(raw), "\n") {
			const local, state, inode, listen = 1, 3, 9, "0A"
			f := strings.Fields(line)
			if len(f) <= inode || f[state] != listen || !sockets[f[inode]] {
				continue
			}
			found = append(found, socketAddress(t, f[local]))
		}
	}
	return found
}

// socketAddress reads an address as /proc/net writes it: hex, in 32-bit words of the machine's order (little-endian).
func socketAddress(t *testing.T, s string) string {
	t.Helper()
	host, port, _ := strings.Cut(s, ":")
	ip, err := hex.DecodeString(host)
	if err != nil {
		t.Fatal(err)
	}
	for word := range slices.Chunk(ip, 4) {
		slices.Reverse(word)
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(net.IP(ip).String(), strconv.FormatUint(n, 10))
}

func TestRedisKeepsDataOverKillAndRestart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := StartRedis(ctx, Options{Log: procstest.Log(t), Config: "appendfsync always\n"})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "SET job running"); got != "+OK" {
		t.Fatal(got)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "STRLEN job"); got != ":7" {
		t.Errorf("after kill and restart: %s", got)
	}
	if _, err := s.Rabbitmqctl(ctx, "status"); err == nil {
		t.Error("a Redis has a rabbitmqctl")
	}
	dir := s.home.Dir
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary directory is left: %v", err)
	}
}

// ask sends one inline command and returns the first line of the answer.
func ask(t *testing.T, s *Server, command string) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	password, _ := u.User.Password()
	if _, err := c.Write([]byte("AUTH " + password + "\r\n" + command + "\r\nQUIT\r\n")); err != nil {
		t.Fatal(err)
	}
	var answer bytes.Buffer
	_, _ = answer.ReadFrom(c)
	lines := strings.Split(answer.String(), "\r\n")
	if len(lines) < 2 {
		t.Fatalf("answer %q", answer.String())
	}
	return lines[1]
}

func TestServerThatCantStartSaysWhy(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	empty, bare := t.TempDir(), t.TempDir() // roots: one without anything, one with a server that lacks its libraries
	if err := os.MkdirAll(filepath.Join(bare, "usr/bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(redisProgram); err != nil {
		t.Fatal(err)
	} else if err := os.WriteFile(filepath.Join(bare, redisProgram), raw, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		start func(context.Context, Options) (*Server, error)
		o     Options
		want  []string
	}{
		"RabbitMQ is missing": {
			StartRabbitMQ,
			Options{Program: "/nowhere/rabbitmq-server"},
			[]string{"rabbitmq-server is not installed", "scripts/install", "apt-get install rabbitmq-server"},
		},
		"Redis is missing": {
			StartRedis,
			Options{Program: "/nowhere/redis-server"},
			[]string{"redis-server is not installed", "scripts/install"},
		},
		"Redis is no program": {StartRedis, Options{Program: plain}, []string{"is not a program"}},
		"no directory possible": {
			StartRedis,
			Options{Dir: plain},
			[]string{"Redis: data directory", "not a directory"},
		},
		"bad configuration": {
			StartRedis,
			Options{Config: "no-such-setting 1"},
			[]string{"-server ended while starting (exit status 1)", "no-such-setting"},
		},
		"no such root": {
			StartRabbitMQ,
			Options{Root: "/nowhere"},
			[]string{"Options.Root: stat /nowhere", "scripts/servers"},
		},
		"the root is a file": {
			StartRedis,
			Options{Root: plain},
			[]string{"is not a folder", "scripts/servers"},
		},
		"no RabbitMQ in it": {
			StartRabbitMQ,
			Options{Root: empty},
			[]string{"no rabbitmq-server in " + empty, "scripts/servers", "mmdebstrap --include=rabbitmq-server"},
		},
		"no Redis in it": {
			StartRedis,
			Options{Root: empty},
			[]string{"no redis-server in " + empty, "scripts/servers"},
		},
		"nothing but it": {
			StartRedis,
			Options{Root: bare},
			[]string{"redis-server ended while starting", "No such file"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.start(t.Context(), c.o)
			if err == nil {
				t.Fatal("it started")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

// TestAServerThatNeverAnswersIsGivenUp puts a program that only sleeps in the place of Redis.
func TestAServerThatNeverAnswersIsGivenUp(t *testing.T) {
	t.Parallel()
	deaf := filepath.Join(t.TempDir(), "redis-server")
	if err := os.WriteFile(deaf, []byte("#!/bin/sh\necho waiting for nothing\nexec sleep 3600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	dir := t.TempDir()
	go func() {
		for procs.Tail(filepath.Join(dir, "redis", "output.log"), 1) == "" {
			time.Sleep(10 * time.Millisecond)
		}
		cancel(errors.New("test is over"))
	}()
	_, err := StartRedis(ctx, Options{Dir: dir, Program: deaf})
	if err == nil || !strings.Contains(err.Error(), "not ready") ||
		!strings.Contains(err.Error(), "waiting for nothing") {
		t.Errorf("error: %v", err)
	}
}

func TestFreePorts(t *testing.T) {
	t.Parallel()
	ports, err := freePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ports)
	if len(slices.Compact(ports)) != 20 {
		t.Errorf("not 20 different ports: %v", ports)
	}
}
