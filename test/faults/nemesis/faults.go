package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
	"github.com/polyglot-media/siren/test/processes"
)

// fixTime bounds the undoing of a fault.
const fixTime = 4 * time.Minute

// itself returns the resources of a fault that has its target alone.
func itself(target string) []string { return []string{target} }

func resources(names ...string) func(string) []string {
	return func(string) []string { return names }
}

func nothing() error { return nil }

// commonKinds is every way to break the fleet, and one RabbitMQ and one Redis.
var commonKinds = map[string]kind{
	"worker-kill": {
		about: "kill -9 of a worker", targets: site.WorkerNames, resources: itself, most: time.Second,
		inject: func(n *Nemesis, f history.Fault) (func() error, error) {
			n.process(f.Target).Signal(syscall.SIGKILL)
			return nothing, nil
		},
	},
	"worker-pause-short": {
		about: "SIGSTOP of a worker for less than its lease, then SIGCONT", targets: site.WorkerNames,
		resources: itself,
		least:     time.Second, most: site.Lease * 3 / 5, inject: (*Nemesis).pause,
	},
	"worker-pause-long": {
		about: "SIGSTOP of a worker for longer than its lease, then SIGCONT", targets: site.WorkerNames,
		resources: itself,
		least:     site.Lease * 3 / 2, most: 3 * site.Lease, inject: (*Nemesis).pause,
	},
	"term-storm": {
		about: "SIGTERM to most of the fleet, in waves", targets: []string{"workers"},
		resources: resources(append(append([]string{}, site.WorkerNames...), site.ScalerNames...)...),
		inject:    (*Nemesis).storm,
	},
	"scaler-kill": {
		about: "kill -9 of a scaler, leading or not", targets: site.ScalerNames, resources: itself, most: time.Second,
		inject: func(n *Nemesis, f history.Fault) (func() error, error) {
			n.process(f.Target).Signal(syscall.SIGKILL)
			return nothing, nil
		},
	},
	"scaler-pause": {
		about: "SIGSTOP of a scaler, leading or not, then SIGCONT", targets: site.ScalerNames, resources: itself,
		least: 2 * time.Second, most: 15 * time.Second, inject: (*Nemesis).pause,
	},
	"broker-kill": {
		on: alone, about: "kill -9 of RabbitMQ, and its restart", resources: resources("broker"), most: 4 * time.Second,
		outage: "broker", after: 6 * time.Second, // the longest pause between two dials is 5 s
		inject: func(n *Nemesis, _ history.Fault) (func() error, error) {
			return n.startBroker, n.site.RabbitMQ.Kill()
		},
	},
	"broker-restart": {
		on: alone, about: "orderly restart of RabbitMQ", resources: resources("broker"), outage: "broker",
		after:  6 * time.Second,
		inject: func(n *Nemesis, _ history.Fault) (func() error, error) { return nothing, n.startBroker() },
	},
	"alarm-memory": {
		about: "memory alarm on RabbitMQ", resources: resources("broker"), least: 3 * time.Second,
		most:   10 * time.Second,
		outage: "alarm", after: time.Second,
		inject: func(n *Nemesis, _ history.Fault) (func() error, error) { return n.alarm("memory") },
	},
	"alarm-disk": {
		about: "disk alarm on RabbitMQ", resources: resources("broker"), least: 3 * time.Second, most: 10 * time.Second,
		outage: "alarm", after: time.Second,
		inject: func(n *Nemesis, _ history.Fault) (func() error, error) { return n.alarm("disk") },
	},
	"redis-kill": {
		on: alone, about: "kill -9 of Redis, and its restart with its data", resources: resources("redis"),
		most:   8 * time.Second,
		outage: "redis", after: 3 * time.Second,
		inject: func(n *Nemesis, _ history.Fault) (func() error, error) { return n.startRedis, n.site.Redis.Kill() },
	},
	"redis-wipe": {
		on: alone, about: "kill -9 of Redis, and its restart without its data", resources: resources("redis"),
		most:   6 * time.Second,
		outage: "redis", after: 3 * time.Second, inject: (*Nemesis).wipe,
	},
	"redis-flush": {
		about: "FLUSHALL", resources: resources("redis"), inject: (*Nemesis).flush,
	},
	"cut": {
		about: "connections of a process to RabbitMQ, Redis or S3 end, and none is let through", targets: linkNames(),
		resources: itself,
		least:     500 * time.Millisecond, most: 6 * time.Second,
		inject: func(n *Nemesis, f history.Fault) (func() error, error) {
			l := n.site.Net.Link(f.Target)
			l.Cut()
			return l.Fix, nil
		},
	},
	"slow": {
		about: "connections of a process to RabbitMQ, Redis or S3 are slow", targets: linkNames(), resources: itself,
		least: 4 * time.Second, most: 12 * time.Second,
		inject: func(n *Nemesis, f history.Fault) (func() error, error) {
			latency := 100 + f.Seed%500
			return n.spoil(f, "latency", fmt.Sprintf(`{"latency": %d, "jitter": %d}`, latency, latency/2))
		},
	},
	"half-open": {
		about:   "connections of a process to RabbitMQ, Redis or S3 stay open, and nothing gets through",
		targets: linkNames(), resources: itself,
		least: 4 * time.Second, most: 25 * time.Second,
		inject: func(n *Nemesis, f history.Fault) (func() error, error) {
			return n.spoil(f, "timeout", `{"timeout": 0}`)
		},
	},
	"scratch-full": {
		about: "no byte is free on the scratch disk of a worker", targets: []string{"w1"}, resources: resources("disk"),
		least: 4 * time.Second, most: 12 * time.Second,
		inject: func(n *Nemesis, _ history.Fault) (func() error, error) {
			return n.site.Disk.Empty, n.site.Disk.FillBut(0)
		},
	},
	"scratch-block": {
		about: "one block is free on the scratch disk of a worker", targets: []string{"w1"},
		resources: resources("disk"), least: 4 * time.Second, most: 12 * time.Second,
		inject: func(n *Nemesis, _ history.Fault) (func() error, error) {
			return n.site.Disk.Empty, n.site.Disk.FillBut(1)
		},
	},
	"clock-offset": {
		about: "a worker starts with a wall clock that is up to an hour off", targets: site.WorkerNames,
		resources: itself,
		least:     10 * time.Second, most: 25 * time.Second, inject: (*Nemesis).offset,
	},
}

// pause freezes a process, and every other time what it has started, too: as a machine that is frozen does.
func (n *Nemesis) pause(f history.Fault) (func() error, error) {
	p := n.process(f.Target)
	life, pid := p.Current()
	if life == "" {
		return nothing, nil
	}
	p.Signal(syscall.SIGSTOP)
	var frozen []processes.Process
	if f.Seed%2 == 0 {
		frozen = processes.Running(func(child processes.Process) bool { return child.Parent == pid })
	}
	for _, child := range frozen {
		_ = syscall.Kill(child.PID, syscall.SIGSTOP)
	}
	return func() error {
		for _, child := range frozen {
			_ = syscall.Kill(child.PID, syscall.SIGCONT)
		}
		p.Signal(syscall.SIGCONT)
		return nil
	}, nil
}

// storm tells most processes to stop, once or twice, in two or three waves. Whoever is hit twice returns its jobs at
// once.
func (n *Nemesis) storm(f history.Fault) (func() error, error) {
	r := rand.New(rand.NewPCG(f.Seed, 0))
	for range 2 + r.IntN(2) {
		for _, p := range append(append([]*site.Process{}, n.site.Workers...), n.site.Scalers...) {
			if r.IntN(4) == 0 {
				continue
			}
			p.Signal(syscall.SIGTERM)
			if r.IntN(3) == 0 {
				time.Sleep(20 * time.Millisecond)
				p.Signal(syscall.SIGTERM)
			}
		}
		time.Sleep(time.Duration(200+r.IntN(1500)) * time.Millisecond)
	}
	return nothing, nil
}

func (n *Nemesis) startBroker() error { return restart(n.site.RabbitMQ) }
func (n *Nemesis) startRedis() error  { return restart(n.site.Redis) }

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

func (n *Nemesis) alarm(resource string) (func() error, error) {
	broker, err := n.site.Broker()
	if err != nil {
		return nil, err
	}
	tell := func(what string) error {
		ctx, cancel := context.WithTimeout(context.Background(), fixTime)
		defer cancel()
		_, err := broker.Rabbitmqctl(ctx, "eval", what)
		return err
	}
	err = tell(fmt.Sprintf("rabbit_alarm:set_alarm({{resource_limit, %s, node()}, []}).", resource))
	return func() error {
		return tell(fmt.Sprintf("rabbit_alarm:clear_alarm({resource_limit, %s, node()}).", resource))
	}, err
}

// wipe kills Redis and takes its data away.
func (n *Nemesis) wipe(history.Fault) (func() error, error) {
	n.lostData()
	if err := n.site.Redis.Kill(); err != nil {
		return nil, err
	}
	var problems []error
	for _, name := range []string{"appendonlydir", "dump.rdb"} {
		problems = append(problems, os.RemoveAll(n.site.Path("redis", name)))
	}
	return n.startRedis, errors.Join(problems...)
}

func (n *Nemesis) flush(history.Fault) (func() error, error) {
	n.lostData()
	ctx, cancel := context.WithTimeout(context.Background(), fixTime)
	defer cancel()
	at, err := n.primary(ctx)
	if err != nil {
		return nil, err
	}
	o, err := goredis.ParseURL(at.URL)
	if err != nil {
		return nil, err
	}
	c := goredis.NewClient(o)
	defer func() { _ = c.Close() }()
	return nothing, c.FlushAll(ctx).Err()
}

// primary returns the Redis that takes writes.
func (n *Nemesis) primary(ctx context.Context) (*servers.Server, error) {
	if n.site.Sentinels == nil {
		return n.site.Redis, nil
	}
	primary, _, err := n.site.Sentinels.Primary(ctx)
	return primary, err
}

func (n *Nemesis) lostData() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Lost = append(n.Lost, time.Now())
}

// spoil puts a toxic on a link. When it is taken off, connections that lost bytes meanwhile end: TCP never loses some
// in the middle.
func (n *Nemesis) spoil(f history.Fault, toxic, attributes string) (func() error, error) {
	l := n.site.Net.Link(f.Target)
	return func() error { l.Heal(); return nil }, l.Toxic(toxic, attributes)
}

// offset restarts a worker with another time of day, and again with the right one.
func (n *Nemesis) offset(f history.Fault) (func() error, error) {
	p := n.process(f.Target)
	minutes := int(f.Seed%121) - 60
	p.With(fmt.Sprintf("SIREN_TEST_CLOCK_OFFSET=%dm", minutes))
	p.Signal(syscall.SIGTERM)
	return func() error {
		p.With()
		p.Signal(syscall.SIGTERM)
		return nil
	}, nil
}
