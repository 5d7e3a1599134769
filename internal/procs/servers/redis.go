package servers

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

const (
	redisProgram  = "/usr/bin/redis-server"
	valkeyProgram = "/usr/bin/valkey-server"
)

// StartRedis starts a private Redis that writes every change to disk within a second. With a Root that has no
// redis-server but a valkey-server, it is a Valkey.
func StartRedis(ctx context.Context, o Options) (*Server, error) {
	root, err := findRoot(o, redisRootVar)
	if err != nil {
		return nil, err
	}
	debian := redisProgram
	if root != "" && root.check(redisProgram, "") != nil && root.check(valkeyProgram, "") == nil {
		debian = valkeyProgram
	}
	program, err := findProgram(root, o.Program, debian, "redis-server")
	if err != nil {
		return nil, err
	}
	s, keys, err := newServer("Redis", "redis", []int{6379}, root, o)
	if err != nil {
		return nil, err
	}
	port := keys.Ports[0]
	config := s.home.Path("redis.conf")
	s.URL = (&url.URL{
		Scheme: "redis", User: url.UserPassword("", keys.Password), Host: s.at(port),
		Path: "/0",
	}).String()
	extra, err := s.withTLS(o, keys, "rediss", redisTLS)
	if err == nil {
		err = os.WriteFile(config, []byte(redisConfig(s.host.address(), port, keys.Password, extra)), 0o600)
	}
	if err != nil {
		s.home.Close()
		return nil, fmt.Errorf("private Redis: %w", err)
	}
	s.commands = []command{{
		name: filepath.Base(debian), argv: s.argv(o, append([]string{program, config}, o.Args...)...),
		env:   []string{"PATH=" + systemPath, "LANG=C.UTF-8", "HOME=" + s.home.Dir},
		ready: func(ctx context.Context) (string, error) { return askRedis(ctx, s.at(port), keys.Password) },
	}}
	if err := s.startFirst(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// redisTLS is the configuration of the listener with TLS.
const redisTLS = `tls-port %d
tls-ca-cert-file %s
tls-cert-file %s
tls-key-file %s
tls-auth-clients yes
`

// redisConfig returns redis.conf with the password in it: an argument list would show it to everybody on the machine.
// The data goes to the directory that the server runs in, its own.
func redisConfig(address string, port int, password, extra string) string {
	return fmt.Sprintf(`bind %s
port %d
requirepass %s
dir .
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
%s
`, address, port, password, extra)
}
