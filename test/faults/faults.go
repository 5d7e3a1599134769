package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
)

const (
	sigkill = syscall.SIGKILL
	// fixTime bounds the undoing of a fault.
	fixTime = 4 * time.Minute
)

// itself returns the resources of a fault that has its target alone.
func itself(target string) []string { return []string{target} }

func resources(names ...string) func(string) []string {
	return func(string) []string { return names }
}

func nothing() error { return nil }

// kinds is every way to break the fleet.
var kinds = map[string]kind{
	"worker-kill": {
		about: "kill -9 of a worker", targets: workerNames, resources: itself, most: time.Second,
		inject: func(n *nemesis, f fault) (func() error, error) {
			n.process(f.target).signal(sigkill)
			return nothing, nil
		},
	},
	"worker-pause-short": {
		about: "SIGSTOP of a worker for less than its lease, then SIGCONT", targets: workerNames, resources: itself,
		least: time.Second, most: lease * 3 / 5, inject: (*nemesis).pause,
	},
	"worker-pause-long": {
		about: "SIGSTOP of a worker for longer than its lease, then SIGCONT", targets: workerNames, resources: itself,
		least: lease * 3 / 2, most: 3 * lease, inject: (*nemesis).pause,
	},
	"term-storm": {
		about: "SIGTERM to most of the fleet, in waves", targets: []string{"workers"},
		resources: resources(append(append([]string{}, workerNames...), scalerNames...)...), inject: (*nemesis).storm,
	},
	"scaler-kill": {
		about: "kill -9 of a scaler, leading or not", targets: scalerNames, resources: itself, most: time.Second,
		inject: func(n *nemesis, f fault) (func() error, error) {
			n.process(f.target).signal(sigkill)
			return nothing, nil
		},
	},
	"scaler-pause": {
		about: "SIGSTOP of a scaler, leading or not, then SIGCONT", targets: scalerNames, resources: itself,
		least: 2 * time.Second, most: 15 * time.Second, inject: (*nemesis).pause,
	},
	"broker-kill": {
		about: "kill -9 of RabbitMQ, and its restart", resources: resources("broker"), most: 4 * time.Second,
		outage: "broker", after: 6 * time.Second, // the longest pause between two dials is 5 s
		inject: func(n *nemesis, _ fault) (func() error, error) { return n.startBroker, n.site.rabbitmq.Kill() },
	},
	"broker-restart": {
		about: "orderly restart of RabbitMQ", resources: resources("broker"), outage: "broker", after: 6 * time.Second,
		inject: func(n *nemesis, _ fault) (func() error, error) { return nothing, n.startBroker() },
	},
	"alarm-memory": {
		about: "memory alarm on RabbitMQ", resources: resources("broker"), least: 3 * time.Second,
		most:   10 * time.Second,
		outage: "alarm", after: time.Second,
		inject: func(n *nemesis, _ fault) (func() error, error) { return n.alarm("memory") },
	},
	"alarm-disk": {
		about: "disk alarm on RabbitMQ", resources: resources("broker"), least: 3 * time.Second, most: 10 * time.Second,
		outage: "alarm", after: time.Second,
		inject: func(n *nemesis, _ fault) (func() error, error) { return n.alarm("disk") },
	},
	"redis-kill": {
		about: "kill -9 of Redis, and its restart with its data", resources: resources("redis"), most: 8 * time.Second,
		outage: "redis", after: 3 * time.Second,
		inject: func(n *nemesis, _ fault) (func() error, error) { return n.startRedis, n.site.redis.Kill() },
	},
	"redis-wipe": {
		about: "kill -9 of Redis, and its restart without its data", resources: resources("redis"),
		most:   6 * time.Second,
		outage: "redis", after: 3 * time.Second, inject: (*nemesis).wipe,
	},
	"redis-flush": {
		about: "FLUSHALL", resources: resources("redis"), inject: (*nemesis).flush,
	},
	"cut": {
		about: "connections of a process to RabbitMQ, Redis or S3 end, and none is let through", targets: linkNames(),
		resources: itself,
		least:     500 * time.Millisecond, most: 6 * time.Second,
		inject: func(n *nemesis, f fault) (func() error, error) {
			l := n.site.net.link(f.target)
			l.cut()
			return l.fix, nil
		},
	},
	"slow": {
		about: "connections of a process to RabbitMQ, Redis or S3 are slow", targets: linkNames(), resources: itself,
		least: 4 * time.Second, most: 12 * time.Second,
		inject: func(n *nemesis, f fault) (func() error, error) {
			latency := 100 + f.seed%500
			return n.spoil(f, "latency", fmt.Sprintf(`{"latency": %d, "jitter": %d}`, latency, latency/2))
		},
	},
	"half-open": {
		about:   "connections of a process to RabbitMQ, Redis or S3 stay open, and nothing gets through",
		targets: linkNames(), resources: itself,
		least: 4 * time.Second, most: 25 * time.Second,
		inject: func(n *nemesis, f fault) (func() error, error) { return n.spoil(f, "timeout", `{"timeout": 0}`) },
	},
	"scratch-full": {
		about: "no byte is free on the scratch disk of a worker", targets: []string{"w1"}, resources: resources("disk"),
		least: 4 * time.Second, most: 12 * time.Second,
		inject: func(n *nemesis, _ fault) (func() error, error) { return n.site.disk.empty, n.site.disk.fill() },
	},
	"clock-offset": {
		about: "a worker starts with a wall clock that is up to an hour off", targets: workerNames, resources: itself,
		least: 10 * time.Second, most: 25 * time.Second, inject: (*nemesis).offset,
	},
}

// pause freezes a process, and every other time what it has started, too: as a machine that is frozen does.
func (n *nemesis) pause(f fault) (func() error, error) {
	p := n.process(f.target)
	life, pid := p.current()
	if life == "" {
		return nothing, nil
	}
	p.signal(syscall.SIGSTOP)
	var frozen []int
	if f.seed%2 == 0 {
		frozen = childrenOf(pid)
	}
	for _, child := range frozen {
		_ = syscall.Kill(child, syscall.SIGSTOP)
	}
	return func() error {
		for _, child := range frozen {
			_ = syscall.Kill(child, syscall.SIGCONT)
		}
		p.signal(syscall.SIGCONT)
		return nil
	}, nil
}

// childrenOf lists the processes that this one has started.
func childrenOf(pid int) (children []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		// the name before it may hold anything
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			children = append(children, child)
		}
	}
	return children
}

// storm tells most processes to stop, once or twice, in two or three waves. Whoever is hit twice returns its jobs at
// once.
func (n *nemesis) storm(f fault) (func() error, error) {
	r := rand.New(rand.NewPCG(f.seed, 0))
	for range 2 + r.IntN(2) {
		for _, p := range append(append([]*process{}, n.site.workers...), n.site.scalers...) {
			if r.IntN(4) == 0 {
				continue
			}
			p.signal(syscall.SIGTERM)
			if r.IntN(3) == 0 {
				time.Sleep(20 * time.Millisecond)
				p.signal(syscall.SIGTERM)
			}
		}
		time.Sleep(time.Duration(200+r.IntN(1500)) * time.Millisecond)
	}
	return nothing, nil
}

func (n *nemesis) startBroker() error { return restart(n.site.rabbitmq) }
func (n *nemesis) startRedis() error  { return restart(n.site.redis) }

// restart tries more than once: on a machine that is busy with other things a broker may not be up in time.
func restart(server *servers.Server) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), fixTime)
	defer cancel()
	for ctx.Err() == nil {
		if err = server.Restart(ctx); err == nil {
			return nil
		}
	}
	return err
}

func (n *nemesis) alarm(resource string) (func() error, error) {
	tell := func(what string) error {
		ctx, cancel := context.WithTimeout(context.Background(), fixTime)
		defer cancel()
		_, err := n.site.rabbitmq.Rabbitmqctl(ctx, "eval", what)
		return err
	}
	err := tell(fmt.Sprintf("rabbit_alarm:set_alarm({{resource_limit, %s, node()}, []}).", resource))
	return func() error {
		return tell(fmt.Sprintf("rabbit_alarm:clear_alarm({resource_limit, %s, node()}).", resource))
	}, err
}

// wipe kills Redis and takes its data away.
func (n *nemesis) wipe(fault) (func() error, error) {
	n.lostData()
	if err := n.site.redis.Kill(); err != nil {
		return nil, err
	}
	var problems []error
	for _, name := range []string{"appendonlydir", "dump.rdb"} {
		problems = append(problems, os.RemoveAll(filepath.Join(n.site.dir, "redis", name)))
	}
	return n.startRedis, errors.Join(problems...)
}

func (n *nemesis) flush(fault) (func() error, error) {
	n.lostData()
	ctx, cancel := context.WithTimeout(context.Background(), fixTime)
	defer cancel()
	c, err := n.site.redisClient()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return nothing, c.FlushAll(ctx).Err()
}

func (n *nemesis) lostData() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost = append(n.lost, time.Now())
}

// spoil puts a toxic on a link. When it is taken off, connections that lost bytes meanwhile end: TCP never loses some
// in the middle.
func (n *nemesis) spoil(f fault, toxic, attributes string) (func() error, error) {
	l := n.site.net.link(f.target)
	return func() error { l.Toxics.ResetToxics(context.Background()); return nil }, l.toxic(toxic, attributes)
}

// offset restarts a worker with another time of day, and again with the right one.
func (n *nemesis) offset(f fault) (func() error, error) {
	p := n.process(f.target)
	minutes := int(f.seed%121) - 60
	p.with(fmt.Sprintf("SIREN_TEST_CLOCK_OFFSET=%dm", minutes))
	p.signal(syscall.SIGTERM)
	return func() error {
		p.with()
		p.signal(syscall.SIGTERM)
		return nil
	}, nil
}
